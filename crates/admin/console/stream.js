// Reading what does not end: server-sent events and lines of JSON, over `fetch`, because `EventSource` cannot send a
// token. A stream that breaks is opened again, later each time it fails; one that stays silent counts as broken.

import { open } from "./api.js";

const FIRST_WAIT = 500;
const LONGEST_WAIT = 10_000;

/** A silent stream is given up after this many milliseconds: traffic comes every second. */
const SILENCE = 20_000;

/** A line that is longer is not from Madang. */
const LONGEST_LINE = 4 << 20;

/**
 * Follows `path` until `stop` is called.
 * `on`: `opened()`, `event({ id, kind, data })`, `lost({ problem, wait })`.
 */
export function followEvents(path, on) {
  let last = null;
  return keep(SILENCE, on, async (signal, alive) => {
    const headers = { accept: "text/event-stream" };
    if (last !== null) headers["last-event-id"] = last;
    const response = await open(path, { headers, signal });
    on.opened();
    let event = { kind: "message", data: [] };
    await eachLine(response.body, signal, alive, (line) => {
      if (line === "") {
        if (event.data.length > 0) on.event({ id: event.id, kind: event.kind, data: event.data.join("\n") });
        event = { kind: "message", data: [] };
        return;
      }
      const [, field, value] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
      if (field === "event") event.kind = value;
      else if (field === "data") event.data.push(value);
      else if (field === "id") last = event.id = value;
    });
  });
}

/** Follows lines of JSON. `on`: `opened()`, `line(value)`, `lost({ problem, wait })`. */
export function followLines(path, on) {
  return keep(null, on, async (signal, alive) => {
    const response = await open(path(), { signal });
    on.opened();
    await eachLine(response.body, signal, alive, (line) => {
      if (line !== "") on.line(JSON.parse(line));
    });
  });
}

function keep(silence, on, read) {
  let isStopped = false;
  let wait = FIRST_WAIT;
  let controller;
  let wake = () => {};
  const run = async () => {
    while (!isStopped) {
      controller = new AbortController();
      let timer;
      const alive = () => {
        wait = FIRST_WAIT;
        clearTimeout(timer);
        if (silence) timer = setTimeout(() => controller.abort(), silence);
      };
      let problem = null;
      try {
        timer = silence ? setTimeout(() => controller.abort(), silence) : undefined;
        await read(controller.signal, alive);
      } catch (error) {
        problem = error;
      }
      clearTimeout(timer);
      controller.abort();
      if (isStopped) return;
      // Not all pages that lost Madang come back in the same moment.
      const pause = wait * (0.75 + Math.random() / 2);
      on.lost({ problem, wait: pause });
      wait = Math.min(wait * 2, LONGEST_WAIT);
      await new Promise((resolve) => {
        wake = resolve;
        setTimeout(resolve, pause);
      });
    }
  };
  run();
  return {
    stop() {
      isStopped = true;
      controller?.abort();
      wake();
    },
    /** Does not wait any longer. */
    retry() {
      wait = FIRST_WAIT;
      wake();
    },
  };
}

async function eachLine(body, signal, alive, take) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done || signal.aborted) return;
    alive();
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    if (rest.length > LONGEST_LINE) throw new Error("a line without end");
    for (const line of lines) take(line.endsWith("\r") ? line.slice(0, -1) : line);
  }
}
