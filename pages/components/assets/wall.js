/**
 * Many samples to look through: a wall of tiles by class, or a table. Choose some, then one key for all of them.
 *
 * What is pressed shows at once and goes through the outbox; the page is told when it is stored.
 */
import { button, count, el } from "./dom.js";
import { Outbox } from "./journal.js";
import { keyLabel, listen, takeKeys } from "./keys.js";
import { ClassSearch, findClasses } from "./class_search.js";
import { Pictures } from "./sample.js";
import { header, row, tile } from "./wall_view.js";

const TELL_AFTER = 1200;
const MOST_BUTTONS = 10;
/** Kinds of task with one class an item, which can be rejected. */
const CHOICE = ["single", "ordinal"];

/** Answers that are the same have the same one: of several classes the set counts, not its order. @param {any} said */
const groupOf = (said) => {
  const value = said?.value ?? null;
  return JSON.stringify(Array.isArray(value) ? [...value].sort((one, other) => one - other) : value);
};

/** Whether two answers are the same, of any kind. */
const agree = (one, other) => JSON.stringify(one?.value) === JSON.stringify(other?.value);

/** What can be undone, newest last, by project and task; outlives the component. @type {Map<string, any[]>} */
const histories = new Map();

class Wall {
  /** @param {HTMLElement} root */
  constructor(root, data, tell) {
    this.root = root;
    this.tell = tell;
    this.stop = new AbortController();
    this.pictures = new Pictures();
    /** @type {import("./wall_view.js").Cell[]} */
    this.cells = [];
    /** @type {Set<import("./wall_view.js").Cell>} */
    this.chosen = new Set();
    /** What was changed here and is not yet in what the page sends. @type {Map<number, any>} */
    this.patches = new Map();
    this.at = 0;
    this._build();
    listen((name) => this._bound(name), this.stop.signal);
    this.update(data);
    takeKeys(this.grid);
  }

  get history() {
    const key = `${this.data.project}:${this.data.task.id}`;
    if (!histories.has(key)) histories.set(key, []);
    return histories.get(key);
  }

  get _numeric() {
    return this.data.task.kind === "numeric";
  }

  _build() {
    this.state = el("span", { class: "quiet", data: { testid: "wall-chosen" } });
    this.save = el("span", { class: "save quiet", role: "status", data: { testid: "wall-saved" } });
    this.said = el("span", { class: "quiet", role: "status", "aria-live": "polite", data: { testid: "wall-said" } });
    this.choices = el("div", { class: "choices", role: "group", "aria-label": "Label as" });
    this.search = new ClassSearch({
      find: (words) => findClasses(this.data, words),
      offer: (one) => this._classButton(one),
      failed: (words) => this._say(words),
    });
    const verb = (words, key, act, title) =>
      button({ title, "aria-keyshortcuts": key, on: { click: act } }, words, " ", el("kbd", {}, keyLabel(key)));
    this.rejecting = verb("Reject", "x", () => this.reject(), "It is not this class");
    const verbs = el(
      "div",
      { class: "verbs" },
      verb("Accept ✨", "Enter", () => this.accept(), "Give what is suggested"),
      this.rejecting,
      verb("Flag", "f", () => this.flag(), "Mark for a second look, or take the mark off"),
      verb("Undo", "u", () => this.undo(), "Take the last action back"),
      verb("Choose", "Space", () => this.toggle(this.cells[this.at]), "Choose the item with the frame"),
      button({ title: "Choose all on this page", on: { click: () => this.all() } }, "All ", el("kbd", {}, "Ctrl A")),
    );
    this.bar = el("div", { class: "bar" }, this.choices, this.search.root, verbs, el("div", { class: "states" }, this.state, this.said, this.save));
    this.grid = el("div", {
      class: "grid",
      role: "grid",
      "aria-multiselectable": "true",
      "aria-label": "Items",
      tabIndex: 0,
      data: { testid: "wall-items" },
      on: { click: (event) => this._click(event), mousedown: (event) => event.shiftKey && event.preventDefault() },
    });
    this.root.replaceChildren(this.bar, this.grid);
  }

