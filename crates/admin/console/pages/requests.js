// Failed and slow requests, each with its whole story.

import { get, paths } from "../api.js";
import { h } from "../html.js";
import { house, load } from "../house.js";
import { t, word } from "../i18n.js";
import { drawer } from "../parts/drawer.js";
import { ago, bytes, duration, exactClock } from "../parts/format.js";
import { search } from "../parts/search.js";
import { emptyBox, problemBox, whenReady } from "../parts/states.js";
import { cells, heads } from "../parts/table.js";
import { waterfall } from "../parts/waterfall.js";

const cell = cells("requests");

let filter = "";
let why = "all";
let app = null;
/** The story that is open: `{ id, records, problem }`. */
let open = null;

export const requests = {
  id: "requests",
  key: "q",
  start(given) {
    app = given;
  },
  refresh() {
    load("requests");
  },
  leave() {
    open = null;
  },
  view({ parts, now }) {
    const [id] = parts;
    if (id) see(id);
    else open = null;
    return [
      whenReady(["requests"], () => list(now)),
      id ? story(id) : null,
    ];
  },
};

function list(now) {
  if (house.requests.length === 0) return emptyBox(t("requests.empty"), t("requests.empty.what"));
  const part = filter.trim().toLowerCase();
  const rows = house.requests.filter((one) => (why === "all" || one.why === why)
    && (part === "" || [one.id, one.path, one.host, one.to, one.method, String(one.status), one.reason, one.route].some((text) => (text ?? "").toLowerCase().includes(part))));
  return h("section", { key: "list", class: "sheet", "aria-label": t("page.requests") },
    h("div", { class: "bar-above" },
      search({ value: filter, label: t("requests.filter"), change: (value) => { filter = value; app.changed(); } }),
      h("div", { class: "switch", role: "group", "aria-label": t("requests.why") }, ["all", "failed", "slow"].map((one) =>
        h("button", { key: one, type: "button", class: "switch-part", "aria-pressed": String(why === one), on: { click: () => { why = one; app.changed(); } } }, t(`requests.${one}`)))),
      h("p", { class: "quiet" }, t("requests.kept", { count: rows.length }))),
    rows.length === 0 ? h("p", { class: "quiet pad" }, t("requests.none_found")) : h("div", { class: "table-place" }, h("table", { class: "table is-requests" },
      heads("requests", ["when", "status", "request", "to", "took", "tries"]),
      h("tbody", null, rows.map((one) => row(one, now))))));
}

function row(one, now) {
  return h("tr", { key: `${one.id} ${one.side} ${one.at_ms} ${one.to}` },
    cell("when", h("time", { title: exactClock(one.at_ms), datetime: new Date(one.at_ms).toISOString() }, ago(one.at_ms, now))),
    cell("status", h("span", { class: one.why === "failed" ? "bad num" : "num" }, one.status || "–"), h("span", { class: `tag is-${one.why === "failed" ? "bad" : "warn"}` }, t(`requests.${one.why === "failed" ? "failed" : "slow"}`))),
    cell("request", h("a", { class: "strong-link", href: app.link("requests", one.id) }, `${one.method} ${one.path}`),
      h("span", { class: "sub" }, [word("side", one.side), one.reason].filter(Boolean).join(" · "))),
    cell("to", one.to, one.route ? h("span", { class: "sub" }, t("requests.route", { route: one.route })) : null),
    cell("took", h("span", { class: "num" }, duration(one.duration_ms))),
    cell("tries", h("span", { class: "num" }, one.attempts)));
}

function see(id) {
  if (open?.id === id) return;
  open = { id, records: null, problem: null };
  look(id);
}

async function look(id) {
  let [records, problem] = [null, null];
  try {
    records = await get(paths.request(id));
  } catch (error) {
    problem = error;
  }
  if (open?.id !== id) return;
  open = { id, records, problem };
  app.changed();
}

function story(id) {
  const { records, problem } = open;
  const first = records?.[0];
  return drawer({ key: id, title: first ? `${first.method} ${first.path}` : id, kind: t("requests.story"), close: () => app.go("requests"), wide: true },
    problem ? problemBox(problem, () => look(id)) : !records ? h("p", { class: "quiet waiting", role: "status" }, t("state.loading")) : [
      waterfall(records),
      records.map((record, hop) => h("section", { key: hop, class: "record" },
        h("h3", null, `${hop + 1}. ${word("side", record.side)}${record.caller ? ` · ${t("requests.from", { caller: record.caller })}` : ""}`),
        h("p", { class: "story" }, record.text),
        h("dl", { class: "facts" }, facts(record).flatMap(([name, value]) => [h("dt", { key: `${name} name` }, t(`requests.fact.${name}`)), h("dd", { key: name }, value)])),
        calls(record))),
      h("p", { key: "id", class: "quiet" }, "id ", h("code", null, id)),
    ]);
}

function facts(record) {
  return [
    ["time", exactClock(record.at_ms)],
    ["status", h("span", { class: record.why === "failed" ? "bad" : null }, [record.status || "–", record.reason].filter(Boolean).join(" · "))],
    ...(record.detail ? [["detail", record.detail]] : []),
    ["host", record.host || "–"],
    ["route", record.route ? `${record.route} — ${record.matched ?? ""}` : record.matched ?? "–"],
    ["to", record.to],
    ["took", duration(record.duration_ms)],
    ["bytes", t("requests.bytes", { up: bytes(record.request_bytes), down: bytes(record.response_bytes) })],
  ];
}

function calls(record) {
  if (!record.calls?.length) return h("p", { class: "quiet" }, t("requests.no_calls"));
  return h("ol", { class: "calls" }, record.calls.map((call, at) => h("li", { key: at },
    h("strong", null, call.instance), " ", h("code", null, call.address), ` — ${word("outcome", call.outcome)}`,
    call.status ? ` ${call.status}` : "", `, ${duration(call.duration_ms)}`, call.reused ? `, ${t("requests.reused")}` : "",
    call.error ? h("span", { class: "sub bad" }, call.error) : null)));
}
