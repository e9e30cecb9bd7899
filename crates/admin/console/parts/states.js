// What stands where data should be: waiting, nothing there, or a problem with what to do about it.

import { h } from "../html.js";
import { t } from "../i18n.js";
import { house } from "../house.js";

export function problemBox(problem, retry) {
  const hint = problem.status === 0 ? t("problem.no_answer") : problem.hint;
  return h("div", { class: "problem", role: "alert" },
    h("p", { class: "problem-title" }, problem.title ?? t("problem.title")),
    h("p", null, problem.message),
    hint ? h("p", { class: "problem-hint" }, hint) : null,
    problem.code ? h("p", { class: "quiet" }, h("code", null, `madang explain ${problem.code}`)) : null,
    retry ? h("button", { class: "button", type: "button", on: { click: retry } }, t("action.retry")) : null);
}

export function emptyBox(title, what, example) {
  return h("div", { class: "empty" },
    h("svg", { class: "empty-mark", viewBox: "0 0 48 48", "aria-hidden": "true" },
      h("path", { d: "M6 19V6H42V19M6 29V42H42V29" }), h("path", { d: "M15 20V15H33V20M15 28V33H33V28" })),
    h("p", { class: "empty-title" }, title), h("p", { class: "quiet" }, what),
    example ? h("pre", { class: "example" }, h("code", null, example)) : null);
}

/** `view()` once all these parts are there; before that, what stands in its place. */
export function whenReady(parts, view) {
  for (const part of parts) {
    const state = house.parts[part];
    if (state === "loading") return h("p", { class: "quiet waiting", role: "status" }, t("state.loading"));
    // What was known before a question failed is still shown; the banner tells of a lost connection.
    if (state !== "ready" && state.status !== 0 && !hasData(part)) return problemBox(state);
  }
  return view();
}

const hasData = (part) => (part === "registry" ? house.services : house[part]).length > 0;
