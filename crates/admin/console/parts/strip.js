// How one instance was in the last ten minutes, as far as this page saw it.

import { h } from "../html.js";
import { t, word } from "../i18n.js";
import { REACH } from "../history.js";
import { span } from "./format.js";

export function strip(pieces, label) {
  const last = pieces.at(-1);
  const title = last
    ? t("strip.title", { state: word("state", last.state), span: span(((last.to - last.from) * REACH) / 1000) }) : t("strip.none");
  return h("svg", { class: "strip", viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img", "aria-label": `${label}: ${title}` },
    h("title", null, title),
    h("rect", { class: "strip-bed", x: 0, y: 4, width: 100, height: 2 }),
    pieces.map((piece, at) => h("rect", {
      key: at, class: `bar is-${piece.state}`, y: 1, height: 8,
      x: (piece.from * 100).toFixed(2), width: Math.max(0.8, (piece.to - piece.from) * 100).toFixed(2),
    })));
}
