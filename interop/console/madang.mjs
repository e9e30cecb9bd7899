// A real Madang with the shop, in a folder of its own, on ports nobody else has.

import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const BINARY = process.env.MADANG ?? join(ROOT, "target/debug/madang");
const PORTS = { gateway: 8080, admin: 7070, egress: 7071, eureka: 8761 };

/** How long a start or a stop may take, in milliseconds. */
const PATIENCE = 60_000;

const isFree = (port) => new Promise((resolve) => {
  const server = createServer();
  server.once("error", () => resolve(false));
  server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
});

async function freeOffset() {
  for (let tries = 0; tries < 50; tries += 1) {
    const offset = 1000 + Math.floor(Math.random() * 9000);
    const free = await Promise.all(Object.values(PORTS).map((port) => isFree(port + offset)));
    if (free.every(Boolean)) return offset;
  }
  throw new Error("no free ports");
}

export async function start({ env = {}, options = [], offset } = {}) {
  const folder = mkdtempSync(join(tmpdir(), "madang-console-"));
  cpSync(join(ROOT, "examples/shop"), folder, { recursive: true, filter: (path) => !path.endsWith(".madang") });
  const moved = offset ?? await freeOffset();
  const url = (name) => `http://127.0.0.1:${PORTS[name] + moved}`;
  const child = spawn(BINARY, ["up", folder, "--port-offset", String(moved), ...options], { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  const isUp = new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not up in time:\n${output}`)), PATIENCE);
    const read = (chunk) => {
      output += chunk;
      if (/ is up\b/.test(output)) {
        clearTimeout(timer);
        resolve();
      }
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
    child.once("exit", (code) => reject(new Error(`ended with ${code}:\n${output}`)));
  });
  isUp.catch(() => {});
  const ended = new Promise((resolve) => child.once("exit", resolve));
  const stop = async () => {
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), PATIENCE);
    await ended;
    clearTimeout(timer);
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    await isUp;
  } catch (error) {
    await stop();
    throw error;
  }
  const get = async (path, at = "admin") => {
    const response = await fetch(url(at) + path, { headers: { accept: "application/json" } });
    return response.json();
  };
  return { offset: moved, url, get, stop };
}
