/** What is selected, what the machine and people say of it, and what can be done to all of it at once. */
import { ClassSearch } from "./class_search.js";
import { button, count, el, percent } from "./dom.js";
import { keyLabel } from "./keys.js";
import { Pictures } from "./sample.js";

/** Up to so many classes each gets a button; beyond, the frequent ones do, and a search finds the rest. */
const MOST_BUTTONS = 20;
const items = (n) => `${count(n)} item${n === 1 ? "" : "s"}`;

export class MapPanel {
  /**
   * @param {{act: (verb: string, value?: number) => void, undo: (batch: string) => void, clear: () => void,
   *   find: (words: string) => Promise<any>, token: () => string}} host
   */
  constructor(host) {
    this.host = host;
    this.pictures = new Pictures();
    /** @type {any[]} */
    this.classes = [];
    /** @type {any} */
    this._summary = null;
    this.people = el("input", { type: "checkbox", on: { change: () => this._buttons() } });
    this.heading = el("h3", { role: "status", data: { testid: "map-selected" } });
    this.body = el("div", { class: "body" });
    this.done = el("div", { class: "done", role: "status", "aria-live": "polite", data: { testid: "map-done" } });
    this.actions = el("div", { class: "actions" });
    this.root = el("section", { class: "panel", "aria-label": "Selection" }, this.heading, this.done, this.body);
    this.empty();
  }

  /** Nothing is selected. */
  empty() {
    this._summary = null;
    this.heading.textContent = "Nothing selected";
    const keys = (...names) => names.map((name) => el("kbd", {}, name));
    this.body.replaceChildren(
      el("p", { class: "quiet" }, "Draw around points with the lasso ", ...keys("l"), " or the box ", ...keys("b"), ", or hold ", ...keys("⇧"), " and drag. ", ...keys("Ctrl A"), " takes all that is shown."),
      el("p", { class: "quiet" }, "Then label, accept, reject or flag all of them at once. One undo takes it back."),
    );
  }

  /** @param {number} n Selected points; what is in them is on its way. */
  counting(n) {
    this.heading.textContent = `${items(n)} selected`;
    this.body.classList.add("waiting");
  }

  /** @param {any} summary From the selection route. */
  show(summary) {
    this._summary = summary;
    this.heading.textContent = `${items(summary.count)} selected`;
    this.body.classList.remove("waiting");
    this.pictures.token = this.host.token();
    const people = summary.people
      ? el("label", { class: "people" }, this.people, `also relabel ${items(summary.people)} labelled by people`)
      : null;
    if (!summary.people) this.people.checked = false;
    this.body.replaceChildren(
      ...[
        composition("Labels", summary.labels, summary.count),
        summary.predicted ? composition("Suggestions ✨", summary.predictions, summary.count) : null,
        summary.confidence === null
          ? null
          : el("p", { class: "quiet" }, `mean confidence ${percent(summary.confidence)}`),
        this.actions,
        people,
        this._samples(summary.samples),
      ].filter(Boolean),
    );
    this._buttons();
  }

  /**
   * Says what was done, with its undo beside it.
   * @param {string} sentence
   * @param {string | null} batch
   */
  tell(sentence, batch) {
    const words = el("span", {}, sentence);
    const undo = batch
      ? button({ class: "undo", "aria-keyshortcuts": "u", on: { click: () => this.host.undo(batch) } }, "Undo ", el("kbd", {}, "u"))
      : null;
    this.done.classList.remove("bad");
    this.done.replaceChildren(...[words, undo].filter(Boolean));
  }

  /** @param {string} message */
  trouble(message) {
    this.done.classList.add("bad");
    this.done.replaceChildren(el("span", {}, message));
  }

  get alsoPeople() {
    return this.people.checked;
  }

