/** Small helpers for building what is seen. Text always goes in as text. */

/**
 * An element with properties and children; strings become text nodes, never markup.
 * @param {string} tag
 * @param {Record<string, any>} [properties] `class`, `on` (listeners), `data` and ARIA go where they belong.
 * @param {...(Node | string | null)} children
 * @returns {any}
 */
export function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (name === "on") for (const [type, listener] of Object.entries(value)) node.addEventListener(type, listener);
    else if (name === "data") Object.assign(node.dataset, value);
    else if (name === "class") node.className = value;
    else if (name.includes("-") || name === "role") node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/**
 * A button that leaves the focus where it is when clicked, so that keys keep their meaning.
 * @param {Record<string, any>} properties
 * @param {...(Node | string | null)} children
 */
export function button(properties, ...children) {
  const node = el("button", { type: "button", ...properties }, ...children);
  node.addEventListener("mousedown", (event) => event.preventDefault());
  return node;
}

/**
 * A probability as people read it; never "100 %" for what is only nearly so, nor "0 %".
 * @param {number} p
 */
export function percent(p) {
  if (p > 0.99 && p < 1.0000001) return ">99 %";
  if (p < 0.01) return "<1 %";
  return `${Math.round(p * 100)} %`;
}

/**
 * A share with one decimal.
 * @param {number} p
 */
export function share(p) {
  return `${(p * 100).toFixed(1)} %`;
}

const thousands = new Intl.NumberFormat("en");

/** @param {number} n */
export function count(n) {
  return thousands.format(n);
}
