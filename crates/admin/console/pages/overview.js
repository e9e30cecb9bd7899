// The house at a glance: headline numbers, the picture, and what happened.

import { h } from "../html.js";
import { house } from "../house.js";
import { t } from "../i18n.js";
import { everyInstance } from "../instances.js";
import { duration, number, percent, rate } from "../parts/format.js";
import { onPointed, picture, survey } from "../parts/picture.js";
import { shownPoints, sparkline } from "../parts/sparkline.js";
import { emptyBox, whenReady } from "../parts/states.js";
import { mark } from "../parts/marks.js";
import { timeline } from "../parts/timeline.js";

/** Events beside the picture. */
const MOST = 60;

/** With more services than this the picture gets the whole width, and the events stand below. */
const MOST_BESIDE = 10;

let width = 0;
let changed = () => {};

/** The picture is drawn for the place it has; this watches the place. */
function measured(element) {
  const watch = new ResizeObserver(([entry]) => {
    const now = Math.floor(entry.contentRect.width);
    if (now === width || now === 0) return;
    width = now;
    changed();
  });
  watch.observe(element);
  return () => watch.disconnect();
}

export const overview = {
  id: "overview",
  key: "o",
  start(app) {
    changed = app.changed;
    onPointed(changed);
  },
  view({ now }) {
    return whenReady(["registry", "processes", "routes"], () => {
      const instances = everyInstance();
      const isEmpty = instances.size === 0 && house.routes.length === 0;
      return [
        headline(instances),
        h("div", { key: "body", class: `overview${instances.size > MOST_BESIDE ? " is-wide" : ""}` },
          h("section", { class: "sheet overview-picture", "aria-label": t("overview.picture") },
            h("div", { key: "measure", class: "measure", mount: measured }),
            isEmpty ? emptyBox(t("overview.empty"), t("overview.empty.what"), "[services.orders]\ncommand = \"node orders.js\"") : draw(instances),
            isEmpty ? null : legend()),
          h("section", { class: "sheet overview-events", "aria-labelledby": "events-title" },
            h("h2", { class: "sheet-title", id: "events-title" }, t("overview.events")),
            h("div", { class: "scroll", tabindex: "0", role: "region", "aria-labelledby": "events-title" }, timeline(house.events, now, MOST)))),
      ];
    });
  },
};

function draw(instances) {
  if (width === 0) return null;
  const height = Math.max(420, Math.min(620, window.innerHeight - 380));
  const seen = survey({ instances, routes: house.routes, traffic: house.traffic.edges() });
  return h("div", { class: "picture-place" }, picture({ house, survey: seen, width, height }));
}

function headline(instances) {
  const flow = house.traffic.now();
  const all = [...instances.values()].flat();
  const up = all.filter((one) => one.state === "up").length;
  const share = flow.rate > 0 ? flow.failed / flow.rate : 0;
  const most = Math.max(0, ...house.traffic.history.map((point) => point.rate));
  return h("section", { key: "headline", class: "headline sheet", "aria-label": t("overview.headline") },
    figure("requests", t("overview.requests"), rate(flow.rate), t("unit.per_s")),
    figure("failed", t("overview.failed"), rate(flow.failed), t("unit.per_s"), flow.failed > 0 ? "is-bad" : "", percent(share)),
    figure("time", t("overview.time"), flow.mean_ms === null ? "–" : duration(flow.mean_ms), "", "", t("overview.time.what")),
    figure("up", t("overview.up"), number(up), ` / ${number(all.length)}`, up < all.length ? "is-warn" : "",
      t("overview.services", { count: number(instances.size) })),
    h("div", { class: "figure is-spark" },
      h("div", { class: "figure-name" }, t("overview.last_minutes", { count: shownPoints(house.traffic.history) / 60 }), h("span", { class: "quiet" }, t("overview.most", { rate: rate(most) }))),
      sparkline(house.traffic.history)));
}

function figure(key, name, value, unit, kind = "", what = null) {
  return h("div", { key, class: `figure ${kind}` },
    h("div", { class: "figure-name" }, name),
    h("div", { class: "figure-value" }, value, h("span", { class: "figure-unit" }, unit)),
    what ? h("div", { class: "figure-what" }, what) : null);
}

function legend() {
  return h("ul", { class: "legend", "aria-label": t("overview.legend") },
    ["up", "starting", "out_of_service", "down", "backoff"].map((state) => h("li", { key: state },
      h("svg", { class: "badge-mark", viewBox: "-1.5 -1.5 3 3", "aria-hidden": "true" }, mark({ state, x: 0, y: 0, radius: 1 })),
      t(`state.${state}`))));
}
