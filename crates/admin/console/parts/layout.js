// Where each part of the picture stands: pure geometry, no document.
//
// Layers follow the calls: clients, the gateway, the services it leads to, the services those call, and so on. Layers
// stand side by side ("across") or, on a narrow screen, one below the other ("down"). A layer that would be too long
// is broken into several columns or rows. Boxes never overlap; the order within a layer keeps crossings few.

export const CLIENTS = "clients";
export const GATEWAY = "gateway";

/** Space between boxes of a layer, and the least between layers: room for a line and its number. */
const GAP = 18;
const LANE = 66;
const LANE_DOWN = 46;

/** Boxes are made narrower before layers are made fewer, and the picture higher only when neither helps. */
const WIDTHS = [218, 196, 174, 154];
const DEEPEST = [7, 5, 4];
const HEIGHTS = [1, 1.5, 2];

/** How far each node is from the clients. Calls that go round in a circle do not push anybody further. */
export function depths(ids, edges, deepest = DEEPEST[0]) {
  const callers = new Map(ids.map((id) => [id, []]));
  for (const { from, to } of edges) if (from !== to && callers.has(from) && callers.has(to)) callers.get(to).push(from);
  for (const list of callers.values()) list.sort();
  const known = new Map([[CLIENTS, 0], [GATEWAY, 1]]);
  const underway = new Set();
  const depth = (id) => {
    if (known.has(id)) return known.get(id);
    if (underway.has(id)) return 1;
    underway.add(id);
    const furthest = Math.max(1, ...callers.get(id).filter((caller) => caller !== CLIENTS).map(depth));
    underway.delete(id);
    known.set(id, furthest + 1);
    return known.get(id);
  };
  for (const id of [...ids].sort()) depth(id);
  for (const [id, far] of known) known.set(id, Math.min(far, deepest));
  return known;
}

/** Ids of each layer, ordered so that lines cross little. */
export function layers(ids, edges, deepest) {
  const depth = depths(ids, edges, deepest);
  const rows = [];
  for (const id of [...ids].sort()) (rows[depth.get(id)] ??= []).push(id);
  const filled = rows.filter(Boolean);
  const place = new Map();
  const settle = (row) => row.forEach((id, at) => place.set(id, (at + 0.5) / row.length));
  filled.forEach(settle);
  const sort = (row, pick) => {
    const weight = new Map(row.map((id) => {
      const near = edges.map((edge) => pick(edge, id)).filter((other) => other !== null && place.has(other));
      return [id, near.length > 0 ? near.reduce((sum, other) => sum + place.get(other), 0) / near.length : place.get(id)];
    }));
    row.sort((a, b) => weight.get(a) - weight.get(b) || (a < b ? -1 : 1));
    settle(row);
  };
  for (let sweep = 0; sweep < 2; sweep += 1) {
    filled.forEach((row) => sort(row, (edge, id) => (edge.to === id && edge.from !== id ? edge.from : null)));
    [...filled].reverse().forEach((row) => sort(row, (edge, id) => (edge.from === id && edge.to !== id ? edge.to : null)));
  }
  return filled;
}

/** Breaks a layer into columns of about the same height, none higher than `most` unless one box is. */
function columns(row, size, most) {
  const total = row.reduce((sum, id) => sum + size(id).height + GAP, -GAP);
  const goal = total / Math.max(1, Math.ceil(total / most));
  const all = [[]];
  let height = 0;
  for (const id of row) {
    const own = size(id).height;
    const column = all.at(-1);
    if (column.length > 0 && (height + own / 2 > goal || height + own > most)) {
      all.push([id]);
      height = own + GAP;
    } else {
      column.push(id);
      height += own + GAP;
    }
  }
  return all;
}

/**
 * Places everything.
 * `size(id, width)` gives `{ width, height }` of a box that may be up to `width` wide.
 * Gives `{ width, height, isDown, boxes: Map(id -> { x, y, width, height }) }`.
 */
export function arrange({ ids, edges, width, height, size }) {
  const seen = new Set();
  for (const share of HEIGHTS) {
    for (const deepest of DEEPEST) {
      const rows = layers(ids, edges, deepest);
      if (seen.has(`${share} ${rows.length}`)) continue;
      seen.add(`${share} ${rows.length}`);
      const layout = across(rows, width, height, share, size);
      if (layout) return layout;
    }
  }
  return down(layers(ids, edges), width, size);
}

function across(rows, width, height, share, size) {
  for (const boxWidth of WIDTHS) {
    const all = rows.flatMap((row) => columns(row, (id) => size(id, boxWidth), height * share));
    const widths = all.map((column) => Math.max(...column.map((id) => size(id, boxWidth).width)));
    const lane = (width - widths.reduce((sum, one) => sum + one, 0)) / Math.max(1, all.length - 1);
    if (lane >= LANE) return stand(all, widths, Math.min(lane, 220), width, height, (id) => size(id, boxWidth));
  }
  return null;
}

