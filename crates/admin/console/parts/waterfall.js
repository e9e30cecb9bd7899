// A request's way over its hops: each record a bar, the calls it made below it, on one scale of time.

import { h } from "../html.js";
import { t, word } from "../i18n.js";
import { duration } from "./format.js";

/** In milliseconds of the gateway's clock: that of the wall is too coarse for hops. */
const began = (record) => record.clock_us / 1000;

const isGood = (call) => call.outcome === "answered" && !(call.status >= 500);

export function waterfall(records) {
  const start = Math.min(...records.map(began));
  const end = Math.max(...records.map((record) => began(record) + record.duration_ms));
  const whole = Math.max(end - start, 0.1);
  const rows = records.flatMap((record, hop) => [
    bar({
      key: `hop ${hop}`, kind: `hop is-${record.status >= 500 || record.reason ? "failed" : "good"}`, start: began(record) - start, length: record.duration_ms, whole,
      name: `${word("side", record.side)} · ${record.method} ${record.path}`, what: `${record.status || "–"}`, depth: hop,
    }),
    ...(record.calls ?? []).map((call, at) => bar({
      key: `hop ${hop} call ${at}`, kind: `call is-${isGood(call) ? "good" : "failed"}`, whole,
      start: began(record) - start + call.started_ms, length: call.duration_ms, depth: hop + 1,
      name: `→ ${call.instance}`, what: call.status ? `${call.status}` : word("outcome", call.outcome), title: call.error,
    })),
  ]);
  return h("div", { class: "waterfall", role: "list", "aria-label": t("waterfall.label") },
    h("div", { class: "waterfall-scale", "aria-hidden": "true" }, [0, 0.25, 0.5, 0.75, 1].map((at) => h("span", { key: at }, at === 0 ? "0" : duration(whole * at)))),
    rows);
}

function bar({ key, kind, name, what, title, start, length, whole, depth }) {
  const share = (ms) => `${Math.max(0, Math.min(100, (ms / whole) * 100)).toFixed(2)}%`;
  return h("div", { key, class: "waterfall-row", role: "listitem" },
    h("span", { class: "waterfall-name", style: { "--depth": String(Math.min(depth, 4)) }, title: title ?? name }, name),
    h("span", { class: "waterfall-what" }, what),
    h("span", { class: "waterfall-time" }, duration(length)),
    h("span", { class: "waterfall-track" },
      h("span", { class: `waterfall-bar ${kind}`, style: { left: share(start), width: share(length) } })));
}