  /** New data from the page. */
  update(data) {
    const other = this.data && (this.data.project !== data.project || this.data.task.id !== data.task.id);
    this.data = data;
    this.pictures.token = data.token;
    if (other) this.patches.clear();
    const outbox = Outbox.of(data.project, data.token);
    if (outbox !== this.outbox) {
      this.outbox = outbox;
      outbox.subscribe((news) => this._stored(news), this.stop.signal);
    }
    if (!outbox.pending.length && data.version >= outbox.newest) this.patches.clear();
    this.choices.replaceChildren(...data.classes.slice(0, MOST_BUTTONS).map((one) => this._classButton(one)));
    this.search.show(data.task.classes > MOST_BUTTONS);
    this.bar.hidden = !data.cards.length;
    this.rejecting.hidden = !CHOICE.includes(data.task.kind);
    this._fill();
    this._states();
  }

  _fill() {
    const { cards, view } = this.data;
    const kept = new Set([...this.chosen].map((cell) => cell.card.item_id));
    const stamp = `${view}|${this.data.group}|${cards.map((card) => card.item_id).join()}`;
    const same = stamp === this.stamp;
    this.stamp = stamp;
    if (same) {
      // the same items: painted anew in place, so that nothing moves under the hand
      for (const [i, card] of cards.entries()) this._renew(this.byOrder[i], card);
      return;
    }
    const draw = view === "table" ? row : tile;
    this.byOrder = cards.map((card) => {
      const cell = draw(card, this.pictures);
      this._renew(cell, card);
      return cell;
    });
    this.chosen = new Set(this.byOrder.filter((cell) => kept.has(cell.card.item_id)));
    this.at = 0;
    const sections = view === "table" ? [header(this._numeric), ...this.byOrder.map((cell) => cell.root)] : this._sections();
    if (view === "table") this.cells = this.byOrder;
    this.grid.className = `grid ${view}`;
    this.grid.replaceChildren(...sections);
    for (const cell of this.chosen) cell.root.setAttribute("aria-selected", "true");
    this._focus(0, { scroll: false, keep: true });
  }

  /**
   * Tiles under the class, or the set of classes, that the machine or a person gives them; in one piece where
   * that is not wanted, and of numbers, which hardly ever are the same.
   */
  _sections() {
    const grouped = this.data.group && !this._numeric;
    const groups = new Map();
    for (const cell of this.byOrder) {
      const said = grouped ? (cell.card.label ?? cell.card.prediction) : null;
      const key = groupOf(said);
      if (!groups.has(key)) groups.set(key, { said, cells: [] });
      groups.get(key).cells.push(cell);
    }
    const ordered = [...groups.values()].sort((one, other) => other.cells.length - one.cells.length);
    this.cells = ordered.flatMap((group) => group.cells);
    return ordered.map(({ said, cells }) => {
      const chip = el("i", { class: "chip" });
      chip.style.background = said?.colour ?? "transparent";
      const title = el(
        "h4",
        { hidden: !grouped },
        chip,
        el("span", { class: "name" }, said?.name ?? "no suggestion"),
        el("span", { class: "quiet" }, count(cells.length)),
        button({ class: "link", "aria-label": `Choose all ${said?.name ?? ""} on this page`, on: { click: () => this.all(cells) } }, "choose"),
      );
      const name = grouped ? (said?.name ?? "no suggestion") : "Items";
      return el("section", { role: "rowgroup", "aria-label": name }, title, el("div", { class: "tiles" }, ...cells.map((cell) => cell.root)));
    });
  }

  _renew(cell, card) {
    const patch = this.patches.get(card.item_id);
    cell.card = { ...card, ...(patch ?? {}) };
    cell.changed = cell.changed || patch !== undefined;
    cell.paint();
  }

  // --- choosing ---

  toggle(cell, on = !this.chosen.has(cell)) {
    if (!cell) return;
    if (on) this.chosen.add(cell);
    else this.chosen.delete(cell);
    cell.root.setAttribute("aria-selected", String(on));
    this._states();
  }

  /** Chooses all of some cells, or none of them where all are chosen already. */
  all(cells = this.cells) {
    const on = !cells.every((cell) => this.chosen.has(cell));
    for (const cell of cells) this.toggle(cell, on);
  }

