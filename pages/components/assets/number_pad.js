/**
 * A number for an item: digits type it, Enter gives it; with nothing typed Enter accepts the suggestion.
 *
 * The keys go into the field wherever the focus is, so that undo, skip and the rest keep their keys. A number
 * far outside of those given so far is asked about once; what is no number is not sent.
 */
import { number, suggested } from "./answers.js";
import { button, el } from "./dom.js";

const TYPED = [..."0123456789.,-"];
/** Further from the range of the numbers given so far than so many times its width is asked about. */
const FAR = 1;
const ENOUGH = 5;
const MOST_TYPED = 24;

export class NumberPad {
  /**
   * @param {{answer: (verb: "label"|"accept", value: number) => void, entry: () => any, scale: () => any,
   *   blank?: () => void}} host `blank`: what Enter does with nothing typed, where it is another thing.
   */
  constructor(host) {
    this.host = host;
    this.field = el("input", {
      type: "text",
      inputMode: "decimal",
      autocomplete: "off",
      "aria-label": "The number",
      class: "number",
      data: { testid: "number" },
      on: { input: () => this._typed(this.field.value), keydown: (event) => this._key(event) },
    });
    this.said = el("p", { class: "said", data: { testid: "said" } });
    this.band = el("i", { class: "band" });
    this.dot = el("i", { class: "dot" });
    this.tick = el("i", { class: "tick" });
    this.low = el("span");
    this.high = el("span");
    this.track = el("div", { class: "track", "aria-hidden": "true" }, this.band, this.dot, this.tick);
    this.ends = el("div", { class: "ends quiet" }, this.low, this.high);
    this.message = el("p", { class: "wrong", role: "alert", hidden: true, data: { testid: "number-wrong" } });
    this.told = el("span", { class: "said" });
    this.confirmButton = button(
      { class: "confirm", "aria-keyshortcuts": "Enter", data: { testid: "confirm" }, on: { click: () => this.confirm() } },
      el("kbd", {}, "⏎"),
      this.told,
    );
    this.root = el(
      "div",
      { class: "pad" },
      this.field,
      this.message,
      this.track,
      this.ends,
      this.said,
      el("div", { class: "pad-foot" }, this.confirmButton),
    );
    this._sure = "";
  }

  /** @param {any} task */
  use(task) {
    this.task = task;
    this.field.placeholder = task.name;
  }

  /** What keys do here, by name. @returns {[string, () => void][]} */
  keys() {
    const typed = TYPED.map((sign) => [sign, () => this._type(sign)]);
    return /** @type {any} */ ([...typed, ["Backspace", () => this._erase(), () => this._text() !== ""]]);
  }

  // --- typing -----------------------------------------------------------------------------

  _text() {
    return this.host.entry()?.typed ?? "";
  }

  /** @param {string} sign */
  _type(sign) {
    this._typed((this._text() + sign).slice(0, MOST_TYPED));
  }

  _erase() {
    this._typed(this._text().slice(0, -1));
  }

  /** @param {string} text */
  _typed(text) {
    const entry = this.host.entry();
    if (!entry) return;
    entry.typed = text;
    this._wrong("");
    this.paint(entry);
  }

