// The last minutes as a small area: all requests, and the failed ones before them in red.

import { h } from "../html.js";
import { t } from "../i18n.js";
import { HISTORY } from "../traffic.js";
import { rate } from "./format.js";

const WIDTH = 600;
const HEIGHT = 64;

/** At first the sparkline is a minute wide, so that something is to be seen. */
const LEAST_POINTS = 60;

/** How many seconds the sparkline reaches back. */
export const shownPoints = (history) => Math.min(HISTORY, Math.max(LEAST_POINTS, Math.ceil(history.length / 60) * 60));

export function sparkline(history) {
  const most = Math.max(1, ...history.map((point) => point.rate));
  const points = shownPoints(history);
  const x = (at) => WIDTH - (history.length - 1 - at) * (WIDTH / (points - 1));
  const y = (value) => HEIGHT - (value / most) * (HEIGHT - 6);
  const top = (value) => history.map((point, at) => `${at === 0 ? "M" : "L"}${x(at).toFixed(1)} ${y(value(point)).toFixed(1)}`).join("");
  const area = (value) => `${top(value)}L${WIDTH} ${HEIGHT}L${x(0).toFixed(1)} ${HEIGHT}Z`;
  const isEmpty = history.length < 2;
  return h("svg", {
    class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img",
    "aria-label": t("spark.label", { most: rate(most) }),
  },
  h("path", { class: "spark-base", d: `M0 ${HEIGHT - 0.5}H${WIDTH}` }),
  isEmpty ? null : [
    h("path", { key: "area", class: "spark-area", d: area((point) => point.rate) }),
    h("path", { key: "top", class: "spark-top", d: top((point) => point.rate) }),
    history.some((point) => point.failed > 0)
      ? h("path", { key: "failed", class: "spark-failed", d: area((point) => point.failed) }) : null,
  ]);
}
