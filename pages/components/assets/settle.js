/**
 * Cases to settle, one after the other: a doubtful label, a group of near-duplicates, an outlier.
 *
 * On the left what waits, on the right the case itself, and a key for every answer. What is pressed shows
 * at once, the next case stands there, and the answer goes through the outbox. The order stays as it is
 * while one works: newer lists add and take away, they do not shuffle. A set or a number of one's own is put
 * together first, on the pads of the Label page, and Enter gives it; with nothing changed Enter takes the
 * suggestion.
 */
import { same, words } from "./answers.js";
import { button, count, el, percent } from "./dom.js";
import { Outbox } from "./journal.js";
import { keyLabel, listen, takeKeys } from "./keys.js";
import { ClassSearch, findClasses } from "./class_search.js";
import { NumberPad } from "./number_pad.js";
import { Pictures, Sample } from "./sample.js";
import { SetPad } from "./set_pad.js";

const TELL_AFTER = 700;
const MOST_BUTTONS = 10;
const SET_LISTED = 40; // classes of a set that the pad lists, all of them
const THUMBNAIL = 128;
const MEMBER = 256;
/** What an answer is called, by the kind of task. */
const ANSWERS = { multiple: "a set", numeric: "a number" };
const SOURCES = { human: "by a person", bulk: "by a person, with others", imported: "imported", pseudo: "by a model" };

/**
 * @typedef {{verb: string, words: string, batches: string[]}} Given
 * @typedef {number | number[]} Value Of one choice a position, of several positions, or a number.
 * @typedef {{id: string, suggestion: any, confidence: number | null, why: string, proba: [number, number][],
 *   low: number | null, high: number | null, range: string | null, usual: boolean,
 *   members: {item_id: number, label: Value | null, audit: boolean}[], items: any[]}} Case
 * @typedef {{case: Case, given: Given | null, flagged: boolean, draft?: any}} Entry `draft`: for the pad.
 */

/** What was settled in this page load, by project, task and list; outlives the component. @type {Map<string, Entry[]>} */
const settled = new Map();

class Settle {
  /** @param {HTMLElement} root */
  constructor(root, data, tell) {
    this.root = root;
    this.tell = tell;
    this.stop = new AbortController();
    this.pictures = new Pictures();
    this.sample = new Sample(this.pictures);
    /** @type {Entry[]} */
    this.entries = [];
    /** @type {Entry | null} */
    this.current = null;
    /** @type {WeakMap<Entry, any>} */
    this.rows = new WeakMap();
    this._build();
    listen((name) => this._bound(name), this.stop.signal);
    this.update(data);
    takeKeys(this.root);
  }

  get about() {
    return `${this.data.project}\n${this.data.task.id}\n${this.data.list}`;
  }

  /** Entries settled here, oldest first. */
  get done() {
    if (!settled.has(this.about)) settled.set(this.about, []);
    return settled.get(this.about);
  }

  // --- building ---------------------------------------------------------------------------

  _build() {
    this.head = el("p", { class: "head", data: { testid: "settle-count" } });
    this.list = el("div", { class: "list", role: "listbox", "aria-label": "Cases", data: { testid: "settle-list" }, on: { click: (event) => this._click(event) } });
    this.stage = el("div", { class: "stage", data: { testid: "settle-stage" } });
    this.given = el("div", { class: "fact" });
    this.said = el("div", { class: "fact" });
    this.why = el("p", { class: "why", data: { testid: "settle-why" } });
    this.choices = el("div", { class: "choices", role: "group", "aria-label": "Classes" });
    this.search = new ClassSearch({
      find: (words) => findClasses(this.data, words),
      offer: (one) => this._classButton(one, true),
      failed: (words) => this._say(words),
    });
    // what is marked or typed there changes what Enter does
    this.padPlace = el("div", { class: "pad-place", on: { click: () => this._paintTools(), input: () => this._paintTools() } });
    this.tools = el("div", { class: "tools" });
    this.save = el("span", { class: "save quiet", role: "status", data: { testid: "settle-saved" } });
    this.told = el("span", { class: "told", role: "status", "aria-live": "polite", data: { testid: "settle-told" } });
    this._buildTools();
    const side = el("div", { class: "side" }, this.head, this.list);
    const facts = el("div", { class: "facts" }, this.given, this.said);
    this.body = el("div", { class: "body" }, facts, this.why, this.stage, this.choices, this.padPlace, this.search.root, this.tools);
    this.foot = el("div", { class: "foot" }, this.told, this.save);
    this.empty = el("div", { class: "empty", data: { testid: "settle-empty" } });
    this.root.replaceChildren(side, el("div", { class: "desk" }, this.body, this.empty, this.foot));
  }

