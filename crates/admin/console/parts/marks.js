// A state as a small drawing: each has its own shape as well as its color.

import { h } from "../html.js";
import { word } from "../i18n.js";

/** Drawings by state, around 0,0 with a radius of 1. */
const SHAPES = {
  up: () => h("circle", { r: 1 }),
  starting: () => h("circle", { r: 0.8, class: "hollow" }),
  out_of_service: () => h("rect", { x: -0.85, y: -0.85, width: 1.7, height: 1.7, class: "hollow" }),
  down: () => h("path", { d: "M0 -1.2 L1.2 0 L0 1.2 L-1.2 0Z" }),
  backoff: () => h("path", { d: "M0 -1 L1 0 L0 1 L-1 0Z", class: "hollow" }),
  stopping: () => h("rect", { x: -1, y: -0.35, width: 2, height: 0.7 }),
  unknown: () => h("circle", { r: 0.55 }),
  gone: () => h("path", { d: "M-.8 -.8 L.8 .8 M.8 -.8 L-.8 .8", class: "hollow" }),
};

export const KNOWN = Object.keys(SHAPES);

const safe = (state) => (SHAPES[state] ? state : "unknown");

/** A mark inside a drawing. */
export function mark({ state, x, y, radius, title, key }) {
  return h("g", { key, class: `mark is-${safe(state)}`, transform: `translate(${x} ${y}) scale(${radius})` },
    title ? h("title", null, title) : null, SHAPES[safe(state)]());
}

/** A mark with its word, in a line of text. */
export function badge(state, family = "state") {
  return h("span", { class: `badge is-${safe(state)}` },
    h("svg", { class: "badge-mark", viewBox: "-1.5 -1.5 3 3", "aria-hidden": "true" },
      h("g", { class: `mark is-${safe(state)}` }, SHAPES[safe(state)]())),
    h("span", null, word(family, state)));
}
