// The living picture of the house: who calls whom, how often, and how each instance is.

import { h } from "../html.js";
import { t, word } from "../i18n.js";
import { duration, number, rate } from "./format.js";
import { arrange, CLIENTS, GATEWAY, grid, lines } from "./layout.js";
import { mark } from "./marks.js";

/** Services that call through the egress without saying who they are. */
const CALLERS = "services";

/** More dots than this become one bar per state. */
const MOST_DOTS = 360;

/** Below it, a line shows no number. */
const LEAST_RATE = 0.005;

/** With more lines than this on a narrow screen, only the width of a line tells how busy it is. */
const MOST_FLOWING = 24;

const PAD = 14;
const HEAD = 46;
const SERVICE = "service://";

export const serviceOf = (to) => (to.startsWith(SERVICE) ? to.slice(SERVICE.length) : to);
const isUrl = (name) => name.includes("://");

/** The box a person points at: its lines stand out. */
let near = null;
let changed = () => {};

export const onPointed = (handler) => {
  changed = handler;
};

function point(id) {
  if (near === id) return;
  near = id;
  changed();
}

const pointing = (id) => ({
  mouseenter: () => point(id), mouseleave: () => point(null), focusin: () => point(id), focusout: () => point(null),
});

/** What to draw, from what is known: nodes by id and the calls between them. */
export function survey({ instances, routes, traffic }) {
  const nodes = new Map([[CLIENTS, { kind: "clients" }], [GATEWAY, { kind: "gateway" }]]);
  const node = (id) => {
    if (!nodes.has(id)) nodes.set(id, { kind: id === CALLERS ? "callers" : isUrl(id) ? "outside" : "service", dots: instances.get(id) ?? [] });
  };
  const edges = new Map();
  const add = (from, to, flow) => {
    const key = `${from}\n${to}`;
    const sum = edges.get(key) ?? { key, from, to, rate: 0, failed: 0, time: 0 };
    sum.rate += flow.rate;
    sum.failed += flow.failed;
    sum.time += flow.rate * (flow.mean_ms ?? 0);
    edges.set(key, sum);
  };
  const nothing = { rate: 0, failed: 0, mean_ms: null };
  for (const id of instances.keys()) node(id);
  add(CLIENTS, GATEWAY, nothing);
  for (const route of routes) {
    if (!route.to) continue;
    node(serviceOf(route.to));
    add(GATEWAY, serviceOf(route.to), nothing);
  }
  for (const flow of traffic) {
    const to = serviceOf(flow.to);
    if (flow.from === CLIENTS) add(CLIENTS, GATEWAY, flow);
    // What no route took ends at the gateway.
    if (to === "-" || to === "") continue;
    node(to);
    const from = flow.from === CLIENTS ? GATEWAY : flow.from;
    if (from !== GATEWAY) node(from);
    add(from, to, flow);
  }
  for (const [id, one] of nodes) one.id = id;
  return { nodes, edges: [...edges.values()] };
}

const pen = document.createElement("canvas").getContext("2d");
const widths = new Map();

/** Widths that are remembered; names come and go. */
const MOST_WIDTHS = 2000;

/** How wide a text is, in pixels. */
function textWidth(text, size) {
  const key = `${size} ${text}`;
  if (!widths.has(key)) {
    if (widths.size > MOST_WIDTHS) widths.clear();
    pen.font = `${size > 13 ? 600 : 400} ${size}px ${getComputedStyle(document.body).fontFamily}`;
    widths.set(key, pen.measureText(text).width);
  }
  return widths.get(key);
}

function fitted(text, width, size) {
  if (textWidth(text, size) <= width) return text;
  const letters = [...text];
  while (letters.length > 1 && textWidth(`${letters.join("")}…`, size) > width) letters.pop();
  return `${letters.join("")}…`;
}

function sizeOf(node, width) {
  if (node.kind === "clients") return { width: Math.min(width, 112), height: 78 };
  if (node.kind === "gateway") return { width: Math.min(width, 138), height: 96 };
  if (node.kind !== "service") return { width, height: HEAD + 6 };
  const { step, rows } = grid(Math.min(node.dots.length, MOST_DOTS), width - PAD * 2);
  return { width, height: HEAD + (node.dots.length > MOST_DOTS ? 24 : rows * step) + 12 };
}

