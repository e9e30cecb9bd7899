// A Node service that registers by Eureka and calls others by name. What it serves is told in interop/README.md.
"use strict";

const http = require("node:http");
const { Eureka } = require("eureka-js-client");

const { INTEROP_EUREKA, INTEROP_SERVICE, INTEROP_INSTANCE, INTEROP_PORT, INTEROP_LEASE } = process.env;
const server = new URL(INTEROP_EUREKA);

const client = new Eureka({
  instance: {
    app: INTEROP_SERVICE,
    instanceId: INTEROP_INSTANCE,
    hostName: "127.0.0.1",
    ipAddr: "127.0.0.1",
    port: { $: Number(INTEROP_PORT), "@enabled": true },
    vipAddress: INTEROP_SERVICE,
    dataCenterInfo: { "@class": "com.netflix.appinfo.InstanceInfo$DefaultDataCenterInfo", name: "MyOwn" },
    leaseInfo: { renewalIntervalInSecs: 1, durationInSecs: Number(INTEROP_LEASE) },
  },
  eureka: {
    host: server.hostname,
    port: server.port,
    servicePath: `${server.pathname}/apps/`,
    heartbeatInterval: 1000,
    registryFetchInterval: 1000,
  },
});

const json = (value) => ["application/json", JSON.stringify(value)];

const pages = {
  hello: () => json({ from: INTEROP_INSTANCE }),
  seen: (service) => json(client.getInstancesByAppId(service).map((instance) => instance.instanceId)),
  async call(service) {
    const known = client.getInstancesByAppId(service);
    const instance = known[Math.floor(Math.random() * known.length)];
    if (!instance) throw new Error(`no instance of ${service} is known`);
    const answer = await fetch(`http://${instance.hostName}:${instance.port.$}/hello`);
    if (!answer.ok) throw new Error(`${instance.instanceId} answered ${answer.status}`);
    return json(await answer.json());
  },
  metrics: () => ["text/plain", "interop_client 1\n"],
};

http
  .createServer(async (request, response) => {
    const [, page, service] = request.url.split("/");
    try {
      const [type, text] = await pages[page](service);
      response.writeHead(200, { "Content-Type": type }).end(text);
    } catch (error) {
      response.writeHead(502, { "Content-Type": "text/plain" }).end(`${error}: ${error.cause ?? ""}\n`);
    }
  })
  .listen(Number(INTEROP_PORT), "127.0.0.1");

client.start((error) => error && console.error(error));
process.on("SIGTERM", () => client.stop((error) => process.exit(error ? 1 : 0)));
