/** Finds a class while its name is typed: the way to those that have no button of their own. */
import { call } from "./api.js";
import { el } from "./dom.js";

const MOST_FOUND = "12";

/**
 * Classes of a task whose names hold the words.
 * @param {{token: string, task: {id: number}}} data
 * @param {string} words
 */
export function findClasses({ token, task }, words) {
  return call(`classes?${new URLSearchParams({ task: String(task.id), find: words, limit: MOST_FOUND })}`, { token });
}

export class ClassSearch {
  /**
   * @param {{find: (words: string) => Promise<any>, offer: (one: any) => HTMLElement, failed: (words: string) => void,
   *   placeholder?: string}} host Who is asked, how a class is offered, where a failure is told.
   */
  constructor(host) {
    this.host = host;
    this.found = el("div", { class: "choices found", "aria-label": "Found classes" });
    this.input = el("input", {
      type: "search",
      placeholder: host.placeholder ?? "Another class…",
      "aria-label": "Find a class to give",
      on: { input: () => this._find(), keydown: (event) => this._key(event) },
    });
    this.root = el("div", { class: "other" }, this.input, this.found);
  }

  /** Shown where there are more classes than buttons. @param {boolean} wanted */
  show(wanted) {
    this.root.hidden = !wanted;
  }

  /** What the key that leads here does; null where nothing is to be found. */
  get opens() {
    return this.root.hidden ? null : () => this.input.focus();
  }

  clear() {
    this.input.value = "";
    this.found.replaceChildren();
  }

  async _find() {
    const words = this.input.value.trim();
    try {
      const answer = words ? await this.host.find(words) : { classes: [] };
      if (this.input.value.trim() !== words) return; // more was typed meanwhile
      this.found.replaceChildren(...answer.classes.map((one) => this.host.offer(one)));
    } catch {
      this.host.failed("The classes cannot be searched just now.");
    }
  }

  /** @param {KeyboardEvent} event */
  _key(event) {
    if (event.key === "Enter") this.found.querySelector("button")?.click();
    if (event.key === "Enter" || event.key === "Escape") this.input.blur();
  }
}