  /** @param {KeyboardEvent} event */
  _key(event) {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "Enter") this.confirm();
    this.field.blur();
  }

  // --- giving -----------------------------------------------------------------------------

  confirm() {
    const entry = this.host.entry();
    if (!entry) return;
    const text = (entry.typed ?? "").trim();
    const said = suggested(entry.card);
    if (!text && this.host.blank) return this.host.blank();
    if (!text) {
      const held = entry.given?.value ?? entry.card.label;
      if (held !== null && held !== undefined) return this._give(entry, "label", held);
      if (said === null) return this._wrong("Type a number first: there is no suggestion to accept.");
      return this._give(entry, "accept", said);
    }
    const value = read(text);
    if (value === null) return this._wrong(`“${text}” is no number.`);
    const scale = this.host.scale();
    if (scale && scale.count >= ENOUGH && this._sure !== text) {
      const room = FAR * Math.max(scale.high - scale.low, Math.abs(scale.high), 1e-9);
      if (value < scale.low - room || value > scale.high + room) {
        this._sure = text;
        return this._wrong(`Far from the numbers so far (${scale.low} to ${scale.high}). Enter again keeps it.`);
      }
    }
    return this._give(entry, value === said ? "accept" : "label", value);
  }

  /**
   * @param {any} entry
   * @param {"label"|"accept"} verb
   * @param {number} value
   */
  _give(entry, verb, value) {
    entry.typed = "";
    this._sure = "";
    this._wrong("");
    this.host.answer(entry.card.audit ? "label" : verb, value);
  }

  /** @param {string} text */
  _wrong(text) {
    this.message.textContent = text;
    this.message.hidden = !text;
    this.field.setAttribute("aria-invalid", String(Boolean(text)));
  }

  // --- painting ---------------------------------------------------------------------------

  /** @param {any} entry The question, or null. */
  paint(entry) {
    const text = entry?.typed ?? "";
    if (this._shown !== entry) this._wrong("");
    this._shown = entry;
    const held = entry?.given?.value ?? entry?.card.label ?? null;
    if (this.field.value !== text) this.field.value = text;
    const said = entry?.card.said ?? null;
    this.field.placeholder = held !== null ? number(held) : said ? `✨ ${said.value}` : this.task.name;
    this.field.classList.toggle("given", held !== null && !text);
    this.field.disabled = !entry;
    this._paintSaid(said);
    this._paintTrack(said, text ? read(text) : held);
    const value = text ? text : held !== null ? number(held) : said ? String(said.value) : "";
    this.told.textContent = value ? `${!text && held === null ? "Accept" : "Give"}: ${value}` : "Type a number";
    this.confirmButton.dataset.by = text || held !== null ? "person" : said ? "machine" : "nobody";
    this.confirmButton.disabled = !entry || !value;
  }

  /** @param {any} said */
  _paintSaid(said) {
    this.said.hidden = !said;
    if (!said) return;
    const range = said.low === null ? "no interval yet" : `nine in ten lie between ${said.low} and ${said.high}`;
    this.said.textContent = `✨ ${said.value} · ${range}`;
  }

  /**
   * @param {any} said
   * @param {number|null} typed
   */
  _paintTrack(said, typed) {
    const scale = this.host.scale();
    const shown = Boolean(scale) && (said !== null || typed !== null);
    this.track.hidden = this.ends.hidden = !shown;
    if (!shown) return;
    const known = [scale.low, scale.high, said?.value, typed].filter((x) => Number.isFinite(x));
    const [low, high] = [Math.min(...known), Math.max(...known)];
    const at = (x) => `${(100 * Math.min(1, Math.max(0, (x - low) / (high - low || 1)))).toFixed(2)}%`;
    this.dot.hidden = !said;
    this.band.hidden = !said || said.low === null;
    this.band.classList.toggle("usual", Boolean(said?.usual));
    this.track.title = this.band.hidden ? "" : said.usual ? "Hatched: how far the machine usually is off" : "The band holds nine in ten";
    if (said) this.dot.style.left = at(said.value);
    if (said && said.low !== null) {
      this.band.style.left = at(said.low);
      this.band.style.right = `calc(100% - ${at(said.high)})`;
    }
    this.tick.hidden = typed === null;
    if (typed !== null) this.tick.style.left = at(typed);
    this.low.textContent = String(low);
    this.high.textContent = String(high);
  }
}

/**
 * A number as people write it: a comma may stand for the point. Null where it is none.
 * @param {string} text
 */
export function read(text) {
  const plain = text.trim().replace(",", ".");
  if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(plain)) return null;
  const value = Number(plain);
  return Number.isFinite(value) ? value : null;
}
