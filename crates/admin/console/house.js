// What the console knows of the house: asked once, then kept up to date by the event stream. Pages read it and are
// told when it changed; they never ask for these parts themselves.

import { get, paths } from "./api.js";
import { History } from "./history.js";
import { followEvents } from "./stream.js";
import { Traffic } from "./traffic.js";

/** Events kept for the timeline. */
const MOST_EVENTS = 300;

/** A part is asked for at most this often, in milliseconds, however much changes. */
const PACE = 400;

/** Instances are asked for per service; so many questions at the same time. */
const AT_ONCE = 3;

export const house = {
  status: null,
  /** Services of the registry: `{ service, instances, up, revision, self_preservation }`. */
  services: [],
  /** Instances of each, by service. */
  instances: new Map(),
  /** Processes Madang runs, and how many there should be of each service. */
  processes: [],
  fleets: [],
  routes: [],
  requests: [],
  /** Newest first. */
  events: [],
  traffic: new Traffic(),
  history: new History(),
  /** `connecting`, `live` or `lost`, and when the next try is. */
  connection: { state: "connecting", retryAt: 0, problem: null },
  /** Per part: `loading`, `ready` or the `Problem`. */
  parts: { registry: "loading", processes: "loading", routes: "loading", requests: "loading" },
};

let changed = () => {};
let stream = null;
/** The row each service had when its instances were asked for. */
const seen = new Map();

/** Starts, and calls `handler` after each change. */
export function follow(handler) {
  changed = handler;
  stream = followEvents(paths.events, { opened, event, lost });
}

/** Tries to connect now. */
export const retry = () => stream?.retry();

/** Everything again: after a new connection, or with a token. */
export function loadAll() {
  seen.clear();
  for (const part of Object.values(loaders)) part();
}

function opened() {
  house.connection = { state: "live", retryAt: 0, problem: null };
  loadAll();
  changed();
}

function lost({ problem, wait }) {
  house.connection = { state: "lost", retryAt: Date.now() + wait, problem };
  changed();
}

function event({ kind, data }) {
  const body = JSON.parse(data);
  if (kind === "traffic") {
    house.traffic.take(body);
  } else if (kind === "changed") {
    loaders[body.what]?.();
    return;
  } else if (kind === "lost") {
    // This page was too slow for what happened: it looks at everything again.
    loadAll();
    return;
  } else if (typeof body.id === "number") {
    keepEvent(body);
  }
  changed();
}

function keepEvent(body) {
  if (house.events.some((known) => known.id === body.id && known.at_ms === body.at_ms)) return;
  house.events.unshift(body);
  house.events.sort((a, b) => b.at_ms - a.at_ms || b.id - a.id);
  house.events.length = Math.min(house.events.length, MOST_EVENTS);
}

const loaders = {
  registry: paced("registry", loadRegistry),
  processes: paced("processes", async () => {
    const [processes, fleets] = await Promise.all([get(paths.processes), get(paths.fleets)]);
    measure(processes, performance.now());
    Object.assign(house, { processes, fleets });
  }),
  routes: paced("routes", async () => {
    [house.routes, house.status] = await Promise.all([get(paths.routes), get(paths.status)]);
  }),
  requests: paced("requests", async () => {
    house.requests = await get(paths.requests);
  }),
};

/** One part again. */
export const load = (part) => loaders[part]();

async function loadRegistry() {
  const rows = await get(paths.services);
  house.services = rows;
  const listed = new Set(rows.map((row) => row.service));
  for (const service of [...house.instances.keys()]) if (!listed.has(service)) forget(service);
  const stale = rows.filter((row) => seen.get(row.service) !== JSON.stringify(row));
  await Promise.all(Array.from({ length: AT_ONCE }, async () => {
    for (let row = stale.shift(); row !== undefined; row = stale.shift()) {
      await loadInstances(row.service);
      seen.set(row.service, JSON.stringify(row));
    }
  }));
  house.history.note(house.instances, Date.now());
}

function forget(service) {
  house.instances.delete(service);
  seen.delete(service);
}

/** The instances of one service again. */
export async function refreshInstances(service) {
  try {
    await loadInstances(service);
    house.history.note(house.instances, Date.now());
    changed();
  } catch {
    // The next change or look asks again.
  }
}

/** The instances of one service; a service that is gone by now has none. */
async function loadInstances(service) {
  try {
    house.instances.set(service, await get(paths.service(service)));
  } catch (problem) {
    if (problem.status !== 404) throw problem;
    forget(service);
  }
}

/** Two readings of CPU time that are closer than this, in milliseconds, say nothing. */
const CPU_PACE = 900;

/** Per process: the last reading, and the share of one core since the one before it. */
let readings = new Map();

function measure(processes, now) {
  const next = new Map();
  for (const process of processes) {
    if (typeof process.cpu_ms !== "number") continue;
    const id = `${process.instance}#${process.generation}`;
    const before = readings.get(id);
    if (before && now - before.at < CPU_PACE) next.set(id, before);
    else next.set(id, { at: now, cpu: process.cpu_ms, share: before ? Math.max(0, (process.cpu_ms - before.cpu) / (now - before.at)) * 100 : null });
  }
  readings = next;
}

/** What a process takes of one core, in percent; null when not known yet. */
export const cpuShare = (process) => readings.get(`${process.instance}#${process.generation}`)?.share ?? null;

/** Asks once at a time, and once more when something changed meanwhile. */
function paced(part, ask) {
  let isAsking = false;
  let isWanted = false;
  return async () => {
    isWanted = true;
    if (isAsking) return;
    isAsking = true;
    while (isWanted) {
      isWanted = false;
      try {
        await ask();
        house.parts[part] = "ready";
      } catch (problem) {
        house.parts[part] = problem;
      }
      changed();
      await new Promise((resolve) => setTimeout(resolve, PACE));
    }
    isAsking = false;
  };
}
