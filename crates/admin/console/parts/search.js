// The field that `/` goes to.

import { h } from "../html.js";

export function search({ value, label, change }) {
  return h("label", { class: "search" },
    h("span", { class: "hidden" }, label),
    h("svg", { class: "search-mark", viewBox: "0 0 16 16", "aria-hidden": "true" }, h("path", { d: "M10.5 10.5L14.5 14.5M12 7A5 5 0 1 1 2 7A5 5 0 0 1 12 7Z" })),
    h("input", {
      class: "search-field", type: "search", value, placeholder: label, "aria-label": label, "data-search": "", spellcheck: "false", autocomplete: "off",
      on: {
        input: (event) => change(event.target.value),
        keydown: (event) => {
          if (event.key !== "Escape") return;
          event.target.value = "";
          change("");
          event.target.blur();
        },
      },
    }));
}
