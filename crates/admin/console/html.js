// Building and updating the document. Text only ever becomes text: there is no way to hand in markup, so names that
// services and clients choose cannot become elements.
//
// `h` describes an element, `render` makes a parent's children what was described. Elements are kept when tag and key
// stay the same, so focus, selection and scroll survive live updates.

const SVG = "http://www.w3.org/2000/svg";

/** What an element was made from, and who listens. */
const made = new WeakMap();
const listeners = new WeakMap();

/**
 * Describes an element. Properties are attributes, except:
 * - `key`: tells siblings apart, also when they move
 * - `on`: `{ click: handler }`
 * - `style`: `{ "--name": "value" }`, set one by one (the page's policy refuses style attributes)
 * - `value`, `disabled`: set as properties; what a person typed stays until another value is described
 * - `mount(element)`: called once the element is in the document; gives a function to call when it leaves. The element's
 *   children then belong to whoever mounted it
 *
 * `null`, `undefined` and `false` children are left out.
 */
export function h(tag, props, ...children) {
  return { tag, props: props ?? {}, children: flat(children) };
}

function flat(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (typeof child === "object" ? child : String(child)));
}

/** Makes the children of `parent` what is described. */
export function render(parent, ...children) {
  const focused = document.activeElement;
  reconcile(parent, flat(children));
  // Moving an element in the document takes its focus away.
  if (focused && focused !== document.activeElement && focused !== document.body && document.contains(focused)) {
    focused.focus({ preventScroll: true });
  }
}

function identity(child, place) {
  if (typeof child === "string") return `text ${place}`;
  return child.props.key === undefined ? `${child.tag} ${place}` : `${child.tag}#${child.props.key}`;
}

function reconcile(parent, children) {
  const before = new Map();
  for (const node of parent.childNodes) before.set(made.get(node)?.identity ?? node, node);
  const places = new Map();
  const kept = new Set();
  const wanted = children.map((child) => {
    const tag = typeof child === "string" ? "text" : child.tag;
    const place = places.get(tag) ?? 0;
    places.set(tag, place + 1);
    let id = identity(child, place);
    while (kept.has(id)) id += "'";
    kept.add(id);
    return { child, id };
  });
  for (const [id, node] of before) if (!kept.has(id)) drop(node);
  let next = parent.firstChild;
  for (const { child, id } of wanted) {
    let node = before.get(id);
    if (node) {
      update(node, child);
      made.get(node).identity = id;
    } else {
      node = create(child, parent);
      made.get(node).identity = id;
    }
    if (node === next) next = next.nextSibling;
    else parent.insertBefore(node, next);
    if (!made.get(node).isMounted) mount(node, child);
  }
}

function create(child, parent) {
  if (typeof child === "string") {
    const node = document.createTextNode(child);
    made.set(node, { child, isMounted: true });
    return node;
  }
  const isSvg = child.tag === "svg" || (parent.namespaceURI === SVG && parent.localName !== "foreignObject");
  const node = isSvg ? document.createElementNS(SVG, child.tag) : document.createElement(child.tag);
  made.set(node, { child: { props: {} } });
  update(node, child);
  return node;
}

function update(node, child) {
  const memo = made.get(node);
  if (typeof child === "string") {
    if (node.data !== child) node.data = child;
    memo.child = child;
    return;
  }
  const [old, now] = [memo.child.props, child.props];
  for (const name in old) if (!(name in now)) set(node, name, null, old[name]);
  for (const name in now) if (now[name] !== old[name] || name === "on") set(node, name, now[name], old[name]);
  memo.child = child;
  if (!now.mount) reconcile(node, child.children);
  // A choice exists only once its options do.
  if (child.tag === "select" && now.value !== old.value) node.value = now.value;
}

function set(node, name, value, old) {
  switch (name) {
    case "key":
    case "mount":
      return;
    case "on":
      listen(node, value ?? {});
      return;
    case "style":
      for (const key in old ?? {}) if (!(key in (value ?? {}))) node.style.removeProperty(key);
      for (const key in value ?? {}) if (value[key] !== old?.[key]) node.style.setProperty(key, value[key]);
      return;
    case "value":
      if (node.localName === "option") {
        node.setAttribute("value", value);
        return;
      }
      // Writing what is there already would move the caret.
      if (node.value !== (value ?? "")) node.value = value ?? "";
      return;
    case "disabled":
      node.disabled = Boolean(value);
      return;
    default:
      if (value === null || value === undefined || value === false) node.removeAttribute(name);
      else node.setAttribute(name, value === true ? "" : String(value));
  }
}

function listen(node, on) {
  const known = listeners.get(node) ?? { types: new Set() };
  for (const type in on) {
    if (!known.types.has(type)) {
      known.types.add(type);
      node.addEventListener(type, dispatch);
    }
  }
  known.on = on;
  listeners.set(node, known);
}

function dispatch(event) {
  listeners.get(event.currentTarget)?.on[event.type]?.(event);
}

function mount(node, child) {
  const memo = made.get(node);
  memo.isMounted = true;
  if (typeof child !== "string" && child.props.mount) memo.leave = child.props.mount(node);
}

function drop(node) {
  leave(node);
  node.remove();
}

function leave(node) {
  for (const child of node.childNodes) leave(child);
  made.get(node)?.leave?.();
}