  clear() {
    for (const cell of [...this.chosen]) this.toggle(cell, false);
  }

  /** What an action is for: the chosen ones, or the one with the frame. */
  get _meant() {
    if (this.chosen.size) return this.cells.filter((cell) => this.chosen.has(cell));
    return this.cells[this.at] ? [this.cells[this.at]] : [];
  }

  _click(event) {
    const root = event.composedPath().find((node) => node.classList?.contains("cell"));
    const i = this.cells.findIndex((cell) => cell.root === root);
    if (i < 0) return;
    if (event.shiftKey) for (let k = Math.min(i, this.at); k <= Math.max(i, this.at); k++) this.toggle(this.cells[k], true);
    else this.toggle(this.cells[i]);
    this._focus(i, { scroll: false });
  }

  _focus(i, { scroll = true, keep = false } = {}) {
    if (!this.cells.length) return;
    this.cells[this.at]?.root.classList.remove("here");
    this.at = Math.max(0, Math.min(this.cells.length - 1, i));
    const { root } = this.cells[this.at];
    root.classList.add("here");
    for (const cell of this.cells) cell.root.tabIndex = -1;
    root.tabIndex = 0;
    if (!keep) root.focus({ preventScroll: true });
    if (scroll) root.scrollIntoView({ block: "nearest" });
  }

  /** Moves the frame to the nearest item in a direction. */
  _step(dx, dy) {
    if (dx || this.data.view === "table") return this._focus(this.at + (dx || dy));
    const here = this.cells[this.at].root.getBoundingClientRect();
    let best = -1;
    let nearest = Infinity;
    for (const [i, cell] of this.cells.entries()) {
      const box = cell.root.getBoundingClientRect();
      const down = dy * (box.top - here.top);
      if (down < here.height / 2) continue;
      const distance = down * 4 + Math.abs(box.left - here.left);
      if (distance < nearest) [best, nearest] = [i, distance];
    }
    if (best >= 0) this._focus(best);
  }

  // --- acting ---

  /** @param {{position: number, name: string, colour: string}} info */
  label(info) {
    const value = this.data.task.kind === "multiple" ? [info.position] : info.position;
    const one = { position: info.position, name: info.name, colour: info.colour, value };
    this._do("label", this._meant, { value }, () => ({ label: one, skipped: false }), `Labelled as ${info.name}`);
  }

  accept() {
    const meant = this._meant.filter(({ card }) => card.prediction && !card.audit && !agree(card.label, card.prediction));
    if (!meant.length) return this._say("Nothing to accept: audit items are never accepted for, and labels that agree stay as they are.");
    const values = meant.map(({ card }) => card.prediction.value);
    this._do("accept", meant, { values }, ({ card }) => ({ label: card.prediction, skipped: false }), "Accepted");
  }

  reject() {
    if (!CHOICE.includes(this.data.task.kind)) return this._say("Say what it is: there is no single class to reject.");
    const meant = this._meant.filter(({ card }) => card.label ?? card.prediction);
    if (!meant.length) return this._say("Nothing to reject.");
    const values = meant.map(({ card }) => (card.label ?? card.prediction).value);
    this._do("reject", meant, { values }, () => ({ label: null, source: null, prediction: null }), "Rejected");
  }

  flag() {
    const meant = this._meant;
    const on = !meant.every(({ card }) => card.flagged);
    this._do(on ? "flag" : "unflag", meant, {}, () => ({ flagged: on }), on ? "Flagged" : "Flag taken off");
  }

  /**
   * @param {string} verb
   * @param {import("./wall_view.js").Cell[]} meant
   * @param {Record<string, any>} more
   * @param {(cell: any) => Record<string, any>} after What changes on each card.
   * @param {string} words
   */
  _do(verb, meant, more, after, words) {
    if (!meant.length) return;
    const [{ card }] = meant;
    const sure = card.confidence === null ? [] : [card.confidence];
    const shown = meant.length === 1 && card.prediction ? [card.prediction.value, ...sure] : undefined;
    const event = { verb, task: this.data.task.id, items: meant.map((cell) => cell.card.item_id), shown, ...more };
    const before = meant.map((cell) => [cell.card.item_id, { ...cell.card }]);
    const batch = this.outbox.add(event);
    this.history.push({ batch, before });
    for (const cell of meant) {
      const patch = { ...after(cell) };
      if (patch.label) patch.source = meant.length === 1 ? "human" : "bulk";
      this._patch(cell, patch);
    }
    this._say(`${words}: ${count(meant.length)} item${meant.length === 1 ? "" : "s"}.`);
    const alone = !this.chosen.size;
    if (verb !== "flag" && verb !== "unflag") this.clear();
    if (alone) this._focus(this.at + 1);
    this._states();
  }

