// What services write, as it comes. Lines go straight into the document: thousands of them are none of `render`'s
// business. Whoever scrolls up stays where they are; at the end, new lines are followed.

import { paths } from "../api.js";
import { h } from "../html.js";
import { house } from "../house.js";
import { t } from "../i18n.js";
import { followLines } from "../stream.js";
import { exactClock } from "./format.js";

/** Lines kept in the page; the oldest go. */
const MOST_LINES = 2000;

/** Lines asked for at the beginning. */
const PAST = 200;

/** Lines that wait while the log is paused. */
const MOST_WAITING = 2000;

/** Colors that tell instances apart. */
const INKS = 6;

let isPaused = false;
let part = "";
let waiting = [];
let place = null;
let changedHead = () => {};

export function log({ parts, link, go }) {
  const [service = "", instance = ""] = parts;
  const choose = (event) => go("processes", ...event.target.value.split("/").filter(Boolean));
  return h("section", { class: "sheet log", "aria-labelledby": "log-title" },
    h("div", { class: "bar-above" },
      h("h2", { class: "sheet-title", id: "log-title" }, t("log.title")),
      h("label", { class: "field is-inline" }, h("span", { class: "hidden" }, t("log.of")),
        h("select", { value: [service, instance].filter(Boolean).join("/"), on: { change: choose } }, choices(service, instance))),
      h("input", { class: "log-filter", type: "search", placeholder: t("log.filter"), "aria-label": t("log.filter"), value: part, spellcheck: "false", autocomplete: "off", on: { input: (event) => narrow(event.target.value) } }),
      h("button", { class: "button is-small", type: "button", "aria-pressed": String(isPaused), on: { click: pause } }, t(isPaused ? "log.resume" : "log.pause")),
      h("button", { class: "button is-small is-plain", type: "button", on: { click: clear } }, t("log.clear"))),
    h("div", {
      key: `${service}/${instance}`, class: "log-lines", tabindex: "0", role: "log", "aria-live": "off", "aria-label": t("log.title"),
      mount: (element) => follow(element, service, instance),
    }));
}

function choices(service, instance) {
  const all = [["", t("log.all")]];
  for (const fleet of house.fleets) {
    all.push([fleet.service, fleet.service]);
    for (const one of new Set(house.processes.filter((process) => process.service === fleet.service).map((process) => process.instance))) all.push([`${fleet.service}/${one}`, `\u2003${one}`]);
  }
  const now = [service, instance].filter(Boolean).join("/");
  if (!all.some(([value]) => value === now)) all.push([now, now]);
  return all.map(([value, text]) => h("option", { key: value, value }, text));
}

export const onLogChange = (handler) => {
  changedHead = handler;
};

function follow(element, service, instance) {
  place = element;
  waiting = [];
  // Whoever asked for these lines wants to see them, also below a long table.
  if (service) element.closest(".log").scrollIntoView({ block: "nearest" });
  let isFirst = true;
  const asked = () => paths.logs({ ...(service && { service }), ...(instance && { instance }), lines: isFirst ? PAST : 0, follow: "true" });
  let batch = [];
  let isPlanned = false;
  const flush = () => {
    isPlanned = false;
    show(batch);
    batch = [];
  };
  const stream = followLines(asked, {
    opened: () => {
      isFirst = false;
    },
    line: (line) => {
      batch.push(line);
      if (batch.length > MOST_LINES) batch.shift();
      if (!isPlanned) requestAnimationFrame(flush);
      isPlanned = true;
    },
    lost: () => {},
  });
  return () => {
    stream.stop();
    if (place === element) place = null;
  };
}

function show(lines) {
  if (!place) return;
  if (isPaused) {
    waiting = waiting.concat(lines).slice(-MOST_WAITING);
    return;
  }
  const isAtEnd = place.scrollHeight - place.scrollTop - place.clientHeight < 40;
  place.append(...lines.map(element));
  while (place.childElementCount > MOST_LINES) place.firstElementChild.remove();
  if (isAtEnd) place.scrollTop = place.scrollHeight;
}

function element(line) {
  const row = document.createElement("div");
  row.className = `log-line${line.stream === "stderr" ? " is-stderr" : ""}`;
  const piece = (kind, text) => {
    const span = document.createElement("span");
    span.className = kind;
    span.textContent = text;
    row.append(span);
  };
  piece("log-time", exactClock(line.time_ms));
  piece(`log-who is-ink-${ink(line.instance)}`, line.instance);
  piece("log-text", line.line);
  row.hidden = !fits(row);
  return row;
}

function ink(name) {
  let sum = 0;
  for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)) % 9973;
  return sum % INKS;
}

const fits = (row) => row.textContent.toLowerCase().includes(part.trim().toLowerCase());

function narrow(text) {
  part = text;
  for (const row of place?.children ?? []) row.hidden = !fits(row);
  if (place) place.scrollTop = place.scrollHeight;
}

function pause() {
  isPaused = !isPaused;
  if (!isPaused) {
    show(waiting);
    waiting = [];
  }
  changedHead();
}

function clear() {
  place?.replaceChildren();
  waiting = [];
}
