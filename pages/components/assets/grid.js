/** Many samples at once: choose, then one key for all of them. Each stroke is one action, undone as one. */
import { rejectable, suggested } from "./answers.js";
import { count, el, percent } from "./dom.js";
import { WANTED } from "./questions.js";

export const SIZES = [24, 48, 100];
const THUMBNAIL = 256;

/** @typedef {import("./questions.js").Entry} Entry */
/** @typedef {{entry: Entry, root: any, tag: any, chip: any, name: any, sure: any}} Cell */

export class Grid {
  /**
   * @param {import("./questions.js").Questions} questions
   * @param {import("./sample.js").Pictures} pictures
   * @param {{info: (value: any) => any, say: (text: string) => void, painted: () => void}} host `info` gives an
   *   answer's name and colour.
   */
  constructor(questions, pictures, host) {
    this.questions = questions;
    this.pictures = pictures;
    this.host = host;
    this.size = SIZES[0];
    /** @type {Cell[]} */
    this.cells = [];
    /** @type {Set<Cell>} */
    this.chosen = new Set();
    this.at = 0;
    this._anchor = 0;
    this.root = el("div", {
      class: "grid",
      role: "listbox",
      "aria-multiselectable": "true",
      "aria-label": "Samples",
      data: { testid: "grid" },
      on: { click: (event) => this._click(event), mousedown: (event) => event.preventDefault() },
    });
    this.empty = el("p", { class: "empty" });
  }

  // --- the page ---------------------------------------------------------------------------

  /** @param {number} size */
  resize(size) {
    this.size = size;
    this.open();
  }

  /** Shows a page of the questions ahead. */
  open() {
    this.questions.want = Math.min(200, this.size + 40);
    this.cells = [];
    this.chosen.clear();
    this.at = 0;
    this.root.replaceChildren();
    this.fill();
    if (this.cells.length < this.size) this.questions.renew();
  }

  /** Lets the questions go where they like again. */
  close() {
    this.questions.want = WANTED;
    this.questions.pinned.clear();
  }

  /** Adds what is missing of the page; a page that is all answered gives way to the next. */
  fill() {
    if (this.cells.length && this.cells.every((cell) => cell.entry.given)) {
      this.cells = [];
      this.chosen.clear();
      this.at = 0;
      this.root.replaceChildren();
    }
    const here = new Set(this.cells.map((cell) => cell.entry));
    const open = this.questions.ahead.filter((entry) => !entry.card.audit && !here.has(entry));
    const added = open.slice(0, Math.max(0, this.size - this.cells.length)).map((entry) => this._cell(entry));
    this.cells.push(...added);
    this.root.append(...added.map((cell) => cell.root));
    this.questions.pinned = new Set(this.cells.map((cell) => cell.entry));
    this.empty.textContent = this.questions.exhausted ? "Nothing left to ask." : "Loading…";
    if (!this.cells.length) this.root.replaceChildren(this.empty);
    else this.empty.remove();
    this.paint();
  }

  /**
   * @param {Entry} entry
   * @returns {Cell}
   */
  _cell(entry) {
    const { card } = entry;
    const what = card.sha
      ? this.pictures.get(card, THUMBNAIL)
      : el("div", { class: "snippet" }, (card.text ?? "").slice(0, 320));
    const [chip, name, sure] = [el("i", { class: "chip" }), el("span", { class: "name" }), el("span", { class: "quiet" })];
    const tag = el("div", { class: "tag-line" }, chip, name, sure);
    const root = el("div", { class: "cell", role: "option", title: card.key }, what, tag);
    root.dataset.item = card.item_id;
    return { entry, root, tag, chip, name, sure };
  }

  paint() {
    this.cells.forEach((cell, i) => this._paintCell(cell, i));
    this.host.painted();
  }

  /**
   * @param {Cell} cell
   * @param {number} i
   */
  _paintCell(cell, i) {
    const { given, card, flagged } = cell.entry;
    const value = given ? given.value : suggested(card);
    const verb = given?.verb ?? "open";
    const info = value === null ? null : this.host.info(value);
    cell.root.className = `cell ${verb}${i === this.at ? " here" : ""}${flagged ? " flagged" : ""}`;
    cell.root.setAttribute("aria-selected", String(this.chosen.has(cell)));
    cell.chip.style.background = info?.colour ?? "transparent";
    const names = { open: info ? `✨ ${info.name}` : "no suggestion", reject: `not ${info?.name}`, skip: "skipped" };
    const text = names[verb] ?? `✓ ${info?.name}`;
    if (cell.name.textContent !== text) cell.name.textContent = text;
    const sure = given || !card.said || card.said.confidence === null ? "" : percent(card.said.confidence);
    if (cell.sure.textContent !== sure) cell.sure.textContent = sure;
  }

