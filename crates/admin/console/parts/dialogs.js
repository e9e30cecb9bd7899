// What stands over everything: the list of shortcuts, and the question for the token.

import { h } from "../html.js";
import { t } from "../i18n.js";

export function help(pages, close) {
  const row = (keys, what) => h("tr", { key: keys }, h("th", { scope: "row" }, keys.split(" ").map((key) => h("kbd", { key }, key))), h("td", null, what));
  return h("dialog", {
    key: "help", class: "dialog", "aria-labelledby": "help-title",
    on: { cancel: (event) => { event.preventDefault(); close(); }, click: (event) => { if (event.target === event.currentTarget) close(); } },
  },
  h("div", { class: "dialog-sheet" },
    h("h2", { id: "help-title", class: "drawer-title" }, t("help.title")),
    h("table", { class: "keys" }, h("tbody", null,
      pages.map((page) => row(`g ${page.key}`, t(`page.${page.id}`))),
      row("/", t("help.search")), row("t", t("help.theme")), row("l", t("help.language")), row("?", t("help.help")), row("Esc", t("help.close")))),
    h("p", { class: "quiet" }, t("help.command_line")),
    h("div", { class: "dialog-actions" }, h("button", { class: "button is-main", type: "button", on: { click: close } }, t("action.close")))));
}

export function tokenPrompt({ isAgain }, give) {
  const submit = (event) => {
    event.preventDefault();
    const token = new FormData(event.target).get("token").trim();
    if (token) give(token);
  };
  return h("dialog", { key: "token", class: "dialog", "aria-labelledby": "token-title", on: { cancel: (event) => event.preventDefault() } },
    h("form", { class: "dialog-sheet", on: { submit } },
      h("h2", { id: "token-title", class: "drawer-title" }, t("token.title")),
      h("p", null, t("token.what")),
      isAgain ? h("p", { class: "bad", role: "alert" }, t("token.again")) : null,
      h("label", { class: "field" }, h("span", null, t("token.field")), h("input", { name: "token", type: "password", autocomplete: "off", spellcheck: "false", required: true, autofocus: true })),
      h("div", { class: "dialog-actions" }, h("button", { class: "button is-main", type: "submit" }, t("token.submit")))));
}
