/**
 * The questions of one task in this page load: what was answered, what comes next, what can be undone.
 *
 * It lives as long as the page does, so going to another screen and back loses nothing. Painting never
 * waits for it: the next questions are here before they are needed, and those beyond the next few are
 * replaced whenever newer labels have changed what is worth asking.
 */
import { same, shown } from "./answers.js";
import { call } from "./api.js";
import { randomName } from "./journal.js";

/**
 * The value as the store holds it; `wrong`: classes that were rejected here.
 * @typedef {{verb: "label"|"accept"|"reject"|"skip", value: any, wrong?: number[]}} Given
 */
/**
 * `after`: the card was asked for when the item had its answer already, and says so until it is asked for anew.
 */
/** @typedef {{card: any, given: Given|null, flagged: boolean, shownAt: number, returned?: boolean, after?: boolean, marks?: Set<number>|null, typed?: string}} Entry */
/** @typedef {{given: Given|null, flagged: boolean}} Mark */
/** @typedef {{entry: Entry, before: Mark, after: Mark}} Change */
/** An answer on offer for a near-duplicate. @typedef {{twin: any, value: any}} Gift */
/**
 * `gifts`: near-duplicates that were given an answer; `joined`: undone together with the action before.
 * @typedef {{batch: string, undo: string|null, changes: Change[], gifts?: Gift[], joined?: boolean}} Action
 */

/** The questions right ahead stay when the rest is renewed, so that nothing changes under the fingers. */
const KEPT = 3;
/** Fewer than so many ahead, and more are asked for. */
const LOW = 40;
/** How many are asked for: enough for a fast hand while the machine thinks. */
export const WANTED = 60;
const MOST_REMEMBERED = 500;
const TAB = "labelloom:tab";
/** After so many further answers an item whose suggestion was rejected may be asked again. */
const REJECTED_RESTS = 20;

/** @type {Map<string, Questions>} */
const held = new Map();

export class Questions {
  /**
   * The questions of a task: the same object for as long as the page lives.
   * @param {import("./journal.js").Outbox} outbox
   * @param {{project: string, task: number, order: string}} about
   * @returns {Questions}
   */
  static of(outbox, about) {
    const key = `${about.project}\n${about.task}`;
    let questions = held.get(key);
    if (!questions) held.set(key, (questions = new Questions(outbox, about)));
    return questions;
  }

  /**
   * @param {import("./journal.js").Outbox} outbox
   * @param {{project: string, task: number, order: string}} about
   */
  constructor(outbox, about) {
    this.outbox = outbox;
    this.project = about.project;
    this.task = about.task;
    this.order = about.order;
    /** @type {Entry[]} */
    this.ahead = [];
    /** @type {Entry[]} */
    this.done = [];
    /** Where in `done` we are looking; -1 at the question ahead. */
    this.cursor = -1;
    /** @type {Action[]} */
    this.actions = [];
    /** @type {Action[]} */
    this.undone = [];
    /** What becomes of answers whose items have near-duplicates: "ask", "always" or "never". */
    this.sharing = "ask";
    /** Near-duplicates that the last answer can be given to. @type {Gift[]|null} */
    this.offer = null;
    /** @type {any} */
    this.progress = null;
    /** Labels given since `progress` was told, so that the count moves with the keys. */
    this.since = 0;
    /** Whether the server has said that there is nothing more to ask. */
    this.exhausted = false;
    this.trouble = "";
    /** Entries that must stay where they are (the grid's page). @type {Set<Entry>} */
    this.pinned = new Set();
    this.want = WANTED;
    this._asking = false;
    this._again = false;
    this._asked = "";
    this._timer = 0;
    this._tries = 0;
    this._remembering = 0;
    this._listeners = new Set();
    this._storage = `labelloom:history:${this.project}:${this.task}`;
    this._restored = this._restore();
    window.addEventListener("pagehide", () => this._remembering && this._writeDown());
  }

  /**
   * Called after every change that came from the server.
   * @param {() => void} listener
   * @param {AbortSignal} signal
   */
  subscribe(listener, signal) {
    this._listeners.add(listener);
    signal.addEventListener("abort", () => this._listeners.delete(listener));
  }

  // --- where we are -----------------------------------------------------------------------

  /** @returns {Entry|undefined} */
  get current() {
    return this.cursor < 0 ? this.ahead[0] : this.done[this.cursor];
  }

  /** Whether we look at something that was answered before. */
  get lookingBack() {
    return this.cursor >= 0;
  }

  back() {
    if (!this.done.length) return;
    this.cursor = this.cursor < 0 ? this.done.length - 1 : Math.max(0, this.cursor - 1);
  }

  on() {
    if (this.cursor < 0) return;
    this.cursor = this.cursor + 1 < this.done.length ? this.cursor + 1 : -1;
  }

