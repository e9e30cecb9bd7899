// How each instance was while this page was open. Madang keeps no such history: what is drawn was seen.

/** How far back, in milliseconds. */
export const REACH = 10 * 60_000;

/** Changes kept per instance. */
const MOST_CHANGES = 120;

export const GONE = "gone";

export class History {
  #strips = new Map();

  /** What is listed now, by service. */
  note(instances, now) {
    const seen = new Set();
    for (const [service, rows] of instances) {
      for (const row of rows) {
        const id = `${service}/${row.instance.id}`;
        seen.add(id);
        this.#add(id, row.status, now);
      }
    }
    for (const [id, strip] of this.#strips) {
      if (seen.has(id)) continue;
      if (now - strip.at(-1).at > REACH && strip.at(-1).state === GONE) this.#strips.delete(id);
      else this.#add(id, GONE, now);
    }
  }

  #add(id, state, now) {
    const strip = this.#strips.get(id) ?? [];
    if (strip.at(-1)?.state === state) return;
    strip.push({ at: now, state });
    if (strip.length > MOST_CHANGES) strip.shift();
    this.#strips.set(id, strip);
  }

  /** The states of one instance as pieces of the reach: `{ state, from, to }`, each from 0 (long ago) to 1 (now). */
  pieces(service, id, now) {
    const strip = this.#strips.get(`${service}/${id}`) ?? [];
    const start = now - REACH;
    return strip.map((piece, place) => ({
      state: piece.state,
      from: Math.max(0, (piece.at - start) / REACH),
      to: Math.min(1, ((strip[place + 1]?.at ?? now) - start) / REACH),
    })).filter((piece) => piece.to > piece.from);
  }
}
