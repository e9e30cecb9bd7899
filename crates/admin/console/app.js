// The console: a frame with pages in it. An address is `#/page/part/part?query`; every page is a function of what is
// known (`house.js`), the address and the time, rendered again when one of them changes.

import { onRefused } from "./api.js";
import { h, render } from "./html.js";
import { follow, house, loadAll, retry } from "./house.js";
import { applyLanguage, language, switchLanguage, t } from "./i18n.js";
import { openDialogs } from "./parts/drawer.js";
import { help, tokenPrompt } from "./parts/dialogs.js";
import { onLogChange } from "./parts/log.js";
import { noticeList, onNotice } from "./parts/notice.js";
import { overview } from "./pages/overview.js";
import { processes } from "./pages/processes.js";
import { requests } from "./pages/requests.js";
import { routes } from "./pages/routes.js";
import { services } from "./pages/services.js";
import { applyTheme, nextTheme, setToken, theme, token } from "./preferences.js";

const PAGES = [overview, services, routes, requests, processes];

/** How often a page may refresh what no event tells of, in milliseconds. */
const REFRESH = 3000;

/** How long the second key of a shortcut may take, in milliseconds. */
const CHORD = 1500;

let current = null;
let isPlanned = false;
let isHelpOpen = false;
/** `/` on a page without a search field leads to the one of the services. */
let wantsSearch = false;
/** Whether the API wants a token, and whether one was given that it did not take. */
let wantsToken = null;

const app = {
  /** Renders again before the next frame. */
  changed() {
    if (isPlanned) return;
    isPlanned = true;
    requestAnimationFrame(() => {
      isPlanned = false;
      draw();
    });
  },
  link: (page, ...parts) => `#/${[page, ...parts.map(encodeURIComponent)].join("/")}`,
  go(...parts) {
    const [page, ...rest] = parts;
    location.hash = app.link(page, ...rest);
  },
};

function address() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  const [id, ...parts] = path.split("/").map((part) => {
    try {
      return decodeURIComponent(part);
    } catch {
      return part;
    }
  });
  return { page: PAGES.find((page) => page.id === id) ?? overview, parts: parts.filter(Boolean), query: new URLSearchParams(query) };
}

function navigate() {
  const before = current;
  current = address();
  if (before && before.page !== current.page) {
    before.page.leave?.();
    window.scrollTo(0, 0);
  }
  document.title = `${t(`page.${current.page.id}`)} · ${house.status?.name ?? "Madang"}`;
  current.page.refresh?.(current.parts);
  app.changed();
}

function draw() {
  const root = document.getElementById("app");
  const now = Date.now();
  render(root,
    h("a", { class: "skip", href: "#main", on: { click: (event) => { event.preventDefault(); document.getElementById("main").focus(); } } }, t("shell.skip")),
    header(),
    house.connection.state === "lost" && !wantsToken ? banner(now) : null,
    h("main", { id: "main", key: current.page.id, class: `page is-${current.page.id}`, tabindex: "-1" },
      h("div", { class: "page-head" }, h("h1", { class: "page-title" }, t(`page.${current.page.id}`)), h("p", { class: "page-what" }, t(`page.${current.page.id}.what`))),
      current.page.view({ ...current, now })),
    h("div", { key: "notices", class: "notices", role: "status", "aria-live": "polite" }, noticeList()),
    isHelpOpen ? help(PAGES, () => { isHelpOpen = false; app.changed(); }) : null,
    wantsToken ? tokenPrompt(wantsToken, giveToken) : null);
  openDialogs(root);
  const field = wantsSearch && current.page === services ? root.querySelector("[data-search]") : null;
  if (field) {
    wantsSearch = false;
    field.focus();
  }
}

