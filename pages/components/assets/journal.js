/**
 * The outbox: nothing a person did is lost between the key and the disk.
 *
 * Every event is written to localStorage before the next sample is painted, sent at once, and taken out
 * when the server has acknowledged it, which it does after its commit. Events are named by (client, seq),
 * so sending one twice stores it once. One request is on its way at a time, which keeps the order.
 * A tab that died leaves its journal behind; the next one sends it.
 */
import { CallError, call } from "./api.js";

const PREFIX = "labelloom:outbox:";
const MOST_SENT = 400;
/** Browsers refuse more than 64 kB in a request that outlives its page. */
const MOST_KEEPALIVE = 60_000;
const FIRST_WAIT = 250;
const LONGEST_WAIT = 8000;
/** Without locks (plain http from another machine) a journal untouched for so long is a dead tab's. */
const DEAD_AFTER = 15_000;

/** @type {Map<string, Outbox>} */
const held = new Map();

export const randomName = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** What waits to be stored, of one project in this page load. */
export class Outbox {
  /**
   * The outbox of a project: the same one for as long as the page lives.
   * @param {string} project
   * @param {string} token
   * @returns {Outbox}
   */
  static of(project, token) {
    let outbox = held.get(project);
    if (!outbox) held.set(project, (outbox = new Outbox(project)));
    outbox.useToken(token);
    return outbox;
  }

  /** @param {string} project */
  constructor(project) {
    this.project = project;
    this.client = randomName();
    this.token = "";
    /** @type {any[]} */
    this.pending = [];
    /** Newest annotation that is known to be stored. */
    this.newest = 0;
    /** Why nothing can be saved just now; empty while all is well. */
    this.trouble = "";
    this._seq = 0;
    this._sending = false;
    this._wait = 0;
    this._timer = 0;
    this._listeners = new Set();
    this._adopting = false;
    navigator.locks?.request(PREFIX + this.client, () => new Promise(() => {})).catch(() => {});
    window.addEventListener("pagehide", () => this._lastWords());
    document.addEventListener("visibilitychange", () => document.hidden && this.flush());
    window.addEventListener("online", () => this._retryNow());
    setInterval(() => this.pending.length && this._journal(), DEAD_AFTER / 3);
  }

  /** @param {string} token */
  useToken(token) {
    if (token === this.token) return;
    this.token = token;
    this._retryNow();
    this._adopt();
  }

  /**
   * Tells what changed: `{stored, refused}` after an answer, nothing otherwise.
   * @param {(news: {stored?: any[], refused?: {seq: number, error: string}[]}) => void} listener
   * @param {AbortSignal} signal
   */
  subscribe(listener, signal) {
    this._listeners.add(listener);
    signal.addEventListener("abort", () => this._listeners.delete(listener));
  }

  /** "saved", "saving" or "offline". */
  get state() {
    if (this.trouble) return "offline";
    return this.pending.length ? "saving" : "saved";
  }

  /**
   * Takes an event over; from here on it is safe.
   * @param {Record<string, any>} event
   * @returns {string} The name by which it can be undone.
   */
  add(event) {
    const seq = ++this._seq;
    this.pending.push({ ...event, seq, at: performance.now() });
    this._journal();
    this.flush();
    return `${this.client}:${seq}`;
  }

  /** Sends what waits; does nothing while a request is on its way or a pause is on. */
  flush() {
    if (this._sending || this._timer || !this.pending.length || !this.token) return;
    this._send();
  }

  async _send() {
    this._sending = true;
    const sent = this.pending.slice(0, MOST_SENT);
    const news = {};
    try {
      const answer = await call("events", { token: this.token, body: this._body(sent) });
      const now = performance.now();
      this.pending.splice(0, sent.length);
      this.newest = Math.max(this.newest, answer.newest);
      this._wait = 0;
      this.trouble = "";
      this._journal();
      Object.assign(news, { stored: sent, refused: answer.refused });
      for (const { seq, at } of sent)
        window.dispatchEvent(new CustomEvent("labelloom:stored", { detail: { seq, ms: now - at } }));
    } catch (error) {
      this.trouble = problem(error);
      this._wait = Math.min(LONGEST_WAIT, this._wait ? this._wait * 2 : FIRST_WAIT);
      const pause = this._wait * (0.75 + Math.random() / 2);
      this._timer = setTimeout(() => this._retryNow(), pause);
    } finally {
      this._sending = false;
    }
    this._tell(news);
    this.flush();
  }

  _retryNow() {
    clearTimeout(this._timer);
    this._timer = 0;
    this.flush();
  }

  /** @param {any[]} events */
  _body(events) {
    return { client: this.client, events: events.map(({ at, ...event }) => event) };
  }

  /** @param {any} news */
  _tell(news) {
    for (const listener of this._listeners) listener(news);
  }

  /** The page goes: what waits is sent by a request that outlives it; the journal keeps the rest. */
  _lastWords() {
    if (!this.pending.length || !this.token) return;
    const going = [];
    let size = 200;
    for (const event of this.pending) {
      size += JSON.stringify(event).length + 1;
      if (size > MOST_KEEPALIVE) break;
      going.push(event);
    }
    this._journal();
    call("events", { token: this.token, body: this._body(going), keepalive: true }).catch(() => {});
  }

  _journal() {
    const key = PREFIX + this.client;
    try {
      if (!this.pending.length) localStorage.removeItem(key);
      else
        localStorage.setItem(
          key,
          JSON.stringify({ project: this.project, time: Date.now(), ...this._body(this.pending) }),
        );
    } catch {
      // a full or forbidden storage costs the second net, not the first: the events are still sent
    }
  }

  /** Sends the journals that dead tabs of this project left behind. */
  async _adopt() {
    if (this._adopting) return;
    this._adopting = true;
    try {
      for (const key of Object.keys(localStorage)) {
        if (!key.startsWith(PREFIX) || key === PREFIX + this.client) continue;
        await ifDead(key, () => this._adoptOne(key));
      }
    } catch {
      // the server is away or the storage is closed: the journals stay for the next time
    } finally {
      this._adopting = false;
    }
  }

  /** @param {string} key */
  async _adoptOne(key) {
    const journal = read(key);
    if (!journal || journal.project !== this.project) return;
    for (let from = 0; from < journal.events.length; from += MOST_SENT) {
      const events = journal.events.slice(from, from + MOST_SENT);
      const answer = await call("events", { token: this.token, body: { client: journal.client, events } });
      this.newest = Math.max(this.newest, answer.newest);
    }
    localStorage.removeItem(key);
    this._tell({ stored: journal.events, refused: [] });
  }
}

/**
 * @param {string} key
 * @param {() => Promise<void>} then
 */
async function ifDead(key, then) {
  if (navigator.locks) await navigator.locks.request(key, { ifAvailable: true }, (lock) => (lock ? then() : null));
  else if (Date.now() - (read(key)?.time ?? 0) > DEAD_AFTER) await then();
}

/** @param {string} key */
function read(key) {
  try {
    const journal = JSON.parse(localStorage.getItem(key) ?? "null");
    return journal && Array.isArray(journal.events) && journal.events.length ? journal : null;
  } catch {
    return null;
  }
}

/** @param {unknown} error */
function problem(error) {
  if (!(error instanceof CallError) || error.status === 0) return "offline";
  return error.message;
}