/** The whole drawing for a place `width` wide and about `height` high. */
export function picture({ house, survey: { nodes, edges }, width, height }) {
  const layout = arrange({ ids: [...nodes.keys()], edges, width, height, size: (id, most) => sizeOf(nodes.get(id), most) });
  const drawn = lines(layout, edges);
  const into = new Map();
  for (const edge of edges) {
    const sum = into.get(edge.to) ?? { rate: 0, failed: 0, time: 0 };
    into.set(edge.to, { rate: sum.rate + edge.rate, failed: sum.failed + edge.failed, time: sum.time + edge.time });
  }
  const margin = 3;
  return h("svg", {
    class: `picture${near !== null && nodes.has(near) ? " has-near" : ""}${layout.isDown && drawn.length > MOST_FLOWING ? " is-dense" : ""}`, role: "group", "aria-label": t("picture.label"),
    width, height: layout.height + margin * 2, viewBox: `0 ${-margin} ${width} ${layout.height + margin * 2}`,
  },
  h("g", { key: "lines", "aria-hidden": "true" }, drawn.map(line)),
  h("g", { key: "boxes" }, [...layout.boxes].map(([id, box]) => drawBox(nodes.get(id), box, into.get(id), house))),
  h("g", { key: "numbers", "aria-hidden": "true" }, numbers(drawn, layout)));
}

function line({ edge, path }) {
  const share = edge.rate > 0 ? Math.min(1, edge.failed / edge.rate) : 0;
  const width = edge.rate < LEAST_RATE ? 1 : Math.min(5.5, 1.5 + Math.log2(1 + edge.rate) * 0.5);
  const speed = edge.rate < LEAST_RATE ? "still" : edge.rate < 3 ? "slow" : edge.rate < 40 ? "brisk" : "fast";
  const kind = share > 0.5 ? " has-failed" : "";
  const isNear = edge.from === near || edge.to === near ? " is-near" : "";
  return h("g", { key: edge.key, class: `line is-${speed}${kind}${isNear}` },
    h("path", { d: path, class: "line-bed", "stroke-width": width }),
    share > 0 ? h("path", { d: path, class: "line-failed", "stroke-width": Math.max(1.5, width * share) }) : null,
    h("path", { d: path, class: "line-flow", "stroke-width": Math.max(2.2, width * 0.66) }));
}

/** The space a number takes, for telling whether two would stand on each other. */
const NUMBER = { width: 46, height: 11 };

/** Numbers on lines, the busiest first; one that would stand on another is left out until its box is pointed at. */
function numbers(drawn, layout) {
  const isPointed = near !== null && layout.boxes.has(near);
  const wanted = drawn.filter(({ edge }) => edge.rate >= LEAST_RATE && (!isPointed || edge.from === near || edge.to === near));
  const placed = [];
  for (const one of wanted.sort((a, b) => b.edge.rate - a.edge.rate)) {
    const at = { x: one.label.x - (one.label.anchor === "end" ? NUMBER.width : 0), y: one.label.y };
    if (placed.some((other) => Math.abs(other.x - at.x) < NUMBER.width && Math.abs(other.y - at.y) < NUMBER.height)) continue;
    placed.push({ ...at, ...one });
  }
  return placed.map(({ edge, label }) => h("text", { key: edge.key, class: "number", x: label.x, y: label.y, "text-anchor": label.anchor },
    `${rate(edge.rate)}${t("unit.per_s")}`, edge.failed > 0 ? h("tspan", { class: "number-failed" }, ` ${rate(edge.failed)} ✕`) : null));
}