  _buildTools() {
    const tool = (name, words, key, act, title) => {
      this[`_${name}`] = button(
        { class: "tool", title, "aria-keyshortcuts": key, "aria-label": words, data: { testid: `settle-${name}` }, on: { click: act } },
        el("kbd", {}, keyLabel(key)),
        el("span", {}, words),
      );
      return this[`_${name}`];
    };
    this.tools.replaceChildren(
      tool("keepTool", "Keep", "k", () => this.keep(), "The label is right: it is not doubted again"),
      tool("acceptTool", "Take ✨", "Enter", () => this.enter(), "Give what is suggested"),
      tool("skipTool", "Skip", "Space", () => this.skip(), "Set the case aside"),
      tool("flagTool", "Flag", "f", () => this.flag(), "Mark for a second look, or take the mark off"),
      tool("undoTool", "Undo", "u", () => this.undo(), "Take the last answer back"),
    );
  }

  // --- data -------------------------------------------------------------------------------

  /** New data from the page. */
  update(data) {
    const other = this.data && this.about !== `${data.project}\n${data.task.id}\n${data.list}`;
    this.data = data;
    this.pictures.token = data.token;
    if (other) {
      this.entries = [];
      this.current = null;
    }
    const outbox = Outbox.of(data.project, data.token);
    if (outbox !== this.outbox) {
      this.outbox = outbox;
      outbox.subscribe((news) => this._stored(news), this.stop.signal);
    }
    this._usePad(data.task);
    this._merge(data.cases);
    const listed = this.pad ? [] : data.classes.slice(0, MOST_BUTTONS);
    this.choices.replaceChildren(...listed.map((one) => this._classButton(one)));
    this.choices.hidden = !listed.length;
    this.search.show(data.count > (this.pad ? SET_LISTED : MOST_BUTTONS));
    this.root.dataset.list = data.list;
    this.paint();
  }

  /** Sets and numbers are put together on a pad, one class has a button. */
  _usePad(task) {
    const host = {
      answer: (verb, value) => this._give(value, verb),
      entry: () => this.current && this._draft(this.current),
      scale: () => this.data.scale,
      blank: () => this.accept(),
    };
    if (this._padOf !== task.kind) this.pad = task.kind === "multiple" ? new SetPad(host) : task.kind === "numeric" ? new NumberPad(host) : null;
    this._padOf = task.kind;
    this.padPlace.replaceChildren(...(this.pad ? [this.pad.root] : []));
    this.padPlace.hidden = !this.pad;
    this.pad?.use(task);
  }

  /** What the pad shows of a case, and what is marked or typed there. @param {Entry} entry */
  _draft(entry) {
    const { members, suggestion, confidence, low, high, usual, proba } = entry.case;
    const labels = distinct(members);
    const said = suggestion && { value: suggestion.value, confidence, low, high, usual };
    entry.draft ??= { card: { label: labels.length === 1 ? labels[0] : null, said, proba, audit: false }, given: null, marks: null, typed: "" };
    return entry.draft;
  }

  /** Whether a set or a number of one's own has been begun. */
  get _drafting() {
    const draft = this.current?.draft;
    return Boolean(this.pad && draft && (draft.marks || draft.typed.trim()));
  }

  /** Keeps the order that is on the screen; what is settled here stays, what the list no longer has goes. */
  _merge(cases) {
    const over = new Set(this.done.map((entry) => entry.case.id));
    const fresh = new Map(cases.filter((one) => !over.has(one.id)).map((one) => [one.id, one]));
    const kept = this.entries.filter((entry) => !entry.given && (fresh.has(entry.case.id) || entry === this.current));
    for (const entry of kept) {
      const newer = fresh.get(entry.case.id);
      if (!newer) continue;
      // what stands before one's eyes does not change under the hand
      if (entry !== this.current && !this._begun(entry)) Object.assign(entry, { case: newer, draft: undefined });
      fresh.delete(entry.case.id);
    }
    const added = [...fresh.values()].map((one) => ({ case: one, given: null, flagged: one.items.some((card) => card.flagged) }));
    this.entries = [...this.done, ...kept, ...added];
    if (!this.current || !this.entries.includes(this.current)) this.current = this._open[0] ?? null;
  }

