// Where requests go, and which route a given one takes and why.

import { get, paths } from "../api.js";
import { h } from "../html.js";
import { house } from "../house.js";
import { t } from "../i18n.js";
import { serviceOf } from "../parts/picture.js";
import { search } from "../parts/search.js";
import { emptyBox, problemBox, whenReady } from "../parts/states.js";
import { cells, heads } from "../parts/table.js";

const cell = cells("routes");

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

let filter = "";
let app = null;
/** The request that is explained, as its query text, and the verdicts on it. */
let asked = null;

export const routes = {
  id: "routes",
  key: "r",
  start(given) {
    app = given;
  },
  refresh() {
    if (asked) ask(asked.query);
  },
  view({ query }) {
    return whenReady(["routes"], () => {
      if (house.routes.length === 0) {
        return emptyBox(t("routes.empty"), t("routes.empty.what"), "[[routes]]\nid    = \"orders\"\nmatch = { path = \"/api/orders/**\" }\nto    = \"service://orders\"");
      }
      const isAsked = query.has("path");
      if (isAsked && asked?.query !== query.toString()) ask(query.toString());
      if (!isAsked) asked = null;
      return [
        form(query),
        asked?.problem ? problemBox(asked.problem) : null,
        asked?.verdicts ? answer(asked.verdicts) : null,
        h("section", { key: "table", class: "sheet", "aria-label": t("routes.table") },
          h("div", { class: "bar-above" },
            search({ value: filter, label: t("routes.filter"), change: (value) => { filter = value; app.changed(); } }),
            h("p", { class: "quiet" }, t("routes.order"))),
          table(asked?.verdicts)),
      ];
    });
  },
};

async function ask(query) {
  const own = (asked = { query, verdicts: asked?.query === query ? asked.verdicts : null, problem: null });
  let [verdicts, problem] = [null, null];
  try {
    verdicts = await get(paths.explainRoute(query));
  } catch (error) {
    problem = error;
  }
  if (asked !== own) return;
  Object.assign(own, { verdicts, problem });
  app.changed();
}

function form(query) {
  const submit = (event) => {
    event.preventDefault();
    const given = new URLSearchParams();
    for (const [name, value] of new FormData(event.target)) if (value !== "" || name === "path") given.set(name, value);
    if (!given.get("path")) given.set("path", "/");
    app.go(`routes?${given}`);
  };
  const field = (name, size, control) => h("label", { key: name, class: `field is-${size}` }, h("span", null, t(`routes.ask.${name}`)), control);
  return h("form", { key: "form", class: "sheet ask", on: { submit }, "aria-label": t("routes.ask") },
    h("h2", { class: "sheet-title" }, t("routes.ask")),
    h("div", { class: "ask-fields" },
      field("method", "small", h("select", { name: "method", value: query.get("method") ?? "GET" }, METHODS.map((method) => h("option", { key: method }, method)))),
      field("path", "large", h("input", { name: "path", value: query.get("path") ?? "", placeholder: "/api/orders/7?x=1", spellcheck: "false", autocomplete: "off" })),
      field("host", "middle", h("input", { name: "host", value: query.get("host") ?? "", placeholder: "shop.example.com", spellcheck: "false", autocomplete: "off" })),
      field("headers", "whole", h("textarea", { name: "headers", rows: "2", value: query.get("headers") ?? "", placeholder: "x-version: 2", spellcheck: "false" })),
      h("div", { class: "ask-actions" },
        h("button", { class: "button is-main", type: "submit" }, t("routes.ask.submit")),
        query.has("path") ? h("button", { class: "button", type: "button", on: { click: () => app.go("routes") } }, t("routes.ask.clear")) : null)));
}

function answer(verdicts) {
  const chosen = verdicts.find((verdict) => verdict.chosen);
  return h("p", { key: "answer", class: `remark ${chosen ? "is-good" : "is-warn"}`, role: "status" },
    chosen ? t("routes.chosen", { id: chosen.id, to: chosen.to || t("routes.itself") }) : t("routes.nobody"));
}

function table(verdicts) {
  const rows = (verdicts ?? house.routes).filter((row) => [row.id, row.match, row.to].some((text) => text.toLowerCase().includes(filter.trim().toLowerCase())));
  if (rows.length === 0) return h("p", { class: "quiet pad" }, t("routes.none_found", { filter }));
  const columns = ["route", "match", "to", "endpoints", ...(rows.some((row) => row.breaker) ? ["breaker"] : []), ...(verdicts ? ["verdict"] : []), "origin"];
  return h("div", { class: "table-place" }, h("table", { class: "table" },
    heads("routes", columns),
    h("tbody", null, rows.map((row) => h("tr", { key: row.id, class: row.chosen ? "is-chosen" : null }, columns.map((name) => cell(name, content(name, row))))))));
}

function content(name, row) {
  switch (name) {
    case "route": return h("strong", null, row.id);
    case "match": return h("code", null, row.match);
    case "to": return target(row.to);
    case "endpoints": return row.known === 0 && !row.to ? "–" : h("span", { class: row.ready === 0 ? "bad num" : "num" }, `${row.ready}/${row.known}`);
    case "breaker": return row.breaker ? breaker(row.breaker) : "–";
    case "verdict": return verdict(row);
    default: return h("span", { class: "quiet" }, row.origin);
  }
}

function target(to) {
  if (!to) return h("span", { class: "quiet" }, t("routes.itself"));
  return to.startsWith("service://") ? h("a", { href: app.link("services", serviceOf(to)) }, to) : h("code", null, to);
}

const LETS_PASS = ["closed", "forced_closed", "disabled", "metrics_only"];

function breaker({ state, refused, fallbacks }) {
  const look = LETS_PASS.includes(state) ? "good" : state === "half_open" ? "warn" : "bad";
  return [h("span", { class: look }, t(`routes.breaker.${state}`)),
    refused + fallbacks > 0 ? h("span", { class: "quiet" }, " ", t("routes.breaker.done", { refused, fallbacks })) : null];
}

function verdict(row) {
  if (row.chosen) return h("span", { class: "good" }, t("routes.verdict.chosen"));
  if (row.matched) return h("span", { class: "quiet" }, t("routes.verdict.later"));
  return h("span", null, h("span", { class: "bad" }, t("routes.verdict.missed")), " ", row.reason);
}
