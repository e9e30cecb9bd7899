// From totals to rates. Madang counts since its start; what happens now is the difference of two readings.

/** Readings that rates are taken over: six of them are five seconds. */
const WINDOW = 6;

/** Points of the sparkline: five minutes. */
export const HISTORY = 300;

const key = (edge) => `${edge.from}\n${edge.to}`;

/** Adds up edges of several routes between the same two. */
function summed(edges) {
  const sums = new Map();
  for (const edge of edges) {
    const sum = sums.get(key(edge)) ?? { from: edge.from, to: edge.to, requests: 0, failed: 0, duration_ms: 0 };
    sum.requests += edge.requests;
    sum.failed += edge.failed;
    sum.duration_ms += edge.duration_ms;
    sums.set(key(edge), sum);
  }
  return sums;
}

const totals = (sums) => {
  const total = { requests: 0, failed: 0, duration_ms: 0 };
  for (const edge of sums.values()) {
    // What services ask each other is part of what clients ask.
    if (edge.from !== "clients") continue;
    total.requests += edge.requests;
    total.failed += edge.failed;
    total.duration_ms += edge.duration_ms;
  }
  return total;
};

function difference(before, now, seconds) {
  const requests = Math.max(0, now.requests - (before?.requests ?? 0));
  const failed = Math.max(0, now.failed - (before?.failed ?? 0));
  const ms = Math.max(0, now.duration_ms - (before?.duration_ms ?? 0));
  return { rate: requests / seconds, failed: failed / seconds, mean_ms: requests > 0 ? ms / requests : null };
}

export class Traffic {
  #readings = [];
  /** One point per reading: `{ at, rate, failed, mean_ms }`. */
  history = [];
  inFlight = new Map();
  connections = 0;

  /** Takes one reading. */
  take(body) {
    const reading = { at: body.at_ms, edges: summed(body.edges) };
    const last = this.#readings.at(-1);
    if (last && reading.at <= last.at) return;
    // Totals that shrink are those of another Madang.
    if (last && totals(reading.edges).requests < totals(last.edges).requests) this.#readings = [];
    const before = this.#readings.at(-1);
    if (before) {
      const seconds = (reading.at - before.at) / 1000;
      this.history.push({ at: reading.at, ...difference(totals(before.edges), totals(reading.edges), seconds) });
      if (this.history.length > HISTORY) this.history.shift();
    }
    this.#readings.push(reading);
    if (this.#readings.length > WINDOW) this.#readings.shift();
    this.inFlight = new Map((body.services ?? []).map((one) => [one.service, one.in_flight]));
    this.connections = body.connections;
  }

  /** Every pair that ever called, with what goes on between them now: `{ from, to, rate, failed, mean_ms }`. */
  edges() {
    const [first, last] = [this.#readings[0], this.#readings.at(-1)];
    if (!last) return [];
    const seconds = Math.max(1, (last.at - first.at) / 1000);
    return [...last.edges.values()].map((edge) => {
      const before = first === last ? edge : first.edges.get(key(edge));
      return { from: edge.from, to: edge.to, ...difference(before, edge, seconds) };
    });
  }

  /** All that clients ask now. */
  now() {
    const [first, last] = [this.#readings[0], this.#readings.at(-1)];
    if (!last || first === last) return { rate: 0, failed: 0, mean_ms: null };
    return difference(totals(first.edges), totals(last.edges), (last.at - first.at) / 1000);
  }
}