  _begun({ draft }) {
    return Boolean(draft && (draft.marks || draft.typed));
  }

  get _open() {
    return this.entries.filter((entry) => !entry.given);
  }

  // --- moving -----------------------------------------------------------------------------

  /** @param {1|-1} step */
  move(step) {
    const at = this.entries.indexOf(this.current);
    const next = this.entries[at + step];
    if (next) this._go(next);
  }

  _go(entry) {
    this.current = entry;
    this.paint();
  }

  _click(event) {
    const root = event.composedPath().find((node) => node.classList?.contains("row"));
    const entry = this.entries.find((one) => this.rows.get(one) === root);
    if (entry) this._go(entry);
  }

  /** The case after the current one that is not settled, or the first that is not. */
  _next() {
    const at = this.entries.indexOf(this.current);
    const open = this.entries.slice(at + 1).find((entry) => !entry.given) ?? this._open[0] ?? null;
    this.current = open ?? this.current;
  }

  // --- answering --------------------------------------------------------------------------

  /** The labels are right as they are: each is given again, by a person who has looked. */
  keep() {
    const { members } = this.current?.case ?? { members: [] };
    const labelled = members.filter(({ label }) => label !== null);
    if (!labelled.length) return this._say(`There is no label to keep: give ${this._what}, or skip.`);
    const events = labelled.map(({ item_id, label }) => ({ verb: "label", items: [item_id], value: label }));
    const told = labelled.length === 1 ? `kept ${this._info(labelled[0].label).name}` : "kept apart";
    this._settle("keep", told, events);
  }

  /** Gives what was put together on the pad; with nothing begun there, what is suggested. */
  enter() {
    if (this._drafting) this.pad.confirm();
    else this.accept();
  }

  accept() {
    const { suggestion } = this.current?.case ?? {};
    if (!suggestion) return this._say(`There is no suggestion to take: give ${this._what}.`);
    this._give(suggestion.value, "accept");
  }

  /** A class key or button: of one choice the answer, of several a mark. @param {{position: number, name: string}} info */
  label({ position, name }) {
    if (!this.current) return;
    if (!(this.pad instanceof SetPad)) return this._give(position, "label", name);
    this.pad.toggle(position);
    this._paintTools();
  }

  /**
   * One answer for all that have another one or none; audit answers stay what they are.
   * @param {Value} value
   * @param {"label" | "accept"} verb
   * @param {string} [name] What it is called.
   */
  _give(value, verb, name = this._info(value).name) {
    const entry = this.current;
    const { members } = entry.case;
    const open = members.filter(({ label, audit }) => !same(label, value) && !(audit && label !== null));
    if (members.length === 1 && !open.length) return same(members[0].label, value) ? this.keep() : this._say("An audit answer stays what it is.");
    if (!open.length) return this._say("All of them have this label, or are audit answers.");
    const items = open.map(({ item_id }) => item_id);
    this._settle(verb, open.length > 1 ? `${name} for ${count(open.length)}` : name, [
      { verb: open.length > 1 ? "label" : verb, items, value },
    ]);
    if (entry.draft) entry.draft.given = { verb, value };
  }

  /** What is marked or typed is forgotten. */
  _drop(entry) {
    if (entry.draft) Object.assign(entry.draft, { given: null, marks: null, typed: "" });
  }

  get _what() {
    return ANSWERS[this.data.task.kind] ?? "a class";
  }

  skip() {
    const members = this.current?.case.members;
    if (!members) return;
    const labelled = members.filter(({ label }) => label !== null);
    const aside = labelled.length ? labelled : members;
    this._settle("skip", "skipped", [{ verb: "skip", items: aside.map(({ item_id }) => item_id) }]);
  }

  flag() {
    const entry = this.current;
    if (!entry) return;
    entry.flagged = !entry.flagged;
    this.outbox.add({ verb: entry.flagged ? "flag" : "unflag", task: this.data.task.id, items: entry.case.members.map(({ item_id }) => item_id) });
    this._say(entry.flagged ? "Flagged for a second look." : "The flag is off.");
    this.paint();
  }