  /**
   * Makes an item the current question.
   * @param {any} card
   */
  jump(card) {
    const past = this.done.findIndex((entry) => entry.card.item_id === card.item_id);
    if (past >= 0) {
      this.cursor = past;
      return;
    }
    this.ahead = this.ahead.filter((entry) => entry.card.item_id !== card.item_id);
    this.ahead.unshift(fresh(card));
    this.cursor = -1;
  }

  // --- doing ------------------------------------------------------------------------------

  /**
   * Answers one question, or several at once; `values` gives each its own answer.
   * @param {"label"|"accept"|"reject"|"skip"} verb
   * @param {Entry[]} entries
   * @param {any[]} values
   */
  answer(verb, entries, values) {
    const changes = entries.map((entry, i) => ({
      entry,
      before: mark(entry),
      after: { given: { verb, value: values[i], wrong: rejected(entry, verb, values[i]) }, flagged: entry.flagged },
    }));
    this._do(verb, changes, values);
    this.cursor = -1;
    this.offer = verb === "label" || verb === "accept" ? this._gifts(entries, values) : null;
    if (this.sharing === "always") this.share({ joined: true });
  }

  /**
   * The near-duplicates of what was answered, each with its answer; null where there are none.
   * @param {Entry[]} entries
   * @param {any[]} values
   * @returns {Gift[]|null}
   */
  _gifts(entries, values) {
    if (this.sharing === "never") return null;
    const answered = new Set(entries.map(itemId));
    const gifts = new Map();
    for (const [i, { card }] of entries.entries())
      for (const twin of (!card.audit && card.twins) || [])
        if (!answered.has(twin.item_id)) gifts.set(twin.item_id, { twin, value: values[i] });
    return gifts.size ? [...gifts.values()] : null;
  }

  /**
   * Gives what is on offer, as one action; returns to how many. `joined`: undone together with the answer.
   * @param {{joined?: boolean}} [how]
   */
  share({ joined = false } = {}) {
    const gifts = this.offer;
    this.offer = null;
    if (!gifts) return 0;
    const items = gifts.map(({ twin }) => twin.item_id);
    const event = { verb: "label", task: this.task, items, values: gifts.map(({ value }) => value), shared: true };
    const action = { batch: this.outbox.add(event), undo: null, changes: [], gifts, joined };
    this.actions.push(action);
    this.undone = [];
    const given = new Set(items);
    this.ahead = this.ahead.filter((entry) => !given.has(entry.card.item_id) || this.pinned.has(entry));
    this._count(action, 1);
    this._remember();
    this._renewSoon();
    return gifts.length;
  }

  /** @param {Entry} entry */
  flag(entry) {
    const after = { given: entry.given, flagged: !entry.flagged };
    this._do(after.flagged ? "flag" : "unflag", [{ entry, before: mark(entry), after }], [null]);
  }

  /** Takes the last action back and returns to its sample. */
  undo() {
    const action = this.actions.pop();
    if (!action) return false;
    action.undo = this.outbox.add({ verb: "undo", undoes: action.batch });
    this.undone.push(action);
    this._apply(action, "before");
    this._count(action, -1);
    this.offer = (!action.joined && action.gifts) || null;
    this._remember();
    this._renewSoon();
    if (action.joined) this.undo();
    return true;
  }

  /** Does again what was undone last. */
  redo() {
    const action = this.undone.pop();
    if (!action || !action.undo) return false;
    this.outbox.add({ verb: "undo", undoes: action.undo });
    action.undo = null;
    this.actions.push(action);
    this._apply(action, "after");
    this._count(action, 1);
    this.offer = null;
    this._remember();
    this._renewSoon();
    if (this.undone.at(-1)?.joined) this.redo();
    return true;
  }

  /**
   * @param {string} verb
   * @param {Change[]} changes
   * @param {any[]} values
   */
  _do(verb, changes, values) {
    const [{ entry }] = changes;
    const now = performance.now();
    const event = { verb, task: this.task, items: changes.map((change) => change.entry.card.item_id) };
    if (changes.length === 1) {
      if (values[0] !== null) event.value = values[0];
      event.shown = shown(entry);
      event.audit = entry.card.audit && (verb === "label" || verb === "skip");
      event.seconds = entry.shownAt ? (now - entry.shownAt) / 1000 : null;
    } else if (values[0] !== null) event.values = values;
    const action = { batch: this.outbox.add(event), undo: null, changes };
    this.actions.push(action);
    this.undone = [];
    this._apply(action, "after");
    this._count(action, 1);
    this._remember();
    this._renewSoon();
  }

  /**
   * @param {Action} action
   * @param {1|-1} sign
   */
  _count(action, sign) {
    const labels = (given) => Number(given?.verb === "label" || given?.verb === "accept");
    this.since += sign * (action.gifts?.length ?? 0);
    for (const { before, after } of action.changes) this.since += sign * (labels(after.given) - labels(before.given));
  }

