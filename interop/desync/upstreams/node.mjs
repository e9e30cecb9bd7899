// Node's `http`, as it comes or as lenient as it can be. argv: port, `lenient`.

import http from "node:http";

const [, , port, manner] = process.argv;

const fnv = (data) => {
  let value = 0x811c9dc5;
  for (const byte of data) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return value.toString(16).padStart(8, "0");
};

const server = http.createServer({ insecureHTTPParser: manner === "lenient" }, (request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const body = Buffer.concat(parts);
    const text = `${request.method} ${request.url} ${body.length}:${fnv(body)}`;
    process.stdout.write(`SAW ${text}\n`);
    response.writeHead(200, { "X-Saw": text, "Content-Length": text.length });
    response.end(request.method === "HEAD" ? undefined : text);
  });
  request.on("error", () => {}); // it broke off
});
server.on("clientError", (error, socket) => {
  // A connection that only broke off is no request.
  if (error.code?.startsWith("HPE_") && error.code !== "HPE_INVALID_EOF_STATE") {
    const [first] = String(error.rawPacket ?? "").split("\r\n");
    process.stdout.write(`BAD ${first} ${error.code}\n`);
  }
  socket.destroy();
});
server.keepAliveTimeout = 60_000;
server.listen(Number(port), "127.0.0.1");