function header() {
  const { state } = house.connection;
  return h("header", { key: "header", class: "header" },
    h("a", { class: "brand", href: "#/overview", "aria-label": "Madang" },
      h("svg", { class: "brand-mark", viewBox: "0 0 32 32", "aria-hidden": "true" },
        h("path", { d: "M4 12V4H28V12M4 20V28H28V20" }), h("rect", { x: 11, y: 11, width: 10, height: 10 })),
      h("span", { class: "brand-name", lang: "ko" }, "마당"),
      h("span", { class: "brand-house" }, house.status?.name ?? "")),
    h("nav", { class: "pages", "aria-label": t("shell.pages") }, PAGES.map((page) =>
      h("a", { key: page.id, class: "page-link", href: app.link(page.id), "aria-current": page === current.page ? "page" : null }, t(`page.${page.id}`), troubleOf(page)))),
    h("div", { class: "tools" },
      h("span", { class: `pulse is-${state}`, role: "status", title: t(`connection.${state}`) }, h("span", { class: "pulse-dot", "aria-hidden": "true" }), h("span", { class: "pulse-text" }, t(`connection.${state}`))),
      h("button", { class: "button is-plain", type: "button", on: { click: language_ }, lang: language() === "en" ? "ko" : "en", "aria-label": t("shell.language") }, language() === "en" ? "한국어" : "English"),
      h("button", { class: "button is-plain", type: "button", on: { click: theme_ }, "aria-label": t("shell.theme", { theme: t(`theme.${theme()}`) }), title: t("shell.theme", { theme: t(`theme.${theme()}`) }) }, themeMark()),
      h("button", { class: "button is-plain", type: "button", on: { click: openHelp }, "aria-label": t("shell.help"), title: t("shell.help") }, "?")));
}

function themeMark() {
  const half = theme() === "auto" ? "M8 2A6 6 0 0 1 8 14Z" : theme() === "dark" ? "M8 2A6 6 0 1 0 14 8A4.6 4.6 0 0 1 8 2Z" : "M8 4.5A3.5 3.5 0 1 0 8 11.5A3.5 3.5 0 1 0 8 4.5Z";
  return h("svg", { class: "tool-mark", viewBox: "0 0 16 16", "aria-hidden": "true" },
    theme() === "dark" ? null : h("circle", { cx: 8, cy: 8, r: 6, class: "tool-line" }), h("path", { d: half }));
}

/** A number beside the pages where somebody should look. */
function troubleOf(page) {
  const down = page === services ? house.services.filter((row) => row.up < row.instances).length
    : page === processes ? house.fleets.filter((fleet) => fleet.healthy < fleet.wanted).length : 0;
  return down > 0 ? h("span", { class: "count", "aria-label": t("shell.trouble", { count: down }) }, down) : null;
}

function banner(now) {
  const seconds = Math.max(0, Math.ceil((house.connection.retryAt - now) / 1000));
  // When somebody did answer, that says more than we can guess.
  const { problem } = house.connection;
  const said = problem?.status > 0 ? [problem.message, problem.hint].filter(Boolean).join(" — ") : null;
  return h("div", { key: "banner", class: "banner", role: "alert" },
    h("p", null, h("strong", null, t("connection.lost.title")), " ", t("connection.lost.what", { seconds }), said ? h("span", { class: "sub" }, said) : null),
    h("button", { class: "button is-small", type: "button", on: { click: retry } }, t("connection.now")));
}

function language_() {
  switchLanguage();
  navigate();
}

function theme_() {
  nextTheme();
  app.changed();
}

function openHelp() {
  isHelpOpen = true;
  app.changed();
}

function giveToken(given) {
  wantsToken = null;
  setToken(given);
  retry();
  loadAll();
  app.changed();
}

function refused() {
  // One question at a time; the second is told that the first answer was wrong.
  if (wantsToken) return;
  wantsToken = { isAgain: token() !== null };
  app.changed();
}

let chord = 0;

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  if (event.target.closest("input, textarea, select, dialog")) return;
  const { key } = event;
  if (Date.now() - chord < CHORD) {
    chord = 0;
    const page = PAGES.find((one) => one.key === key);
    if (page) {
      app.go(page.id);
      event.preventDefault();
    }
    return;
  }
  const actions = { g: () => { chord = Date.now(); }, "?": openHelp, "/": toSearch, t: theme_, l: language_ };
  if (!Object.hasOwn(actions, key)) return;
  actions[key]();
  event.preventDefault();
}

function toSearch() {
  const field = document.querySelector("[data-search]");
  if (field) {
    field.focus();
    field.select();
    return;
  }
  wantsSearch = true;
  app.go("services");
}

applyTheme();
applyLanguage();
onRefused(refused);
onNotice(app.changed);
onLogChange(app.changed);
for (const page of PAGES) page.start?.(app);
window.addEventListener("hashchange", navigate);
document.addEventListener("keydown", onKey);
// "3 s ago" and leases grow older by themselves.
setInterval(app.changed, 1000);
setInterval(() => {
  if (house.connection.state === "live" && !document.hidden) current.page.refresh?.(current.parts);
}, REFRESH);
follow(() => {
  document.title = `${t(`page.${current.page.id}`)} · ${house.status?.name ?? "Madang"}`;
  app.changed();
});
navigate();