  /** What the machine showed, as the store keeps it. @param {Case} one */
  _shown({ suggestion, confidence, low, high }) {
    if (!suggestion) return undefined;
    if (this.data.task.kind === "numeric") return [suggestion.value, low, high].filter((part) => part !== null);
    return confidence === null ? undefined : [suggestion.value, confidence];
  }

  /**
   * @param {string} verb
   * @param {string} told
   * @param {any[]} events
   */
  _settle(verb, told, events) {
    const entry = this.current;
    if (!entry) return;
    if (entry.given) this._takeBack(entry);
    this._drop(entry);
    const shown = this._shown(entry.case);
    const batches = events.map((event) => this.outbox.add({ task: this.data.task.id, ...(event.items.length === 1 ? { shown } : {}), ...event }));
    entry.given = { verb, words: told, batches };
    this.done.push(entry);
    this._say(`${told[0].toUpperCase()}${told.slice(1)}.`);
    this._next();
    this.paint();
  }

  undo() {
    const entry = this.done.at(-1);
    if (!entry) return this._say("There is nothing to undo here.");
    this._takeBack(entry);
    this.current = entry;
    this._say("Taken back.");
    this.paint();
  }

  /** @param {Entry} entry */
  _takeBack(entry) {
    for (const batch of entry.given.batches.toReversed()) this.outbox.add({ verb: "undo", undoes: batch });
    entry.given = null;
    this._drop(entry);
    this.done.splice(this.done.indexOf(entry), 1);
  }

  // --- painting ---------------------------------------------------------------------------

  paint() {
    const open = this._open.length;
    const beyond = Math.max(0, this.data.total - this.data.cases.length);
    const settledHere = this.done.length ? ` · ${count(this.done.length)} settled here` : "";
    this.head.textContent = `${count(open + beyond)} open${settledHere}`;
    this._paintList();
    const entry = this.current;
    const over = !entry || (!open && Boolean(entry.given));
    this.body.hidden = over;
    this.empty.hidden = !over;
    this.empty.textContent = this.done.length ? this.data.finished : this.data.empty;
    this.root.dataset.item = over ? "" : String(entry.case.items[0].item_id);
    this.root.dataset.open = String(open);
    this.root.classList.toggle("bare", !this.entries.length);
    if (!over) this._paintCase(entry);
    this._undoTool.disabled = !this.done.length;
    this._states();
  }

  _paintList() {
    const rows = this.entries.map((entry) => this._row(entry));
    const same = rows.length === this.list.children.length && rows.every((row, i) => row === this.list.children[i]);
    if (!same) this.list.replaceChildren(...rows);
    const here = this.current && this.rows.get(this.current);
    if (here && here !== this._shownRow) here.scrollIntoView({ block: "nearest" });
    this._shownRow = here;
  }

  /** @param {Entry} entry */
  _row(entry) {
    const [card] = entry.case.items;
    let root = this.rows.get(entry);
    if (!root) {
      const what = card.sha ? this.pictures.get(card, THUMBNAIL).cloneNode() : null;
      if (what) pixelated(what);
      const text = el("span", { class: "excerpt" }, card.text ? card.text.slice(0, 160) : card.key);
      root = el("div", { class: "row", role: "option", data: { case: entry.case.id } }, what, el("div", { class: "words" }, el("span", { class: "verdict" }), text));
      this.rows.set(entry, root);
    }
    root.classList.toggle("here", entry === this.current);
    root.classList.toggle("done", Boolean(entry.given));
    root.setAttribute("aria-selected", String(entry === this.current));
    root.querySelector(".verdict").replaceChildren(...this._verdict(entry));
    return root;
  }

  /** @param {Entry} entry */
  _verdict(entry) {
    if (entry.given) return [el("b", {}, `✓ ${entry.given.words}`)];
    const { suggestion, members } = entry.case;
    const labels = distinct(members);
    const parts = labels.slice(0, 2).flatMap((label, i) => [i ? " / " : null, ...this._chips(label), this._info(label).name]);
    if (members.length > 1) parts.unshift(`${count(members.length)} × `);
    const all = labels.length === 1 && same(labels[0], suggestion?.value);
    if (suggestion && !all) parts.push(labels.length ? " → " : null, "✨ ", ...this._chips(suggestion.value), suggestion.name);
    if (entry.flagged) parts.push(" ⚑");
    return parts.filter((part) => part !== null);
  }

