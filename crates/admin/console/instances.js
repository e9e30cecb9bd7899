// One list of what runs of a service: what the registry lists, and what the supervisor knows beyond it.

import { house } from "./house.js";

const FROM_PROCESS = { healthy: "up", unhealthy: "down", starting: "starting", backoff: "backoff", stopping: "stopping" };

/** The state of a process in the words of the registry. */
export const stateOf = (process) => FROM_PROCESS[process.state] ?? process.state;

/** The id of the supervisor's record of a registered instance, if it runs it: `orders-1#7`, where 7 tells the process. */
export const supervisedId = (row) => row.supervised ?? (row.face === "supervise" ? row.instance.id : null);

const identity = (process) => `${process.instance}#${process.generation}`;

/** Every instance of every service: Map(service -> [{ id, state, reason }]). */
export function everyInstance() {
  const all = new Map();
  const list = (service) => all.get(service) ?? all.set(service, []).get(service);
  for (const fleet of house.fleets) list(fleet.service);
  const processes = new Map(house.processes.map((process) => [identity(process), process]));
  for (const [service, rows] of house.instances) {
    for (const row of rows) {
      const process = processes.get(supervisedId(row));
      if (process) processes.delete(identity(process));
      const state = process && process.state !== "healthy" ? stateOf(process) : row.status;
      list(service).push({ id: row.instance.id, state, reason: process?.reason ?? null });
    }
  }
  for (const process of processes.values()) {
    if (process.state === "stopped") continue;
    list(process.service).push({ id: process.instance, state: stateOf(process), reason: process.reason });
  }
  for (const row of house.services) list(row.service);
  const order = new Intl.Collator("en", { numeric: true });
  for (const rows of all.values()) rows.sort((a, b) => order.compare(a.id, b.id));
  return all;
}
