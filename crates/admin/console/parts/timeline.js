// What happened, newest first.

import { h } from "../html.js";
import { t, word } from "../i18n.js";
import { ago, exactClock } from "./format.js";

const LEVELS = ["info", "warn", "error"];

/** `orders/orders-1` is `orders-1`: an instance says of which service it is. */
const whom = (subject) => String(subject).split("/").pop();

export function timeline(events, now, most) {
  if (events.length === 0) return h("p", { class: "quiet" }, t("timeline.none"));
  return h("ol", { class: "timeline" }, events.slice(0, most).map((event) => {
    const level = LEVELS.includes(event.level) ? event.level : "info";
    return h("li", { key: `${event.at_ms} ${event.id}`, class: `event is-${level}` },
      h("div", { class: "event-head" },
        h("span", { class: "event-kind" }, word("kind", event.kind)),
        level === "info" ? null : h("span", { class: "event-level" }, word("level", level)),
        h("time", { class: "event-time", datetime: new Date(event.at_ms).toISOString(), title: exactClock(event.at_ms) },
          ago(event.at_ms, now))),
      h("p", { class: "event-text" },
        h("span", { class: "event-subject" }, `${whom(event.subject)}:`), " ", event.text));
  }));
}
