// The orders: takes them and remembers them. Node's standard library alone.
"use strict";

const crypto = require("node:crypto");
const fs = require("node:fs");
const http = require("node:http");
const path = require("node:path");

const instance = process.env.MADANG_INSTANCE || `orders (pid ${process.pid})`;
const port = Number(process.env.PORT || 9002);

// Other services are reached by name through Madang: EGRESS/<service>/path, balanced over its healthy instances.
const egress = process.env.MADANG_EGRESS || "http://127.0.0.1:7071";
const agent = new http.Agent({ keepAlive: true, maxSockets: 32 });

// One line per order. Each instance only ever appends, so that all of them can share the file.
const file = process.env.ORDERS_FILE || path.join(__dirname, "..", ".madang", "orders.jsonl");
fs.mkdirSync(path.dirname(file), { recursive: true });

const MAX_BODY = 16 * 1024;
const SHOWN = 12;

class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const server = http.createServer(async (request, response) => {
  const started = performance.now();
  const url = request.url.split("?")[0];
  let status = 200;
  let content;
  try {
    if (request.method === "GET" && url === "/health") content = { status: "up" };
    else if (request.method === "GET" && url === "/orders") content = { orders: latest() };
    else if (request.method === "POST" && url === "/orders") {
      content = { order: await place(await readJson(request), request.headers["x-request-id"]) };
      status = 201;
    } else throw new Refused(404, `nothing is at ${request.method} ${url}`);
  } catch (error) {
    status = error.status || 500;
    content = { error: error.message };
  }
  const body = JSON.stringify({ instance, ...content });
  response.writeHead(status, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body) });
  response.end(body);
  if (url === "/health") return; // they come every second and stay silent
  const detail = content.order ? ` ${content.order.quantity} × ${content.order.product} from ${content.order.catalog}` : "";
  console.log(`${request.method} ${url} ${status} ${(performance.now() - started).toFixed(1)} ms${detail}${content.error ? ` ${content.error}` : ""}`);
});

async function place({ product: id, quantity }, requestId) {
  if (typeof id !== "string" || !/^[a-z-]{1,40}$/.test(id)) throw new Refused(400, "`product` is not the id of a product");
  if (!Number.isInteger(quantity) || quantity < 1 || quantity > 99) throw new Refused(400, "`quantity` is not a number from 1 to 99");
  const { instance: catalog, product } = await askCatalog(`/products/${id}`, requestId);
  const order = {
    id: crypto.randomBytes(4).toString("hex"),
    product: product.name,
    quantity,
    total: product.price * quantity,
    placed: new Date().toISOString(),
    orders: instance, // who took it ...
    catalog, //          ... and who knew the price
  };
  fs.appendFileSync(file, JSON.stringify(order) + "\n");
  return order;
}

function latest() {
  if (!fs.existsSync(file)) return [];
  return fs.readFileSync(file, "utf8").split("\n").filter(Boolean).slice(-SHOWN).reverse().map((line) => JSON.parse(line));
}

function askCatalog(url, requestId) {
  const headers = requestId ? { "X-Request-Id": requestId } : {}; // one id for both hops: `madang explain ID` shows them
  return new Promise((resolve, reject) => {
    const request = http.get(`${egress}/catalog${url}`, { agent, headers, timeout: 2000 }, async (response) => {
      try {
        if (response.statusCode === 404) throw new Refused(404, "the catalog has no such product");
        if (response.statusCode !== 200) throw new Refused(502, `the catalog answered ${response.statusCode}`);
        resolve(await readJson(response));
      } catch (error) {
        response.resume();
        reject(error);
      }
    });
    request.on("timeout", () => request.destroy(new Error("it did not answer in 2 s")));
    request.on("error", (error) => reject(new Refused(503, `cannot ask the catalog: ${error.message}`)));
  });
}

async function readJson(stream) {
  let text = "";
  for await (const chunk of stream.setEncoding("utf8")) {
    text += chunk;
    if (text.length > MAX_BODY) throw new Refused(413, `more than ${MAX_BODY} bytes`);
  }
  try {
    return Object(JSON.parse(text));
  } catch {
    throw new Refused(400, "the body is not JSON");
  }
}

server.keepAliveTimeout = 75_000; // longer than callers keep a connection idle, so that they close first
server.listen(port, "127.0.0.1", () => {
  console.log(`${instance} listens on 127.0.0.1:${port}`);
  register();
});

// It says itself where it is, as a Eureka client does. Madang knows already: both are one instance.
const eureka = process.env.MADANG_EUREKA && `${process.env.MADANG_EUREKA}/apps/ORDERS`;

async function register() {
  if (!eureka) return;
  const info = {
    instanceId: instance, app: "ORDERS", vipAddress: "orders", status: "UP",
    hostName: "127.0.0.1", ipAddr: "127.0.0.1", port: { $: port, "@enabled": "true" },
    dataCenterInfo: { "@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", name: "MyOwn" },
  };
  const headers = { "Content-Type": "application/json" };
  await fetch(eureka, { method: "POST", headers, body: JSON.stringify({ instance: info }) })
    .catch((error) => console.log(`cannot register: ${error.message}`));
}

if (eureka) {
  setInterval(async () => { // 404: nobody knows it any more
    const renewed = await fetch(`${eureka}/${instance}`, { method: "PUT" }).catch(() => ({ status: 0 }));
    if (renewed.status === 404) await register();
  }, 30_000).unref();
}

for (const signal of ["SIGTERM", "SIGINT"]) {
  process.once(signal, () => {
    agent.destroy();
    if (eureka) fetch(`${eureka}/${instance}`, { method: "DELETE" }).catch(() => {});
    server.close(() => console.log(`${instance} stopped`)); // ends once the requests under way are answered
  });
}