function stand(all, widths, lane, width, least, size) {
  const heights = all.map((column) => column.reduce((sum, id) => sum + size(id).height + GAP, -GAP));
  const tallest = Math.max(...heights);
  const total = Math.max(tallest, Math.min(least, tallest + 130));
  const used = widths.reduce((sum, one) => sum + one, 0) + lane * (all.length - 1);
  const boxes = new Map();
  let x = (width - used) / 2;
  all.forEach((column, at) => {
    // Few boxes breathe; many stand close.
    const spare = total - heights[at];
    const gap = column.length > 1 ? Math.min(GAP * 3.2, GAP + spare / column.length) : GAP;
    const own = heights[at] + (gap - GAP) * (column.length - 1);
    let y = (total - own) / 2;
    for (const id of column) {
      const box = size(id);
      boxes.set(id, { x: x + (widths[at] - box.width) / 2, y, width: box.width, height: box.height });
      y += box.height + gap;
    }
    x += widths[at] + lane;
  });
  return { width, height: total, isDown: false, boxes };
}

function down(rows, width, size) {
  const beside = Math.max(2, Math.floor((width + GAP) / (WIDTHS.at(-1) + GAP)));
  const boxWidth = Math.min(218, (width - GAP * (beside - 1)) / beside);
  const boxes = new Map();
  let y = 0;
  for (const row of rows) {
    for (let at = 0; at < row.length; at += beside) {
      const line = row.slice(at, at + beside).map((id) => ({ id, ...size(id, boxWidth) }));
      const used = line.reduce((sum, box) => sum + box.width + GAP, -GAP);
      let x = (width - used) / 2;
      for (const box of line) {
        boxes.set(box.id, { x, y, width: box.width, height: box.height });
        x += box.width + GAP;
      }
      y += Math.max(...line.map((box) => box.height)) + LANE_DOWN;
    }
  }
  return { width, height: y - LANE_DOWN, isDown: true, boxes };
}

/**
 * The lines between boxes: `{ edge, path, label: { x, y } }`. Each has its own place on both boxes, in the order of
 * what is at the other end.
 */
export function lines(layout, edges) {
  const { boxes, isDown } = layout;
  const middle = (box) => (isDown ? box.x + box.width / 2 : box.y + box.height / 2);
  const drawn = edges.filter(({ from, to }) => from !== to && boxes.has(from) && boxes.has(to));
  const ends = new Map();
  const attach = (id, side, edge, other) => {
    const list = ends.get(`${id} ${side}`) ?? [];
    list.push({ edge, at: middle(boxes.get(other)) });
    ends.set(`${id} ${side}`, list);
  };
  for (const edge of drawn) {
    attach(edge.from, "out", edge, edge.to);
    attach(edge.to, "in", edge, edge.from);
  }
  const slot = (id, side, edge) => {
    const list = ends.get(`${id} ${side}`);
    list.sort((a, b) => a.at - b.at);
    const box = boxes.get(id);
    const length = isDown ? box.width : box.height;
    const room = Math.min(22, (length - 20) / list.length);
    return length / 2 + (list.findIndex((one) => one.edge === edge) - (list.length - 1) / 2) * room;
  };
  return drawn.map((edge) => {
    const [from, to] = [boxes.get(edge.from), boxes.get(edge.to)];
    const [a, b] = [slot(edge.from, "out", edge), slot(edge.to, "in", edge)];
    return isDown ? lineDown(edge, from, to, a, b) : lineAcross(edge, from, to, a, b);
  });
}

const round = (n) => Math.round(n * 10) / 10;

function lineAcross(edge, from, to, a, b) {
  const [y1, y2] = [round(from.y + a), round(to.y + b)];
  const right = [round(from.x + from.width), round(to.x + to.width)];
  const left = [round(from.x), round(to.x)];
  if (left[1] >= right[0]) {
    const bend = Math.max(30, (left[1] - right[0]) * 0.45);
    const path = `M${right[0]} ${y1} C${round(right[0] + bend)} ${y1} ${round(left[1] - bend)} ${y2} ${left[1]} ${y2}`;
    return { edge, path, label: { x: left[1] - 12, y: y2 - 6, anchor: "end" } };
  }
  // Within a layer: out and in on the same side, like a bracket. Back to an earlier layer: the short way.
  const start = right[1] > left[0] ? right[0] : left[0];
  const turn = start === left[0] ? -30 : 34;
  const path = `M${start} ${y1} C${start + turn} ${y1} ${right[1] + 34} ${y2} ${right[1]} ${y2}`;
  return { edge, path, label: { x: right[1] + 8, y: y2 - 6, anchor: "start" } };
}

function lineDown(edge, from, to, a, b) {
  const [x1, y1, x2, y2] = [from.x + a, from.y + from.height, to.x + b, to.y].map(round);
  const bend = y2 < y1 + 20 ? 60 : Math.min(60, Math.max(18, (y2 - y1) * 0.5));
  const path = `M${x1} ${y1} C${x1} ${round(y1 + bend)} ${x2} ${round(y2 - bend)} ${x2} ${y2}`;
  return { edge, path, label: { x: x2 + 8, y: y2 - 9, anchor: "start" } };
}

/** The smallest even grid for `count` dots in a box of this width: `{ step, columns, rows }`. */
export function grid(count, width) {
  const step = count <= 8 ? 18 : count <= 24 ? 14 : count <= 60 ? 12 : count <= 160 ? 9 : 7;
  const columns = Math.max(1, Math.floor(width / step));
  return { step, columns, rows: Math.ceil(Math.max(1, count) / columns) };
}
