// The processes Madang runs: how they are, how many there should be, and what they write.

import { paths, send } from "../api.js";
import { h } from "../html.js";
import { cpuShare, house, load } from "../house.js";
import { t } from "../i18n.js";
import { stateOf } from "../instances.js";
import { author, prefer, preference } from "../preferences.js";
import { ago, bytes, number, span } from "../parts/format.js";
import { log } from "../parts/log.js";
import { badge } from "../parts/marks.js";
import { notice, noticeProblem } from "../parts/notice.js";
import { search } from "../parts/search.js";
import { emptyBox, whenReady } from "../parts/states.js";
import { cells, heads } from "../parts/table.js";

const cell = cells("processes");

let filter = "";
let app = null;
/** Services whose change is on its way. */
const busy = new Set();

export const processes = {
  id: "processes",
  key: "p",
  start(given) {
    app = given;
  },
  /** CPU and memory are no events. */
  refresh() {
    load("processes");
  },
  view({ parts, now }) {
    return whenReady(["processes"], () => {
      if (house.fleets.length === 0) return emptyBox(t("processes.empty"), t("processes.empty.what"), "[services.orders]\ncommand   = \"node orders.js\"\ninstances = 2");
      const fleets = house.fleets.filter((fleet) => matches(fleet.service) || house.processes.some((one) => one.service === fleet.service && matches(one.instance)));
      return h("div", { class: "processes" },
        h("section", { class: "sheet", "aria-label": t("page.processes") },
          h("div", { class: "bar-above" },
            search({ value: filter, label: t("processes.filter"), change: (value) => { filter = value; app.changed(); } }),
            h("label", { class: "field is-inline" }, h("span", null, t("processes.author")),
              h("input", { class: "author", value: preference("author", ""), placeholder: "console", maxlength: "60", autocomplete: "off", spellcheck: "false", on: { change: (event) => prefer("author", event.target.value.trim()) } }))),
          fleets.length === 0 ? h("p", { class: "quiet pad" }, t("processes.none_found", { filter })) : table(fleets, now)),
        log({ parts, link: app.link, go: app.go }));
    });
  },
};

const matches = (text) => text.toLowerCase().includes(filter.trim().toLowerCase());
const COLUMNS = ["state", "instance", "pid", "port", "cpu", "memory", "restarts", "uptime", "log"];

/** With more processes than this, services are folded until somebody opens one. */
const MOST_UNFOLDED = 24;

/** What a person folded or unfolded, by service. */
const folded = new Map();

function isFolded(fleet) {
  const isWanted = filter.trim() !== "" && !matches(fleet.service);
  return !isWanted && (folded.get(fleet.service) ?? house.processes.length > MOST_UNFOLDED);
}

function table(fleets, now) {
  return h("div", { class: "table-place" }, h("table", { class: "table is-processes" },
    heads("processes", COLUMNS),
    fleets.map((fleet) => {
      const rows = house.processes.filter((one) => one.service === fleet.service && (matches(fleet.service) || matches(one.instance)));
      return h("tbody", { key: fleet.service }, fleetRow(fleet, rows, now), isFolded(fleet) ? null : rows.map(processRow));
    })));
}

const sum = (rows, pick) => rows.reduce((total, one) => total + (pick(one) ?? 0), 0);

function fleetRow(fleet, rows, now) {
  const { service, wanted, healthy, overlay } = fleet;
  const step = (by) => scale(service, wanted + by);
  const by = overlay ? t("processes.overlay", { who: overlay.author, when: ago(overlay.time_ms, now), file: fleet.in_file }) : null;
  const isMeasured = rows.some((one) => typeof one.memory_bytes === "number");
  const takes = t("processes.takes", { cpu: sum(rows, cpuShare).toFixed(1), memory: bytes(sum(rows, (one) => one.memory_bytes)) });
  const isClosed = isFolded(fleet);
  return h("tr", { key: "fleet", class: "fleet" }, h("th", { scope: "rowgroup", colspan: String(COLUMNS.length) },
    h("div", { class: "fleet-line" },
      h("button", {
        class: "button is-plain fold", type: "button", "aria-expanded": String(!isClosed), "aria-label": t("processes.fold", { service }),
        on: { click: () => { folded.set(service, !isClosed); app.changed(); } },
      }, h("svg", { class: "fold-mark", viewBox: "0 0 12 12", "aria-hidden": "true" }, h("path", { d: isClosed ? "M4 2L8.5 6L4 10" : "M2 4L6 8.5L10 4" }))),
      h("a", { class: "fleet-name", href: app.link("services", service) }, service),
      h("span", { class: `num ${healthy < wanted ? "warn" : "quiet"}` }, t("processes.healthy", { healthy: number(healthy), wanted: number(wanted) })),
      isMeasured ? h("span", { class: "num quiet fleet-takes" }, takes) : null,
      by ? h("span", { class: "tag is-mind" }, by) : null,
      h("a", { class: "fleet-log", href: app.link("processes", service), "aria-label": t("processes.log_of", { instance: service }) }, t("processes.column.log")),
      h("span", { class: "stepper", role: "group", "aria-label": t("processes.scale", { service }) },
        h("button", { class: "button is-small", type: "button", disabled: wanted <= 0 || busy.has(service), "aria-label": t("processes.fewer", { service }), on: { click: () => step(-1) } }, "−"),
        h("output", { class: "num stepper-value" }, number(wanted)),
        h("button", { class: "button is-small", type: "button", disabled: wanted >= fleet.max || busy.has(service), "aria-label": t("processes.more", { service }), on: { click: () => step(1) } }, "+")))));
}

function processRow(one) {
  const share = cpuShare(one);
  return h("tr", { key: `${one.instance}#${one.generation}` },
    cell("state", badge(stateOf(one), "process"), one.reason ? h("span", { class: "sub bad", title: one.reason }, one.reason.split("\n")[0]) : null),
    cell("instance", one.instance),
    cell("pid", h("span", { class: "num" }, one.pid ?? "–")),
    cell("port", h("span", { class: "num" }, one.port ?? "–")),
    cell("cpu", h("span", { class: "num" }, share === null ? "–" : `${share.toFixed(1)} %`),
      share === null ? null : h("span", { class: "meter", "aria-hidden": "true" }, h("span", { class: "meter-fill", style: { width: `${Math.min(100, share)}%` } }))),
    cell("memory", h("span", { class: "num" }, bytes(one.memory_bytes))),
    cell("restarts", h("span", { class: one.restarts > 0 ? "num warn" : "num" }, one.restarts)),
    cell("uptime", h("span", { class: "num" }, one.pid === null ? "–" : span(one.uptime_s))),
    cell("log", h("a", { href: app.link("processes", one.service, one.instance), "aria-label": t("processes.log_of", { instance: one.instance }) }, t("processes.show_log"))));
}

async function scale(service, instances) {
  busy.add(service);
  app.changed();
  try {
    await send("POST", paths.scale(service), { instances, author: author() });
    notice({ text: t("processes.scaled", { service, instances }), detail: t("processes.scaled.what") });
  } catch (problem) {
    noticeProblem(t("processes.scale.failed", { service }), problem);
  }
  busy.delete(service);
  load("processes");
}