  _buttons() {
    const summary = this._summary;
    if (!summary) return;
    const few = this.classes.length <= MOST_BUTTONS;
    const frequent = [...summary.predictions, ...summary.labels].map((one) => one.position);
    const offered = few ? this.classes : this.classes.filter((one) => frequent.includes(one.position)).slice(0, 10);
    const choices = el("div", { class: "choices", role: "group", "aria-label": "Label all as" });
    choices.append(...offered.map((one) => this._classButton(one)));
    const verb = (word, key, name, enabled, title) =>
      button({ class: "verb", disabled: !enabled, title, "aria-keyshortcuts": key, on: { click: () => this.host.act(name) } }, word, " ", el("kbd", {}, keyLabel(key)));
    const verbs = el("div", { class: "verbs" });
    verbs.append(
      verb(`Accept ✨ ${count(summary.acceptable)}`, "Enter", "accept", summary.acceptable > 0, "Give the machine's class to those without a label"),
      verb("Reject ✨", "x", "reject", summary.predicted, "They are not what the machine suggests"),
      verb("Flag", "f", "flag", summary.count > summary.flagged, "Mark for a second look"),
    );
    if (summary.flagged) verbs.append(button({ class: "verb", on: { click: () => this.host.act("unflag") } }, "Unflag"));
    if (summary.labels.some((one) => one.name !== "none" || one.position !== null))
      verbs.append(button({ class: "verb", on: { click: () => this.host.act("clear") } }, "Clear labels"));
    verbs.append(button({ class: "verb", on: { click: () => this.host.clear() } }, "Deselect ", el("kbd", {}, "Esc")));
    this.actions.replaceChildren(el("h4", {}, "Label all as"), choices, ...(few ? [] : [this._search()]), verbs);
  }

  _classButton(one) {
    const chip = el("i", { class: "chip" });
    chip.style.background = one.colour;
    const key = one.key ? el("kbd", {}, keyLabel(one.key)) : null;
    return button(
      { class: "class", "aria-keyshortcuts": one.key, title: one.name, on: { click: () => this.host.act("label", one.position) } },
      chip,
      el("span", { class: "name" }, one.name),
      key,
    );
  }

  _search() {
    const { root } = new ClassSearch({
      find: (words) => this.host.find(words),
      offer: (one) => this._classButton(one),
      failed: (words) => {
        this.done.textContent = words;
      },
      placeholder: `Find one of ${count(this.classes.length)} classes`,
    });
    return root;
  }

  _samples(cards) {
    const pictures = cards.some((card) => card.sha);
    const list = el("div", { class: pictures ? "pictures" : "texts", "aria-label": "Some of them, least certain first" });
    for (const card of cards) {
      const said = card.label ?? card.prediction;
      const what = said ? `${card.label ? "" : "✨ "}${said.name}` : "no label";
      const figure = el("figure", { title: `${card.key}: ${what}` });
      figure.style.borderColor = said?.colour ?? "transparent";
      if (card.sha) figure.append(this.pictures.get({ ...card }, 128).cloneNode());
      else figure.append(el("p", {}, card.text ?? ""));
      list.append(figure);
    }
    return cards.length ? el("div", { class: "samples" }, el("h4", {}, "Some of them, least certain first"), list) : null;
  }
}

/**
 * A bar of parts and what they are.
 * @param {string} title
 * @param {any[]} parts
 * @param {number} total
 */
function composition(title, parts, total) {
  const bar = el("div", { class: "bar", "aria-hidden": "true" });
  const words = el("div", { class: "parts" });
  for (const part of parts) {
    const piece = el("i");
    piece.style.background = part.colour;
    piece.style.width = `${(100 * part.count) / Math.max(total, 1)}%`;
    bar.append(piece);
    const chip = el("i", { class: "chip" });
    chip.style.background = part.colour;
    words.append(el("span", { class: "part" }, chip, el("span", { class: "name" }, part.name), el("span", { class: "quiet" }, count(part.count))));
  }
  return el("div", { class: "composition" }, el("h4", {}, title), bar, words);
}