  /**
   * @param {Action} action
   * @param {"before"|"after"} side
   */
  _apply(action, side) {
    const entries = action.changes.map((change) => change.entry);
    const moved = new Set(entries);
    for (const change of action.changes) Object.assign(change.entry, change[side]);
    const answered = entries.filter((entry) => entry.given);
    const open = entries.filter((entry) => !entry.given);
    this.ahead = [...open, ...this.ahead.filter((entry) => !moved.has(entry))];
    const kept = new Set(answered);
    const known = new Set(this.done);
    this.done = this.done.filter((entry) => !moved.has(entry) || kept.has(entry));
    this.done.push(...answered.filter((entry) => !known.has(entry)));
    if (this.done.length > MOST_REMEMBERED) this.done.splice(0, this.done.length - MOST_REMEMBERED);
    if (open.length) this.cursor = -1;
    else if (side === "before" || action.changes.every(({ before, after }) => sameGiven(before, after)))
      this.cursor = this.done.indexOf(entries[0]);
    else this.cursor = -1;
    if (side === "after") return;
    for (const entry of open) Object.assign(entry, { shownAt: 0, returned: true });
    for (const entry of open.filter(({ after }) => after)) entry.card = { ...entry.card, label: null, skipped: false };
  }

  // --- asking -----------------------------------------------------------------------------

  /** @param {string} order */
  useOrder(order) {
    if (order === this.order) return;
    this.order = order;
    this.ahead = this.ahead.filter((entry, i) => i === 0 || this.pinned.has(entry));
    this.renew();
  }

  /** Asks soon: an answer has been given, and the machine will want to think about it first. */
  _renewSoon() {
    if (this.ahead.length < LOW) this.renew();
  }

  /**
   * Asks for the newest figures and questions a moment from now; further calls do not put it off.
   * @param {number} [ms]
   */
  renewLater(ms = 300) {
    this._timer ||= setTimeout(() => {
      this._timer = 0;
      this.renew();
    }, ms);
  }

  /** Asks for the questions and figures of now. */
  async renew() {
    if (this._asking) {
      this._again = true;
      return;
    }
    this._asking = true;
    this._again = false;
    try {
      await this._restored;
      await this._ask();
      this.trouble = "";
    } catch (error) {
      this.trouble = error.message ?? String(error);
      this.renewLater(2000);
    } finally {
      this._asking = false;
    }
    this._tell();
    if (this._again && (this._asked !== this.order || (this.ahead.length < LOW && !this.exhausted)))
      this.renewLater(100);
  }

  async _ask() {
    const order = (this._asked = this.order);
    const seen = this.done.slice(-300);
    const resting = (entry, i) => entry.given?.verb !== "reject" || seen.length - i <= REJECTED_RESTS;
    const ask = (have) =>
      call("queue", {
        token: this.outbox.token,
        body: { task: this.task, order, n: this.want, have, refresh: this._toRefresh().map(itemId), page: tab() },
      });
    const have = [...this._keptAhead(), ...seen.filter(resting)].map(itemId);
    let answer = await ask(have);
    if (!answer.cards.length && !this.ahead.length)
      // the last ones: items whose suggestion was rejected are all there is to ask
      answer = await ask(seen.filter((entry) => entry.given?.verb !== "reject").map(itemId));
    if (order === this.order) this._take(answer);
    this._figures(answer.progress);
  }

  /** The next few behind the shown one, and that one where its card was asked for too late. */
  _toRefresh() {
    return this.ahead.slice(0, KEPT).filter((entry, i) => i > 0 || entry.after);
  }

  _keptAhead() {
    return this.ahead.filter((entry, i) => i < KEPT || this.pinned.has(entry));
  }

  /** @param {any} answer */
  _take(answer) {
    const renewed = new Map(answer.refreshed.map((card) => [card.item_id, card]));
    const ofNow = this._seesAll(answer.progress);
    const kept = this._keptAhead();
    for (const [i, entry] of [...kept.entries()]) {
      const card = renewed.get(entry.card.item_id);
      if (entry.after && card && ofNow) Object.assign(entry, { card, after: false });
      if (i === 0 || !card || entry.after || this.pinned.has(entry)) continue;
      // somebody else was quicker; what one's own undo brought back stays, the card may not know of it yet
      if (settled(card) && !settled(entry.card) && !entry.returned) kept.splice(kept.indexOf(entry), 1);
      // a card that is seen again says nothing on why it is asked: what was said holds
      else if (card.audit === entry.card.audit) entry.card = { ...card, why: card.why || entry.card.why };
    }
    const known = new Set([...kept, ...this.done.slice(-REJECTED_RESTS)].map(itemId));
    const asked = new Set(this.done.filter((entry) => entry.given?.verb !== "reject").map(itemId));
    const cards = answer.cards.filter((card) => !known.has(card.item_id) && !asked.has(card.item_id));
    const last = !cards.length && !kept.length ? answer.cards.filter((card) => !asked.has(card.item_id)) : cards;
    this.ahead = [...kept, ...last.map(fresh)];
    this.exhausted = !this.ahead.length;
  }

