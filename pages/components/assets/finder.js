/** Finds a class or an item while typing, and shows the legend of keys: the two things that open over the card. */
import { call } from "./api.js";
import { button, el } from "./dom.js";
import { keyLabel } from "./keys.js";

const MOST_CLASSES = 30;
const PAUSE = 180;

export class Finder {
  /**
   * @param {{token: () => string, task: () => any, label: (position: number) => void, open: (card: any) => void,
   *   closed: () => void}} host
   */
  constructor(host) {
    this.host = host;
    this.input = el("input", {
      type: "search",
      placeholder: "A class to give, or words of an item to go to",
      "aria-label": "Find a class or an item",
      on: { input: () => this._search(), keydown: (event) => this._key(event) },
    });
    this.list = el("div", { class: "found", role: "listbox", "aria-label": "Found" });
    this.root = el(
      "div",
      { class: "over", hidden: true, data: { testid: "finder" } },
      el("div", { class: "sheet" }, this.input, this.list, el("p", { class: "quiet" }, "↑ ↓ choose · ⏎ take · Esc close")),
    );
    this._timer = 0;
    this._asked = 0;
    this._at = 0;
  }

  get isOpen() {
    return !this.root.hidden;
  }

  open() {
    this.root.hidden = false;
    this.input.value = "";
    this._search();
    this.input.focus();
  }

  close() {
    if (!this.isOpen) return;
    this.root.hidden = true;
    clearTimeout(this._timer);
    this._asked += 1;
    this.input.blur();
    this.host.closed();
  }

  /** @param {KeyboardEvent} event */
  _key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") this.close();
    else if (event.key === "Enter") /** @type {any} */ (this.list.children[this._at])?.click();
    else if (step) this._choose(this._at + step);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {number} at */
  _choose(at) {
    const options = [...this.list.children];
    if (!options.length) return;
    this._at = (at + options.length) % options.length;
    options.forEach((option, i) => option.setAttribute("aria-selected", String(i === this._at)));
    options[this._at].scrollIntoView({ block: "nearest" });
  }

  _search() {
    const words = this.input.value.trim().toLowerCase();
    const classes = rank(this.host.task().classes, words).slice(0, MOST_CLASSES);
    this.list.replaceChildren(...classes.map((info) => this._classOption(info)));
    this._choose(0);
    clearTimeout(this._timer);
    const asked = ++this._asked;
    if (words.length >= 2) this._timer = setTimeout(() => this._searchItems(words, asked), PAUSE);
  }

  /**
   * @param {string} words
   * @param {number} asked
   */
  async _searchItems(words, asked) {
    try {
      const query = `find?task=${this.host.task().id}&q=${encodeURIComponent(words)}`;
      const { cards } = await call(query, { token: this.host.token() });
      if (asked !== this._asked) return;
      this.list.append(...cards.map((card) => this._itemOption(card)));
      if (this.list.children.length) this._choose(this._at);
    } catch {
      // the save mark tells when the server is away
    }
  }

  /** @param {any} info */
  _classOption(info) {
    const take = () => {
      this.close();
      this.host.label(info.position);
    };
    const chip = el("i", { class: "chip" });
    chip.style.background = info.colour;
    const key = info.key ? el("kbd", {}, keyLabel(info.key)) : null;
    return button({ class: "option", role: "option", on: { click: take } }, chip, el("span", {}, info.name), key);
  }

  /** @param {any} card */
  _itemOption(card) {
    const take = () => {
      this.close();
      this.host.open(card);
    };
    const name = el("span", { class: "quiet" }, card.key);
    const text = card.text ? el("span", { class: "snippet" }, card.text.slice(0, 140)) : null;
    return button({ class: "option", role: "option", on: { click: take } }, "→ ", name, text);
  }
}

/**
 * Classes that contain the words, those that begin with them first.
 * @param {any[]} classes
 * @param {string} words
 */
function rank(classes, words) {
  const matching = classes.filter((info) => info.name.toLowerCase().includes(words));
  const starts = (info) => Number(!info.name.toLowerCase().startsWith(words));
  return matching.sort((one, other) => starts(one) - starts(other) || one.position - other.position);
}

/** What the answering keys do, by kind of task. @type {Record<string, (keys: any) => any[]>} */
const ANSWERS = {
  single: (keys) => [
    ["1 … 9 0", "give class 1 to 10"],
    ["⇧1 … ⇧0", "give class 11 to 20"],
    [keys.accept, "accept the suggestion (grid: the chosen ones, or all)"],
    [keys.reject, "reject: it is not the class it has, or else the suggested one; go on"],
  ],
  ordinal: (keys) => ANSWERS.single(keys),
  multiple: (keys) => [
    ["1 … 9", "mark a class, or take its mark away"],
    [keys.accept, "confirm what is marked (grid: accept the suggestions)"],
    ["0", "none of these (n where 0 is a class)"],
  ],
  numeric: (keys) => [
    ["0 … 9 . -", "type the number"],
    [keys.accept, "give what is typed; with nothing typed accept the suggestion"],
    ["Backspace", "take a digit back; with nothing typed undo"],
  ],
};

export class Legend {
  constructor() {
    this.rows = el("dl");
    this.root = el(
      "div",
      { class: "over", hidden: true, data: { testid: "legend" } },
      el("div", { class: "sheet" }, el("h3", {}, "Keys"), this.rows, el("p", { class: "quiet" }, "Esc or ? closes")),
    );
    this.root.addEventListener("click", () => this.close());
  }

  get isOpen() {
    return !this.root.hidden;
  }

  /**
   * @param {Record<string, string[]>} keys
   * @param {string} kind Of the task.
   */
  open(keys, kind) {
    const told = [
      ...ANSWERS[kind](keys),
      [keys.skip, "skip, set aside (grid: choose)"],
      [keys.flag, "flag for a second look"],
      [keys.undo, "undo, and go back to it"],
      [keys.redo, "do again"],
      [[...keys.back, ...keys.on], "look at what was done; a class key changes it"],
      [keys.grid, "grid of many, and back"],
      [keys.share, "give the last answer to its near-duplicates too"],
      [keys.task, "the next task of the project"],
      [keys.find, "find a class or an item"],
      [[...keys.pageUp, ...keys.pageDown], "scroll a long text"],
    ];
    const row = ([names, what]) => [
      el("dt", {}, ...[names].flat().map((name) => el("kbd", {}, keyLabel(name)))),
      el("dd", {}, what),
    ];
    this.rows.replaceChildren(...told.flatMap(row));
    this.root.hidden = false;
  }

  close() {
    this.root.hidden = true;
  }
}