  undo() {
    const last = this.history.pop();
    if (!last) return this._say("Nothing to undo here.");
    this.outbox.add({ verb: "undo", undoes: last.batch });
    this._restore(last);
    this._say(`Undone: ${count(last.before.length)} item${last.before.length === 1 ? "" : "s"}.`);
    this._states();
  }

  /** Shows items as they were before an action. */
  _restore({ before }) {
    const held = new Map(before);
    for (const cell of this.cells) {
      const card = held.get(cell.card.item_id);
      if (card) this._patch(cell, card, false);
    }
  }

  /** What was not stored is not shown as done. */
  _refused({ seq, error }) {
    const i = this.history.findIndex(({ batch }) => batch === `${this.outbox.client}:${seq}`);
    if (i >= 0) this._restore(this.history.splice(i, 1)[0]);
    this._say(`Not stored: ${error}`);
  }

  _patch(cell, patch, changed = true) {
    this.patches.set(cell.card.item_id, { ...(this.patches.get(cell.card.item_id) ?? {}), ...patch });
    cell.card = { ...cell.card, ...patch };
    cell.changed = changed;
    cell.paint();
  }

  // --- what is said ---

  _say(words) {
    this.said.textContent = words;
  }

  _states() {
    const n = this.chosen.size;
    this.state.textContent = n ? `${count(n)} chosen` : "none chosen: keys act on the framed item";
    this.save.textContent = { saved: "saved", saving: "saving…", offline: `not saved: ${this.outbox.trouble}` }[this.outbox.state];
    this.save.dataset.state = this.outbox.state;
  }

  _stored({ stored, refused }) {
    this._states();
    for (const one of refused ?? []) this._refused(one);
    if (!stored || this.outbox.pending.length) return;
    clearTimeout(this._telling);
    this._telling = setTimeout(() => !this.stop.signal.aborted && this.tell("stored", this.outbox.newest), TELL_AFTER);
  }

  // --- keys and classes ---

  _bound(name) {
    if (["u", "Backspace", "Ctrl+Z"].includes(name)) return () => this.undo();
    if (!this.cells.length) return null;
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (moves[name]) return () => this._step(...moves[name]);
    if (name === "Space") return () => this.toggle(this.cells[this.at]);
    if (name === "Enter" || name === "a") return () => this.accept();
    if (name === "x") return () => this.reject();
    if (name === "f") return () => this.flag();
    if (name === "Ctrl+A") return () => this.all();
    if (name === "Escape") return this.chosen.size ? () => this.clear() : null;
    if (name === "/" && this.search.opens) return this.search.opens;
    const one = this.data.classes.find((info) => info.key === name);
    return one ? () => this.label(one) : null;
  }

  _classButton(one) {
    const chip = el("i", { class: "chip" });
    chip.style.background = one.colour;
    const key = one.key ? el("kbd", {}, keyLabel(one.key)) : null;
    const give = () => {
      this.label(one);
      this.search.clear();
    };
    return button({ class: "class", title: one.name, "aria-keyshortcuts": one.key, on: { click: give } }, chip, el("span", { class: "name" }, one.name), key);
  }

  end() {
    this.stop.abort();
    clearTimeout(this._telling);
  }
}

/** @type {WeakMap<HTMLElement, Wall>} */
const living = new WeakMap();

/** Mounts the wall, or hands it new data: Streamlit calls this again on every change. */
export default function mount({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".labelloom-wall");
  const held = living.get(root);
  if (held) {
    held.tell = setTriggerValue;
    held.update(data);
  } else living.set(root, new Wall(root, data, setTriggerValue));
  return () => {
    living.get(root)?.end();
    living.delete(root);
  };
}
