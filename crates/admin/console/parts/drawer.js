// One thing in detail, over the page. A `dialog`: the browser keeps the focus in it, and Escape closes it.

import { h } from "../html.js";
import { t } from "../i18n.js";

/** `close` leads back to the page's own address. */
export function drawer({ key, title, kind, close, wide }, ...children) {
  return h("dialog", {
    key: `drawer ${key}`, class: `drawer${wide ? " is-wide" : ""}`, "aria-label": title,
    on: { cancel: (event) => { event.preventDefault(); close(); }, click: (event) => { if (event.target === event.currentTarget) close(); } },
  },
  h("div", { class: "drawer-sheet" },
    h("header", { class: "drawer-head" },
      h("div", null, kind ? h("p", { class: "eyebrow" }, kind) : null, h("h2", { class: "drawer-title" }, title)),
      h("button", { class: "button is-plain", type: "button", "aria-label": t("action.close"), on: { click: close } }, "✕")),
    h("div", { class: "drawer-body", tabindex: "-1", autofocus: true }, children)));
}

/** Opens every described dialog that is not open yet. Called after each rendering. */
export function openDialogs(root) {
  for (const dialog of root.querySelectorAll("dialog:not([open])")) dialog.showModal();
}
