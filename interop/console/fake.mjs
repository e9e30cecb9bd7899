// A Madang that is none: the console's files from the source tree and an API with made-up answers, for looking at the
// pages with many instances and hostile names. `node fake.mjs 300 7999`, then open http://127.0.0.1:7999.

import { createReadStream, existsSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const CONSOLE = fileURLToPath(new URL("../../crates/admin/console/", import.meta.url));
const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml" };
const POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const EVIL = "<img src=x onerror=alert(1)>";

/** Services as `[name, instances, callees]`. */
const SMALL = [["web", 1, []], ["orders", 1, ["catalog"]], ["catalog", 1, []]];
const LARGE = [
  ["storefront", 24, ["catalog", "cart", "reviews", "search"]], ["mobile-api", 18, ["catalog", "cart", "accounts"]], ["partner-api", 6, ["orders", "catalog"]],
  ["admin-ui", 3, ["accounts", "reports"]], ["catalog", 40, ["prices", "stock", "images"]], ["cart", 16, ["prices", "sessions"]], ["orders", 32, ["payments", "stock", "mail", "ledger"]],
  ["payments", 12, ["fraud", "ledger"]], ["fraud", 8, ["features"]], ["features", 6, []], ["ledger", 5, []], ["stock", 14, ["warehouse"]], ["warehouse", 9, ["orders"]],
  ["prices", 10, []], ["search", 20, ["catalog"]], ["reviews", 8, ["accounts", "images"]], ["accounts", 12, ["sessions", "mail"]], ["sessions", 9, []], ["mail", 4, []],
  ["images", 15, []], ["reports", 3, ["ledger", "warehouse"]], ["recommendation-engine-for-korean-tea-lovers", 22, ["features"]], ["배송-알림", 3, ["mail"]], [EVIL, 1, []],
];

const ROUTED = new Set(["web", "orders", "catalog", "storefront", "mobile-api", "partner-api", "admin-ui", "search", "recommendation-engine-for-korean-tea-lovers"]);

export function fake({ size = 3, port = 0, token = null, empty = false } = {}) {
  const plan = empty ? [] : size > 10 ? LARGE : SMALL;
  const start = Date.now();
  let number = 0;
  const events = [];
  const readers = new Set();
  const state = new Map();
  const processes = [];
  const overrides = new Map();
  let next = 20000;
  for (const [service, count] of plan) {
    const rows = Array.from({ length: count }, (_, at) => {
      const isOurs = service !== "warehouse" && service !== EVIL;
      const id = service === EVIL ? `"><script>alert(1)</script>` : isOurs ? `${service}-${at + 1}#${at + 1}` : `host${at + 1}.example.com:warehouse:8080`;
      const odd = size > 10 ? (at * 7 + service.length) % 29 : 99;
      const status = odd === 3 ? "down" : odd === 11 ? "starting" : odd === 17 ? "out_of_service" : "up";
      if (isOurs) {
        processes.push({
          service, instance: `${service}-${at + 1}`, generation: at + 1, pid: 4000 + next - 20000, port: next, restarts: odd === 3 ? 4 : 0, uptime_s: 4000 + at * 31,
          state: status === "down" ? "unhealthy" : status === "starting" ? "starting" : "healthy", reason: status === "down" ? "/health answers 503\n| database is away" : null,
          cpu_ms: 1000, memory_bytes: (30 + ((at * 37) % 90)) << 20,
        });
      }
      return {
        service, status, face: isOurs && service !== "orders" ? "supervise" : "eureka", supervised: service === "orders" ? id : null, registered_ms: start, renewed_ms: Date.now() - ((at * 9) % 80) * 1000, revision: 1, overridden: null,
        instance: {
          id: service === "orders" ? `127.0.0.1:orders:${next}` : id, host: "127.0.0.1", address: "127.0.0.1", port: { number: next++, enabled: true }, secure_port: { number: 443, enabled: false }, status, terms: { renewal_s: 30, duration_s: 90 },
          metadata: service === EVIL ? { "<b>zone</b>": "<script>alert(2)</script>" } : { zone: "서울-1", "management.port": "9000" }, group: null, aliases: service, secure_aliases: null, pages: { home: "javascript:alert(1)", status: null, health: null, secure_health: null }, stamp_ms: 0, notes: {},
        },
      };
    });
    state.set(service, rows);
  }
  const fleets = () => plan.filter(([service]) => service !== "warehouse" && service !== EVIL).map(([service, count]) => ({
    service, wanted: wanted.get(service) ?? count, healthy: processes.filter((one) => one.service === service && one.state === "healthy").length, in_file: count, max: 64,
    overlay: wanted.has(service) ? { instances: wanted.get(service), author: "kim", time_ms: Date.now() - 60_000 } : null,
  }));
  const wanted = new Map();
  const routes = plan.filter(([service]) => ROUTED.has(service)).map(([service], at) => ({
    id: service === "web" ? "home" : service, match: service === "web" ? "path /" : `path /api/${service}/**, method GET or POST`, to: `service://${service}`, ready: state.get(service).filter((row) => row.status === "up").length, known: state.get(service).length, origin: `/srv/shop/madang.toml:${30 + at * 6}`,
  }));
  const totals = [];
  for (const route of routes) totals.push({ from: "clients", to: route.to.slice(10), route: route.id, requests: 0, failed: 0, duration_ms: 0, pace: size > 10 ? 6 + (route.id.length * 37) % 240 : 4 + route.id.length });
  for (const [service, , callees] of plan) for (const callee of callees) totals.push({ from: service, to: callee, route: null, requests: 0, failed: 0, duration_ms: 0, pace: size > 10 ? (service.length * callee.length * 13) % 180 : 3.4 });
  if (size > 10) totals.push({ from: "clients", to: "-", route: null, requests: 0, failed: 0, duration_ms: 0, pace: 0.7 }, { from: "services", to: "mail", route: null, requests: 0, failed: 0, duration_ms: 0, pace: 0.2 }, { from: "orders", to: "https://pay.example.com", route: null, requests: 0, failed: 0, duration_ms: 0, pace: 12 });
  let second = 0;
  const traffic = () => ({ at_ms: Date.now(), connections: size > 10 ? 1284 : 4, edges: totals.map(({ pace: _, ...edge }) => edge), services: [{ service: "orders", in_flight: 3 }] });
  const step = () => {
    second += 0.25;
    for (const edge of totals) {
      const count = Math.max(0, Math.round(edge.pace * 0.25 * (1 + 0.4 * Math.sin(second / 7 + edge.to.length)) + (Math.random() < (edge.pace * 0.25) % 1 ? 0.5 : -0.2)));
      edge.requests += count;
      edge.duration_ms += count * (3 + edge.to.length);
      if (edge.to === "payments" || (edge.to === "catalog" && edge.from === "orders")) edge.failed += Math.round(count * 0.12);
    }
    for (const one of processes) one.cpu_ms += ((one.port * 7) % 90) * 0.25 * 10 * Math.random();
  };
  for (let warm = 0; warm < 8; warm += 1) step();
  const send = (kind, body, id) => {
    for (const reader of readers) reader.write(`${id ? `id: ${id}\n` : ""}event: ${kind}\ndata: ${JSON.stringify(body)}\n\n`);
  };
  const tell = (kind, level, subject, text, at = Date.now()) => {
    const event = { id: (number += 1), at_ms: at, kind, level, subject, text };
    events.push(event);
    send(kind, event, event.id);
  };
  if (!empty) {
    tell("settings", "info", "shop", "Settings applied: services.orders.instances, routes.", start - 3_900_000);
    tell("process", "info", "orders/orders-1", "orders-1 started as process 4123 on port 20002.", start - 400_000);
    tell("process", "error", "orders/orders-2", "orders-2 ended with signal 9 (KILL); it starts again in 0.5 s.", start - 190_000);
    tell("process", "warn", "catalog/catalog-1", "catalog-1 does not answer /health: 503 Service Unavailable.", start - 90_000);
    tell("registry", "info", "orders/orders-2", "orders-2 is registered and up.", start - 40_000);
    tell("override", "warn", "catalog/catalog-1", "kim set catalog-1 to `out_of_service`.", start - 15_000);
    tell("scale", "info", "web", "kim scaled web from 2 to 3 instances.", start - 9_000);
    tell("registry", "error", EVIL, `${EVIL} could not be registered: 안녕하세요, \`id\` has a control character`, start - 5_000);
  }
  const timers = [setInterval(step, 250), setInterval(() => send("traffic", traffic()), 1000)];
  const requests = empty ? [] : Array.from({ length: size > 10 ? 100 : 9 }, (_, at) => ({
    id: `5f2a-${1000 + at}`, at_ms: start - at * 7300, side: at % 3 === 1 ? "egress" : "edge", method: at % 2 ? "POST" : "GET", host: "shop.example.com", path: at === 3 ? `/api/${EVIL}?q=한글` : at % 2 ? "/api/orders" : `/api/catalog/products/${at}`,
    status: at % 4 === 2 ? 200 : [502, 503, 504][at % 3], reason: at % 4 === 2 ? null : ["connect_failed", "no_endpoint", "timeout"][at % 3], why: at % 4 === 2 ? "slow" : "failed", duration_ms: at % 4 === 2 ? 2412.5 : 12 + at * 3.7, route: at % 3 === 1 ? null : at % 2 ? "orders" : "catalog", to: at % 2 ? "orders" : "catalog", attempts: 1 + (at % 3),
  }));
  const story = (one) => [
    { ...one, clock_us: 5_000_000, detail: one.reason, side: "edge", caller: null, matched: "path `/api/orders` takes `/api/orders/**`, method POST", request_bytes: 41, response_bytes: 187, text: `${one.method} ${one.path} came to the gateway and met route \`orders\`.\nThe first instance refused the connection, so it went to the next one within 1 ms.\nIt answered ${one.status} after ${one.duration_ms} ms.`,
      calls: [{ instance: "orders-2#2", address: "127.0.0.1:20003", started_ms: 0.4, duration_ms: 0.9, outcome: "connect_failed", status: null, reused: false, error: "connection refused" }, { instance: "orders-1#1", address: "127.0.0.1:20002", started_ms: 1.4, duration_ms: Math.max(1, one.duration_ms - 2), outcome: "answered", status: one.status, reused: true, error: null }] },
    { ...one, clock_us: 5_000_000 + one.duration_ms * 200, detail: null, side: "egress", duration_ms: one.duration_ms * 0.6, caller: "orders", method: "GET", path: "/products/moon-jar", to: "catalog", route: null, matched: "service `catalog` by name", request_bytes: 0, response_bytes: 96, text: "orders asked catalog by name; catalog-1 answered.",
      calls: [{ instance: "catalog-1#1", address: "127.0.0.1:20000", started_ms: 0.2, duration_ms: one.duration_ms * 0.55, outcome: "answered", status: 200, reused: true, error: null }] },
  ];
  const explanation = (row) => ({
    service: row.service, instance: row.instance.id, status: row.status, because: [row.overridden ? `${row.overridden.by} set the status to \`${row.status}\`` : `the instance says that it is \`${row.status}\``, ...(row.supervised ? ["it registered itself and Madang runs it: the same service and port on this machine, so it is one instance"] : [])],
    overridden: row.overridden,
    records: [{ face: row.face, id: row.instance.id, says: "up", address: `${row.instance.address}:${row.instance.port.number}`, lease: row.face === "supervise" ? { state: "supervisor" } : { state: "runs", duration_s: 90, left_s: 61 }, restored: row.service === "warehouse", renewed_ms: row.renewed_ms, check: row.face === "eureka" ? { asks: "GET /health", interval_s: 10, failing: row.status === "down", failures: row.status === "down" ? 4 : 0, last: row.status === "down" ? "503 Service Unavailable" : "ok", at_ms: Date.now() - 4000 } : null }],
    faces: [{ face: "eureka", status: row.status.toUpperCase(), shown: row.status === "up" ? "listed, and clients send requests there" : "listed, and clients send no requests there because it is not UP" }],
  });
  const problem = (response, status, title, detail, hint) => json(response, { type: "urn:madang:MD0900", title, status, detail, code: "MD0900", hint }, status);
  const json = (response, body, status = 200) => {
    response.writeHead(status, { "content-type": status < 400 ? "application/json" : "application/problem+json" });
    response.end(JSON.stringify(body));
  };
  const api = async (request, response, url) => {
    const parts = url.pathname.split("/").slice(2).map(decodeURIComponent);
    const body = [];
    for await (const chunk of request) body.push(chunk);
    const given = body.length > 0 ? JSON.parse(Buffer.concat(body)) : null;
    if (url.pathname === "/v1/status") return json(response, { name: "shop", version: "0.1.0", pid: 1, started: "2026-01-31T08:30:00Z", uptime_s: 100 });
    if (url.pathname === "/v1/events") {
      response.writeHead(200, { "content-type": "text/event-stream" });
      for (const event of events) response.write(`id: ${event.id}\nevent: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`);
      response.write(`event: traffic\ndata: ${JSON.stringify(traffic())}\n\n`);
      readers.add(response);
      return request.on("close", () => readers.delete(response));
    }
    if (url.pathname === "/v1/registry/services") {
      return json(response, [...state].map(([service, rows]) => ({ service, instances: rows.length, revision: number, up: rows.filter((row) => row.status === "up").length, self_preservation: service === "warehouse" ? "self-preservation: 5 of 9 instances fell silent within one window, more than the 2 that a threshold of 0.85 lets go; the silent ones stay listed until news comes or `registry.self_preservation` is off" : null })));
    }
    if (parts[0] === "registry" && parts[1] === "services") {
      const rows = state.get(parts[2]);
      if (!rows) return problem(response, 404, "unknown service", `no instance of \`${parts[2]}\` is registered`, "`/v1/registry/services` lists what is");
      if (parts.length === 3) return json(response, rows);
      const row = rows.find((one) => one.instance.id === parts[4] || one.supervised === parts[4]);
      if (!row) return problem(response, 404, "unknown instance", `no instance \`${parts[4]}\``, "look at the list");
      if (parts[5] === "override") {
        row.overridden = request.method === "PUT" ? { status: given.status, by: given.author, at_ms: Date.now() } : null;
        row.status = row.overridden?.status ?? "up";
        tell("override", "warn", `${row.service}/${row.instance.id}`, `${given?.author ?? "api"} changed ${row.instance.id}.`);
        send("changed", { what: "registry" });
        response.writeHead(204);
        return response.end();
      }
      return json(response, parts[5] === "explain" ? explanation(row) : { ...row, explanation: explanation(row) });
    }
    if (url.pathname === "/v1/supervise/instances") return json(response, processes);
    if (url.pathname === "/v1/supervise/services") return json(response, fleets());
    if (parts[0] === "supervise" && parts[3] === "scale") {
      wanted.set(parts[2], given.instances);
      tell("scale", "info", parts[2], `${given.author} scaled ${parts[2]} to ${given.instances} instances.`);
      send("changed", { what: "processes" });
      response.writeHead(204);
      return response.end();
    }
    if (url.pathname === "/v1/supervise/logs") {
      response.writeHead(200, { "content-type": "application/x-ndjson" });
      const names = processes.filter((one) => (!url.searchParams.get("service") || one.service === url.searchParams.get("service")) && (!url.searchParams.get("instance") || one.instance === url.searchParams.get("instance")));
      let count = 0;
      const line = () => {
        const one = names[(count * 7) % Math.max(1, names.length)];
        count += 1;
        if (one) response.write(`${JSON.stringify({ time_ms: Date.now(), service: one.service, instance: one.instance, stream: count % 9 === 0 ? "stderr" : "stdout", line: count % 11 === 0 ? `${EVIL} 주문 접수 ${"긴 줄 ".repeat(30)}` : `POST /orders 201 ${(count * 1.7).toFixed(1)} ms 2 × Celadon tea bowl from catalog-1` })}\n`);
      };
      for (let past = 0; past < 40; past += 1) line();
      const timer = setInterval(line, 300);
      return request.on("close", () => clearInterval(timer));
    }
    if (url.pathname === "/v1/gateway/routes") return json(response, routes);
    if (url.pathname === "/v1/gateway/routes/explain") {
      const path = url.searchParams.get("path");
      if (!path.startsWith("/")) return problem(response, 400, "not a request", `path \`${path}\` does not begin with a slash`, "give the path as a client sends it, for example /orders/7?x=1");
      const takes = (route) => path.startsWith(`/api/${route.id}`);
      const first = routes.find(takes);
      return json(response, routes.map((route) => ({ ...route, matched: takes(route), chosen: route === first, reason: takes(route) ? "" : `path is \`${path}\`; the route takes \`/api/${route.id}/**\`` })));
    }
    if (url.pathname === "/v1/gateway/requests") return json(response, requests);
    if (parts[0] === "gateway" && parts[1] === "requests") {
      const one = requests.find((known) => known.id === parts[2]);
      return one ? json(response, story(one)) : problem(response, 404, "unknown request", `request \`${parts[2]}\` is not kept`, "only the last failed and slow ones are");
    }
    if (url.pathname === "/v1/gateway/traffic") return json(response, traffic());
    return problem(response, 404, "nothing here", url.pathname, "`/` lists what is served here");
  };
  const server = createServer((request, response) => {
    const url = new URL(request.url, "http://127.0.0.1");
    response.setHeader("content-security-policy", POLICY);
    response.setHeader("cache-control", "no-cache");
    if (url.pathname.startsWith("/v1/")) {
      if (token && request.headers.authorization !== `Bearer ${token}`) return problem(response, 401, "token needed", "this needs the token of the admin API", "send it as `Authorization: Bearer TOKEN`");
      return api(request, response, url).catch((error) => problem(response, 500, "fake failed", String(error)));
    }
    const file = join(CONSOLE, normalize(url.pathname === "/" ? "index.html" : url.pathname.replace(/^\/console\//, "")));
    if (!file.startsWith(CONSOLE) || !existsSync(file)) return problem(response, 404, "nothing here", url.pathname);
    response.setHeader("content-type", TYPES[extname(file)] ?? "application/octet-stream");
    return createReadStream(file).pipe(response);
  });
  return new Promise((resolve) => server.listen(port, "127.0.0.1", () => resolve({
    url: `http://127.0.0.1:${server.address().port}`,
    close() {
      timers.forEach(clearInterval);
      server.closeAllConnections();
      server.close();
    },
  })));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [size = "3", port = "7999"] = process.argv.slice(2);
  const { url } = await fake({ size: Number(size), port: Number(port) });
  console.log(url);
}