  /** @param {Entry} entry */
  _paintCase(entry) {
    const { suggestion, confidence, range, why, members, items } = entry.case;
    const single = members.length === 1;
    if (single) this.sample.paint(items[0]);
    else if (this._members !== entry.case) this.stage.replaceChildren(el("div", { class: "members" }, ...items.map((card) => this._card(card)), this._more(entry.case)));
    if (single && this.sample.root.parentNode !== this.stage) this.stage.replaceChildren(this.sample.root);
    this._members = single ? null : entry.case;
    this.stage.classList.toggle("many", !single);
    this.why.textContent = entry.given ? `Settled: ${entry.given.words}. Another key changes it.` : why;
    const { label, source, annotator } = items[0];
    const by = [SOURCES[source] ?? "", annotator ? `(${annotator})` : ""].filter(Boolean).join(" ");
    this.given.hidden = !single;
    this.given.replaceChildren(el("span", { class: "quiet" }, "Given "), ...(label ? [...this._chips(label.value), el("b", {}, label.name), el("span", { class: "quiet" }, by)] : [el("span", {}, "no label")]));
    this.said.hidden = !suggestion;
    const sure = confidence === null ? (range ?? "") : percent(confidence);
    if (suggestion) this.said.replaceChildren(el("span", { class: "quiet" }, single ? "Machine ✨" : "All of them ✨"), ...this._chips(suggestion.value), el("b", {}, suggestion.name), el("span", { class: "quiet" }, sure));
    this._keepTool.disabled = !members.some((member) => member.label !== null);
    this._keepTool.lastChild.textContent = single ? "Keep" : "Keep apart";
    this.pad?.paint(this._draft(entry));
    this._paintTools();
    this._flagTool.setAttribute("aria-pressed", String(entry.flagged));
    for (const node of this.choices.children) {
      const position = Number(node.dataset.position);
      node.classList.toggle("given", single && label?.position === position);
      node.classList.toggle("suggested", suggestion?.position === position);
    }
    const soon = this._open.slice(0, 12).flatMap((one) => (one.case.members.length === 1 ? one.case.items : []));
    this.pictures.preload(soon, 1024);
  }

  /** What Enter does now stands on its button. */
  _paintTools() {
    if (!this.current) return;
    const { suggestion } = this.current.case;
    const own = this._drafting;
    this._acceptTool.disabled = !own && !suggestion;
    const told = own ? `Give ${this._begunWords}` : "Take ✨";
    this._acceptTool.lastChild.textContent = told;
    this._acceptTool.setAttribute("aria-label", told);
    this._acceptTool.title = own ? "Give what was put together here" : `Give ${this._what} as suggested`;
    this._acceptTool.classList.toggle("own", own);
  }

  get _begunWords() {
    const { marks, typed } = this.current.draft;
    return marks ? this._info([...marks].sort((one, other) => one - other)).name : typed.trim();
  }

  /** One of a group. */
  _card(card) {
    const content = card.sha ? this.pictures.get(card, MEMBER).cloneNode() : el("p", { class: "text" }, card.text ?? card.key);
    if (card.sha) pixelated(content);
    const label = card.label ? [...this._chips(card.label.value), el("b", { class: "name" }, card.label.name)] : [el("span", { class: "quiet" }, "no label")];
    const by = [SOURCES[card.source] ?? "", card.audit && card.label ? "audit" : ""].filter(Boolean).join(" · ");
    return el("div", { class: "member", title: card.key }, content, el("div", { class: "fact" }, ...label, el("span", { class: "quiet" }, by)));
  }

  /** @param {Case} one */
  _more(one) {
    const rest = one.members.length - one.items.length;
    return rest > 0 ? el("p", { class: "quiet" }, `and ${count(rest)} more`) : el("span", { hidden: true });
  }

  /** How an answer is called, and the colour of a class. @param {Value} value */
  _info(value) {
    const { task, classes } = this.data;
    if (task.kind === "numeric" || Array.isArray(value)) return { name: words(task, value) };
    return classes.find((one) => one.position === value) ?? this._labelOf(value) ?? { name: `class ${value}` };
  }

