// Services and their instances: how each is, who registered it, and why it is shown as it is.

import { get, paths, send } from "../api.js";
import { h } from "../html.js";
import { house, load, refreshInstances } from "../house.js";
import { t, word } from "../i18n.js";
import { stateOf, supervisedId } from "../instances.js";
import { author } from "../preferences.js";
import { ago, number, span } from "../parts/format.js";
import { badge } from "../parts/marks.js";
import { explanation } from "../parts/explanation.js";
import { notice, noticeProblem } from "../parts/notice.js";
import { drawer } from "../parts/drawer.js";
import { emptyBox, whenReady } from "../parts/states.js";
import { search } from "../parts/search.js";
import { strip } from "../parts/strip.js";
import { cells, heads } from "../parts/table.js";

const cell = cells("services");

let filter = "";
/** The explanation that is open: `{ key, body, problem }`. */
let open = null;
let app = null;

export const services = {
  id: "services",
  key: "s",
  start(given) {
    app = given;
  },
  /** Every few seconds while the page is shown: heartbeats change nothing that is told as an event. */
  refresh(parts) {
    const service = chosen(parts);
    if (service) refreshInstances(service);
    if (open) look(open.service, open.id);
  },
  leave() {
    open = null;
  },
  view({ parts, now }) {
    return whenReady(["registry"], () => {
      if (house.services.length === 0) return emptyBox(t("services.empty"), t("services.empty.what"), "[services.orders]\ncommand = \"node orders.js\"");
      const service = chosen(parts);
      const [, id] = parts;
      if (id) see(service, id);
      else open = null;
      return [
        h("div", { key: "panes", class: `panes${parts[0] ? " has-choice" : ""}` },
          h("nav", { class: "sheet pane-list", "aria-label": t("services.list") },
            search({ value: filter, label: t("services.filter"), change: (value) => { filter = value; app.changed(); } }),
            list(service)),
          h("section", { class: "sheet pane-main", "aria-labelledby": "service-title" }, service ? serviceView(service, now) : null)),
        id && service ? drawerOf(service, id, now) : null,
      ];
    });
  },
};

const has = (text, part) => text.toLowerCase().includes(part);
const wanted = () => filter.trim().toLowerCase();
const shows = (row) => [row.instance.id, row.instance.address, row.instance.host, row.supervised ?? ""].some((text) => has(text, wanted()));

function found() {
  return house.services.filter((row) => has(row.service, wanted()) || (house.instances.get(row.service) ?? []).some(shows));
}

function chosen([service]) {
  if (service && house.services.some((row) => row.service === service)) return service;
  return service ?? (found()[0] ?? house.services[0])?.service;
}

function list(service) {
  const rows = found();
  if (rows.length === 0) return h("p", { class: "quiet pad" }, t("services.none_found", { filter }));
  return h("ul", { class: "choices" }, rows.map((row) => {
    const state = row.up === row.instances ? "up" : row.up === 0 ? "down" : "starting";
    return h("li", { key: row.service },
      h("a", { class: `choice${row.service === service ? " is-chosen" : ""}`, href: app.link("services", row.service), "aria-current": row.service === service ? "true" : null },
        h("span", { class: "choice-name" }, row.service),
        row.self_preservation ? h("span", { class: "tag is-warn", title: row.self_preservation }, t("services.held")) : null,
        h("span", { class: `choice-count is-${state}` }, `${number(row.up)}/${number(row.instances)}`)));
  }));
}

function serviceView(service, now) {
  const summary = house.services.find((row) => row.service === service);
  const head = h("header", { class: "pane-head" },
    h("a", { class: "back", href: app.link("services") }, `← ${t("page.services")}`),
    h("h2", { class: "pane-title", id: "service-title" }, service),
    summary ? h("p", { class: "quiet" }, t("services.count", { up: number(summary.up), all: number(summary.instances) })) : null);
  if (!summary) return [head, emptyBox(t("services.gone", { service }), t("services.gone.what"))];
  const all = house.instances.get(service) ?? [];
  const rows = wanted() && !has(service, wanted()) ? all.filter(shows) : all;
  return [
    head,
    summary.self_preservation ? h("div", { key: "held", class: "remark is-warn", role: "status" },
      h("strong", null, t("services.held.title")), h("p", null, t("services.held.what")), h("p", { class: "quiet" }, summary.self_preservation)) : null,
    h("div", { key: "rows", class: "table-place" }, h("table", { class: "table" },
      heads("services", ["state", "instance", "registrar", "lease", "seen", "action"]),
      h("tbody", null, rows.map((row) => instanceRow(service, row, now))))),
  ];
}