  /**
   * Whether an answer knows of all that was done here.
   * @param {any} progress
   */
  _seesAll(progress) {
    return !this.outbox.pending.length && progress.version >= this.outbox.newest;
  }

  /** @param {any} progress */
  _figures(progress) {
    const ofNow = this._seesAll(progress);
    // Until the figures have seen all that was stored, the counts stand on the last ones that had.
    const { mine, everyone, labelled } = ofNow || !this.progress ? progress : this.progress;
    if (ofNow) this.since = 0;
    this.progress = { ...progress, mine, everyone, labelled };
    this._tries = ofNow ? 0 : this._tries + 1;
    if (!ofNow && this._tries < 20) this.renewLater(250 + 50 * this._tries);
  }

  /** Looks whether something happened elsewhere: another annotator, a better encoder, an adopted run. */
  async look() {
    if (this._asking || this._timer || document.hidden) return;
    try {
      const progress = await call(`progress?task=${this.task}`, { token: this.outbox.token });
      if (!this.progress || progress.serial !== this.progress.serial) this.renew();
    } catch {
      // the save mark tells when the server is away
    }
  }

  _tell() {
    for (const listener of this._listeners) listener();
  }

  // --- over a reload ----------------------------------------------------------------------

  /** Written down a moment later, all at once: a key should not wait for it. */
  _remember() {
    this._remembering ||= setTimeout(() => {
      this._remembering = 0;
      this._writeDown();
    }, 200);
  }

  _writeDown() {
    const recent = this.actions.slice(-50).map(({ batch, changes, gifts, joined }) => ({
      batch,
      gifts: gifts?.slice(0, 100),
      joined,
      changes: changes.slice(0, 100).map(({ entry, before, after }) => [entry.card.item_id, before, after]),
    }));
    try {
      sessionStorage.setItem(this._storage, JSON.stringify(recent));
    } catch {
      // without it a reload forgets what can be undone, nothing else
    }
  }

  /** After a reload of the page, what was done last can still be looked at and undone. */
  async _restore() {
    try {
      const recent = JSON.parse(sessionStorage.getItem(this._storage) ?? "[]");
      const ids = [...new Set(recent.flatMap((action) => action.changes.map(([id]) => id)))].slice(-200);
      if (!ids.length) return;
      const body = { task: this.task, order: this.order, n: 0, have: [], refresh: ids };
      const { refreshed } = await call("queue", { token: this.outbox.token, body });
      const entries = new Map(refreshed.map((card) => [card.item_id, { ...fresh(card), after: true }]));
      for (const { batch, changes, gifts, joined } of recent) {
        const whole = changes.filter(([id]) => entries.has(id));
        if (!whole.length && !gifts) continue;
        this.actions.push({
          batch,
          gifts,
          joined,
          undo: null,
          changes: whole.map(([id, before, after]) => ({ entry: entries.get(id), before, after })),
        });
        for (const [id, , after] of whole) {
          const entry = entries.get(id);
          Object.assign(entry, after);
          if (entry.given && !this.done.includes(entry)) this.done.push(entry);
        }
      }
    } catch {
      // a history that does not read is no history
    }
  }
}

/**
 * @param {any} card
 * @returns {Entry}
 */
function fresh(card) {
  return { card, given: null, flagged: card.flagged, shownAt: 0 };
}

/**
 * @param {Entry} entry
 * @returns {Mark}
 */
function mark(entry) {
  return { given: entry.given, flagged: entry.flagged };
}

/**
 * The classes that an item is said not to be, after an answer.
 * @param {Entry} entry
 * @param {string} verb
 * @param {any} value
 */
function rejected({ given }, verb, value) {
  const before = (given?.wrong ?? []).filter((position) => position !== value);
  return verb === "reject" ? [...before, value] : before;
}

/**
 * Whether an item needs no answer any more.
 * @param {any} card
 */
function settled(card) {
  return card.label !== null || card.skipped;
}

/** This tab's name, the same after a reload: what lies before it is asked of others last. */
function tab() {
  try {
    let name = sessionStorage.getItem(TAB);
    if (!name) sessionStorage.setItem(TAB, (name = randomName()));
    return name;
  } catch {
    return null;
  }
}

/** @param {Entry} entry */
function itemId(entry) {
  return entry.card.item_id;
}

/**
 * @param {Mark} one
 * @param {Mark} other
 */
function sameGiven(one, other) {
  return one.given?.verb === other.given?.verb && same(one.given?.value, other.given?.value);
}
