// Tables that become cards on a narrow screen: there, every cell names its column.

import { h } from "../html.js";
import { t } from "../i18n.js";

/** The heads of a table whose texts are `family.column.name`. */
export function heads(family, columns) {
  return h("thead", null, h("tr", null, columns.map((name) => h("th", { key: name, scope: "col", class: `is-${name}` }, t(`${family}.column.${name}`)))));
}

/** Makes the cells of one family: `cell(name, ...children)`. */
export const cells = (family) => (name, ...children) =>
  h("td", { key: name, class: `is-${name}`, "data-label": t(`${family}.column.${name}`) }, h("div", { class: "cell" }, children));