const processOf = (row) => house.processes.find((process) => `${process.instance}#${process.generation}` === supervisedId(row));

function shownState(row) {
  const process = processOf(row);
  return process && process.state !== "healthy" ? stateOf(process) : row.status;
}

const isTakenOut = (row) => (row.overridden ? row.overridden.status === "out_of_service" : row.status === "out_of_service");

function instanceRow(service, row, now) {
  const { instance } = row;
  return h("tr", { key: instance.id },
    cell("state", badge(shownState(row)), row.overridden ? h("span", { class: "tag is-mind", title: t("services.overridden.by", { who: row.overridden.by }) }, t("services.overridden")) : null),
    cell("instance", h("a", { class: "strong-link", href: app.link("services", service, instance.id) }, instance.id),
      h("span", { class: "sub" }, `${instance.address}:${instance.port.number}`)),
    cell("registrar", word("face", row.face), row.supervised ? h("span", { class: "sub" }, t("services.merged")) : null),
    cell("lease", lease(row, now)),
    cell("seen", strip(house.history.pieces(service, instance.id, now), instance.id)),
    cell("action",
      h("button", { class: "button is-small", type: "button", on: { click: () => (isTakenOut(row) ? giveBack(service, instance.id) : takeOut(service, instance.id)) },
        "aria-label": `${t(isTakenOut(row) ? "services.back" : "services.out")}: ${instance.id}` }, t(isTakenOut(row) ? "services.back" : "services.out"))));
}

function lease(row, now) {
  if (row.face === "supervise") return h("span", { class: "quiet" }, t("services.lease.process"));
  const age = Math.max(0, now - row.renewed_ms) / 1000;
  const whole = row.instance.terms.duration_s;
  const left = Math.max(0, 1 - age / whole);
  return [
    h("span", { class: "num" }, left > 0 ? t("services.lease.left", { left: span(whole - age), whole: span(whole) }) : t("services.lease.over", { since: span(age - whole) })),
    h("span", { class: `meter${left < 0.34 ? " is-low" : ""}`, "aria-hidden": "true", title: ago(row.renewed_ms, now) },
      h("span", { class: "meter-fill", style: { width: `${Math.round(left * 100)}%` } })),
  ];
}

/** Takes an instance out of service, and shows what came of it. */
async function takeOut(service, id) {
  try {
    await send("PUT", paths.override(service, id), { status: "out_of_service", author: author() });
    await told(service, id, () => giveBack(service, id));
  } catch (problem) {
    noticeProblem(t("services.out.failed", { id }), problem);
  }
}

/** The instance's own word counts again. */
async function giveBack(service, id) {
  try {
    await send("DELETE", paths.override(service, id));
    await told(service, id, null);
  } catch (problem) {
    noticeProblem(t("services.back.failed", { id }), problem);
  }
}

async function told(service, id, undo) {
  const [found] = await Promise.all([get(paths.explain(service, id)), refreshInstances(service)]);
  load("registry");
  notice({ text: t("services.result", { id, state: word("state", found.status) }), detail: found.because[0], undo });
  if (open) look(open.service, open.id);
}

function see(service, id) {
  if (open?.service === service && open.id === id) return;
  open = { service, id, body: null, problem: null };
  look(service, id);
}

async function look(service, id) {
  let [body, problem] = [null, null];
  try {
    body = await get(paths.instance(service, id));
  } catch (error) {
    problem = error;
  }
  if (open?.service !== service || open.id !== id) return;
  open = { service, id, body, problem };
  app.changed();
}

function drawerOf(service, id, now) {
  const close = () => app.go("services", service);
  const row = open.body;
  return drawer({ key: id, title: id, kind: t("services.explain.kind", { service }), close },
    explanation(open, {
      now,
      pieces: row ? house.history.pieces(service, row.instance.id, now) : [],
      process: row ? processOf(row) : null,
      again: () => look(service, id),
      action: row ? h("button", { class: "button", type: "button", on: { click: () => (isTakenOut(row.explanation) ? giveBack(service, id) : takeOut(service, id)) } },
        t(isTakenOut(row.explanation) ? "services.back" : "services.out")) : null,
    }));
}