  /** A line on what is chosen. */
  get status() {
    const open = this.cells.filter((cell) => !cell.entry.given).length;
    return this.chosen.size ? `${count(this.chosen.size)} chosen of ${count(open)}` : `${count(open)} to answer`;
  }

  // --- choosing ---------------------------------------------------------------------------

  /**
   * Moves the mark; `rows` says whether a row up or down.
   * @param {1|-1} step
   * @param {boolean} rows
   */
  move(step, rows) {
    if (!this.cells.length) return;
    const top = this.cells[0].root.offsetTop;
    const perRow = rows ? Math.max(1, this.cells.filter((cell) => cell.root.offsetTop === top).length) : 1;
    const at = this.at + step * perRow;
    if (at < 0 || at >= this.cells.length) return;
    this._put(at);
    this.cells[at].root.scrollIntoView({ block: "nearest" });
  }

  /** @param {number} at */
  _put(at) {
    const before = this.at;
    this.at = at;
    for (const i of [before, at]) if (this.cells[i]) this._paintCell(this.cells[i], i);
  }

  toggle() {
    const cell = this.cells[this.at];
    if (cell) this._choose([cell], !this.chosen.has(cell));
  }

  chooseAll() {
    this._choose(this.cells, true);
  }

  chooseNone() {
    this._choose(this.cells, false);
  }

  /**
   * @param {Cell[]} cells
   * @param {boolean} wanted
   */
  _choose(cells, wanted) {
    for (const cell of cells) {
      if (wanted) this.chosen.add(cell);
      else this.chosen.delete(cell);
      cell.root.setAttribute("aria-selected", String(wanted));
    }
    this.host.painted();
  }

  /** @param {MouseEvent} event */
  _click(event) {
    const root = /** @type {Element} */ (event.target).closest(".cell");
    const at = this.cells.findIndex((cell) => cell.root === root);
    if (at < 0) return;
    const cell = this.cells[at];
    if (event.shiftKey) {
      const [from, to] = [Math.min(this._anchor, at), Math.max(this._anchor, at)];
      this._choose(this.cells.slice(from, to + 1), true);
    } else this._choose([cell], !this.chosen.has(cell));
    this._anchor = at;
    this._put(at);
  }

  // --- answering --------------------------------------------------------------------------

  /** The chosen ones, else the one under the mark. */
  _targets() {
    const cells = this.chosen.size ? this.cells.filter((cell) => this.chosen.has(cell)) : [this.cells[this.at]];
    return cells.filter(Boolean).map((cell) => cell.entry);
  }

  /** @param {number} position */
  label(position) {
    const entries = this._targets();
    this._answer("label", entries, entries.map(() => position));
  }

  /** Accepts the suggestions of the chosen ones, or of all that are shown and open. */
  accept() {
    const cells = this.chosen.size ? this.cells.filter((cell) => this.chosen.has(cell)) : this.cells;
    const entries = cells.map((cell) => cell.entry).filter((entry) => entry.card.said && !entry.given);
    if (!entries.length) this.host.say("No suggestions to accept here: give a class with its key.");
    this._answer("accept", entries, entries.map((entry) => suggested(entry.card)));
  }

  reject() {
    const entries = this._targets().filter((entry) => rejectable(entry) !== null);
    this._answer("reject", entries, entries.map(rejectable));
  }

  flag() {
    for (const entry of this._targets()) this.questions.flag(entry);
    this.paint();
  }

  /**
   * @param {"label"|"accept"|"reject"} verb
   * @param {Entry[]} entries
   * @param {any[]} values
   */
  _answer(verb, entries, values) {
    if (!entries.length) return;
    this.questions.answer(verb, entries, values);
    this.chosen.clear();
    const next = this.cells.findIndex((cell, i) => i > this.at && !cell.entry.given);
    if (next >= 0 && this.cells[this.at]?.entry.given) this.at = next;
    this.fill();
  }

  /** After an undo or a redo: what came back is shown, on this page or on a new one. */
  returned() {
    const here = new Set(this.cells.map((cell) => cell.entry));
    if (this.questions.ahead.slice(0, 1).some((entry) => !here.has(entry) && !entry.card.audit)) {
      this.cells = [];
      this.chosen.clear();
      this.at = 0;
      this.root.replaceChildren();
    }
    this.fill();
  }
}
