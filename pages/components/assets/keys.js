/**
 * Keys: what a press is called, and when it is none of our business.
 *
 * A key is named as people write it: `1`, `Shift+1`, `Enter`, `Space`, `Ctrl+Shift+Z`, `?`. Digits go by
 * their place on the keyboard, so that they work where the digit row needs Shift (AZERTY).
 */
import { watchLeaving } from "./leaving.js";

/** What each key does on the Label page, unless the project says otherwise. */
export const DEFAULT_KEYS = {
  accept: ["Enter", "a"],
  reject: ["x"],
  skip: ["Space"],
  flag: ["f"],
  undo: ["u", "Backspace", "Ctrl+Z"],
  redo: ["Ctrl+Shift+Z", "Ctrl+Y"],
  back: ["ArrowLeft"],
  on: ["ArrowRight"],
  grid: ["g"],
  task: ["t"],
  share: ["d"],
  find: ["/"],
  legend: ["?"],
  close: ["Escape"],
  pageDown: ["PageDown"],
  pageUp: ["PageUp"],
};

/** Keys that Streamlit itself listens to (rerun, clear caches); while labelling they do nothing. */
const STREAMLIT = new Set(["r", "c"]);

/**
 * The names a press may be bound under, the most telling first.
 * @param {KeyboardEvent} event
 * @returns {string[]}
 */
export function keyNames(event) {
  const control = event.ctrlKey || event.metaKey ? "Ctrl+" : "";
  const key = event.key === " " ? "Space" : event.key;
  const digit = /^(Digit|Numpad)([0-9])$/.exec(event.code ?? "");
  if (digit && !control) {
    const shifted = event.shiftKey && digit[1] === "Digit";
    return [`${shifted ? "Shift+" : ""}${digit[2]}`, key];
  }
  if (key.length === 1 && /[a-z]/i.test(key)) {
    if (control) return [`${control}${event.shiftKey ? "Shift+" : ""}${key.toUpperCase()}`];
    return event.shiftKey ? [`Shift+${key.toUpperCase()}`] : [key.toLowerCase()];
  }
  return [`${control}${key}`];
}

/**
 * Whether the press goes into a field or a control that needs its keys.
 * @param {KeyboardEvent} event
 */
export function isTyping(event) {
  const target = /** @type {HTMLElement} */ (event.composedPath()[0]);
  if (!target || !target.tagName) return false;
  if (target.isContentEditable || /^(TEXTAREA|SELECT)$/.test(target.tagName)) return true;
  if (target.tagName === "INPUT") return !/^(button|checkbox|radio|submit)$/.test(target.type);
  return /^(slider|combobox|listbox|option|textbox|menuitem|spinbutton)$/.test(target.getAttribute("role") ?? "");
}

/** Whether a dialog of the page (not one of ours) is open. */
export function dialogOpen() {
  return document.querySelector('[role="dialog"], [aria-modal="true"]') !== null;
}

/** Whether the focus was moved with Tab since the mouse was used last. */
let tabbed = false;
const notes = { capture: true, passive: true };
window.addEventListener("keydown", (event) => (tabbed ||= event.key === "Tab"), notes);
window.addEventListener("pointerdown", () => (tabbed = false), notes);

/**
 * Whether Enter or Space would press the control that has the focus.
 *
 * Only one that was reached with Tab: a click leaves the focus on a link of the side bar or on the button of
 * a menu, and whoever clicked there goes on with the keys of the page.
 * @param {KeyboardEvent} event
 */
export function pressesControl(event) {
  if (!tabbed || (event.key !== "Enter" && event.key !== " ")) return false;
  const target = /** @type {HTMLElement} */ (event.composedPath()[0]);
  return Boolean(target?.closest?.('button, a, summary, input, [role="button"], [role="tab"], [role="radio"]'));
}

/**
 * Gives the focus to what has just come onto the page, unless somebody types there or goes by Tab.
 *
 * The link that brought it keeps the focus, and so does a list from which a task or a project was chosen: the
 * keys would go into its search.
 * @param {HTMLElement} root
 */
export function takeKeys(root) {
  const holder = document.activeElement ?? document.body;
  const chosen = holder.getAttribute("role") === "combobox" && holder.getAttribute("aria-expanded") !== "true";
  const free = holder === document.body || holder.closest("a") !== null || chosen;
  const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(holder.tagName);
  if (dialogOpen() || !(free || (!tabbed && !typing))) return;
  if (!root.hasAttribute("tabindex")) {
    root.tabIndex = -1; // what is no control takes the focus only where told so, and shows no ring
    root.style.outline = "none";
  }
  root.focus({ preventScroll: true });
}

/**
 * Runs what a key is bound to, before anybody else sees the press; not while the page is being left.
 *
 * @param {(name: string) => (() => void) | null} lookup What a name is bound to. Asked for each name that
 *   a press may have, until one is bound.
 * @param {AbortSignal} signal Ends the listening.
 */
export function listen(lookup, signal) {
  const leaving = watchLeaving(signal);
  const press = (event) => {
    if (leaving()) return;
    if (event.altKey || event.isComposing || isTyping(event) || dialogOpen() || pressesControl(event)) return;
    const names = keyNames(event);
    let action = null;
    for (const name of names) action ??= lookup(name);
    if (!action && !STREAMLIT.has(names[0])) return;
    event.stopImmediatePropagation();
    if (!action) return;
    event.preventDefault();
    // A key that is held down repeats; only moving may.
    if (!event.repeat || names[0].startsWith("Arrow")) action();
  };
  window.addEventListener("keydown", press, { capture: true, signal });
}

/**
 * A key as it is written on a button.
 * @param {string} key
 */
export function keyLabel(key) {
  const short = { Enter: "⏎", Space: "␣", Backspace: "⌫", ArrowLeft: "←", ArrowRight: "→", Escape: "Esc" };
  return short[key] ?? key.replace("Ctrl+", "^").replace("Shift+", "⇧");
}