function drawBox(node, box, flow, house) {
  const common = { key: node.id, on: pointing(node.id), transform: `translate(${Math.round(box.x)} ${Math.round(box.y)})` };
  switch (node.kind) {
    case "clients":
      return plainBox(common, "clients", box, t("picture.clients"), t("picture.connections", { count: number(house.traffic.connections) }));
    case "gateway":
      return gatewayBox(common, box, house);
    case "callers":
      return plainBox(common, "outside", box, t("picture.callers"), t("picture.callers.what"));
    case "outside":
      return plainBox(common, "outside", box, node.id.replace(/^\w+:\/\//, ""), flowText(flow));
    default:
      return serviceBox(common, node, box, flow ?? { rate: 0, failed: 0, time: 0 }, house);
  }
}

const flowText = (flow) => (flow?.rate > LEAST_RATE
  ? `${rate(flow.rate)}${t("unit.per_s")} · ${duration(flow.time / flow.rate)}` : t("picture.quiet"));

function plainBox(common, kind, box, name, what) {
  return h("g", { ...common, class: `box is-${kind}` },
    h("rect", { width: box.width, height: box.height, rx: kind === "clients" ? box.height / 2 : 4, class: "box-shape" }),
    h("text", { class: "box-name", x: box.width / 2, y: box.height / 2 - 3, "text-anchor": "middle" },
      fitted(name, box.width - 20, 14), h("title", null, name)),
    h("text", { class: "box-what", x: box.width / 2, y: box.height / 2 + 15, "text-anchor": "middle" },
      fitted(what, box.width - 12, 11.5)));
}

/** The gateway is the courtyard itself: two squares, open towards both sides. */
function gatewayBox(common, box, house) {
  const { width, height } = box;
  const now = house.traffic.now();
  const inset = 7;
  return h("g", { ...common, class: "box is-gateway" },
    h("a", { href: "#/routes", class: "box-link", "aria-label": t("picture.gateway.label") },
      h("rect", { width, height, rx: 3, class: "box-shape" }),
      h("path", {
        class: "box-court",
        d: `M${inset} ${height / 2 - 14}V${inset}H${width - inset}V${height / 2 - 14}`
          + `M${inset} ${height / 2 + 14}V${height - inset}H${width - inset}V${height / 2 + 14}`,
      }),
      h("text", { class: "box-name", x: width / 2, y: height / 2 - 8, "text-anchor": "middle" }, t("picture.gateway")),
      h("text", { class: "box-rate", x: width / 2, y: height / 2 + 12, "text-anchor": "middle" }, `${rate(now.rate)}${t("unit.per_s")}`),
      h("text", { class: "box-what", x: width / 2, y: height / 2 + 28, "text-anchor": "middle" },
        now.mean_ms === null ? t("picture.quiet") : duration(now.mean_ms))));
}

function serviceBox(common, node, box, flow, house) {
  const up = node.dots.filter((dot) => dot.state === "up").length;
  const all = node.dots.length;
  const trouble = all === 0 || up === 0 ? " is-down" : up < all ? " is-partly" : "";
  const count = `${up}/${all}`;
  const inFlight = house.traffic.inFlight.get(node.id) ?? 0;
  const label = t("picture.service.label", {
    service: node.id, up, all, rate: rate(flow.rate), failed: rate(flow.failed),
  });
  const failed = flow.failed > 0
    ? h("tspan", { class: "number-failed" }, ` · ${rate(flow.failed)}${t("unit.per_s")} ✕`) : null;
  const room = box.width - PAD * 2 - (failed ? 52 : 0);
  const waiting = ` · ${t("picture.in_flight", { count: inFlight })}`;
  const what = flowText(flow) + (inFlight > 0 && textWidth(flowText(flow) + waiting, 11.5) <= room ? waiting : "");
  return h("g", { ...common, class: `box is-service${trouble}` },
    h("a", { href: `#/services/${encodeURIComponent(node.id)}`, class: "box-link", "aria-label": label },
      h("rect", { width: box.width, height: box.height, rx: 4, class: "box-shape" }),
      h("path", { class: "box-edge", d: `M0 4a4 4 0 0 1 4 -4V${box.height}a4 4 0 0 1 -4 -4Z` }),
      h("text", { class: "box-name", x: PAD, y: 21 },
        fitted(node.id, box.width - PAD * 2 - textWidth(count, 12) - 10, 14), h("title", null, node.id)),
      h("text", { class: "box-count", x: box.width - PAD, y: 21, "text-anchor": "end" }, count),
      h("text", { class: "box-what", x: PAD, y: 37 }, fitted(what, room, 11.5), failed),
      all > MOST_DOTS ? bar(node.dots, box.width - PAD * 2) : dots(node.dots, box.width - PAD * 2)));
}

function dots(all, width) {
  const { step, columns } = grid(all.length, width);
  const radius = step * 0.31;
  return h("g", { class: "dots", transform: `translate(${PAD + step / 2 - 2} ${HEAD + step / 2})` }, all.map((dot, at) => mark({
    key: dot.id, state: dot.state, radius, x: (at % columns) * step, y: Math.floor(at / columns) * step,
    title: `${dot.id}: ${word("state", dot.state)}${dot.reason ? `\n${dot.reason.split("\n")[0]}` : ""}`,
  })));
}

/** So many instances that dots would be dust: one bar, in parts. */
function bar(all, width) {
  const counts = new Map();
  for (const dot of all) counts.set(dot.state, (counts.get(dot.state) ?? 0) + 1);
  let x = PAD;
  return h("g", { class: "dots" }, [...counts].sort((a, b) => b[1] - a[1]).map(([state, count]) => {
    const part = (count / all.length) * width;
    const rect = h("rect", { key: state, class: `bar is-${state}`, x, y: HEAD + 4, width: part, height: 12 },
      h("title", null, `${count} ${word("state", state)}`));
    x += part;
    return rect;
  }));
}