  /** The colours of an answer; a number has none. @param {Value} value */
  _chips(value) {
    if (this.data.task.kind === "numeric") return [];
    if (Array.isArray(value)) return value.map((position) => chip(this.data.task.classes[position]));
    return [chip(this._info(value))];
  }

  /** A class without a key is known by the items that have it, or that it is suggested for. */
  _labelOf(position) {
    for (const { case: one } of this.entries) for (const info of [one.suggestion, ...one.items.map((card) => card.label)]) if (info?.position === position) return info;
    return null;
  }

  _say(words) {
    this.told.textContent = words;
  }

  _states() {
    this.save.textContent = { saved: "✓ saved", saving: "saving…", offline: `not saved: ${this.outbox.trouble}` }[this.outbox.state];
    this.save.dataset.state = this.outbox.state;
  }

  _stored({ stored, refused }) {
    this._states();
    if (refused?.length) this._say(`Not stored: ${refused[0].error}`);
    if (!stored || this.outbox.pending.length) return;
    clearTimeout(this._telling);
    this._telling = setTimeout(() => !this.stop.signal.aborted && this.tell("stored", this.outbox.newest), TELL_AFTER);
  }

  // --- keys and classes -------------------------------------------------------------------

  _bound(name) {
    // the list of a tab that was just left may still be there: keys are for the one in view
    if (!this.root.getClientRects().length) return null;
    const typed = this._padKey(name);
    if (typed) return typed;
    if (["u", "Backspace", "Ctrl+Z"].includes(name)) return () => this.undo();
    if (!this.entries.length) return null;
    if (name === "ArrowUp" || name === "ArrowLeft") return () => this.move(-1);
    if (name === "ArrowDown" || name === "ArrowRight") return () => this.move(1);
    if (this.body.hidden) return null;
    if (name === "k") return () => this.keep();
    if (name === "Enter" || name === "a") return () => this.enter();
    if (name === "Space") return () => this.skip();
    if (name === "f") return () => this.flag();
    if (name === "/" && this.search.opens) return this.search.opens;
    const one = this.data.classes.find((info) => info.key === name);
    return one ? () => this.label(one) : null;
  }

  /** What a key does on the pad; null where nothing. @param {string} name */
  _padKey(name) {
    if (!this.pad || !this.entries.length || this.body.hidden) return null;
    if (name === "Escape" && this._drafting) return () => (this._drop(this.current), this.paint());
    const bound = this.pad.keys().find(([key, , when]) => key === name && (!when || when()));
    return bound ? () => (bound[1](), this._paintTools()) : null;
  }

  /** @param {any} one @param {boolean} [found] Offered by the search: it is over then. */
  _classButton(one, found = false) {
    const give = () => {
      this.label(one);
      if (found) this.search.clear();
    };
    const key = one.key ? el("kbd", {}, keyLabel(one.key)) : null;
    return button({ class: "class", title: one.name, "aria-label": one.name, "aria-keyshortcuts": one.key, data: { position: one.position }, on: { click: give } }, key, chip(one), el("span", { class: "name" }, one.name));
  }

  end() {
    this.stop.abort();
    clearTimeout(this._telling);
  }
}

/** The different labels of a case, in the order of its items. @param {{label: Value | null}[]} members */
function distinct(members) {
  const told = members.map(({ label }) => label).filter((label) => label !== null);
  return told.filter((label, i) => told.findIndex((other) => same(other, label)) === i);
}

/** @param {any} one */
function chip(one) {
  const mark = el("i", { class: "chip" });
  mark.style.background = one?.colour ?? "transparent";
  return mark;
}

/** Drawings of a few pixels are enlarged without smoothing. @param {HTMLImageElement} image */
function pixelated(image) {
  image.loading = "lazy";
  image.addEventListener("load", () => image.classList.toggle("pixels", Math.max(image.naturalWidth, image.naturalHeight) <= 64));
  image.addEventListener("error", () => image.classList.add("broken"));
}

/** @type {WeakMap<HTMLElement, Settle>} */
const living = new WeakMap();

/** Mounts the list, or hands it new data: Streamlit calls this again on every change. */
export default function mount({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".labelloom-settle");
  const held = living.get(root);
  if (held) {
    held.tell = setTriggerValue;
    held.update(data);
  } else living.set(root, new Settle(root, data, setTriggerValue));
  return () => {
    living.get(root)?.end();
    living.delete(root);
  };
}
