// A short word on what a person just did: what came of it, and a way back.

import { h } from "../html.js";
import { t } from "../i18n.js";

/** How long a good word stays, in milliseconds. Bad ones stay until they are closed. */
const STAY = 12_000;

const notices = [];
let next = 0;
let changed = () => {};

export const onNotice = (handler) => {
  changed = handler;
};

/** `{ text, detail, undo, problem }`. */
export function notice(what) {
  const one = { id: (next += 1), ...what };
  notices.unshift(one);
  notices.length = Math.min(notices.length, 3);
  if (!what.problem) setTimeout(() => close(one), STAY);
  changed();
}

export const noticeProblem = (text, problem) => notice({ text, detail: [problem.message, problem.hint].filter(Boolean).join(" — "), problem });

function close(one) {
  const at = notices.indexOf(one);
  if (at >= 0) notices.splice(at, 1);
  changed();
}

export function noticeList() {
  return notices.map((one) => h("div", { key: one.id, class: `notice${one.problem ? " is-problem" : ""}` },
    h("div", { class: "notice-text" }, h("p", { class: "notice-title" }, one.text), one.detail ? h("p", null, one.detail) : null),
    one.undo ? h("button", { class: "button is-small", type: "button", on: { click: () => { close(one); one.undo(); } } }, t("action.undo")) : null,
    h("button", { class: "button is-small is-plain", type: "button", "aria-label": t("action.close"), on: { click: () => close(one) } }, "✕")));
}
