/** The strip above the card: how far we are, how good the machine is, and how that is known. */
import { count, el, share } from "./dom.js";

export class Figures {
  constructor() {
    this.mine = el("b");
    this.everyone = el("b");
    this.done = el("b");
    this.bar = el("i");
    this.accuracy = el("b", { data: { testid: "accuracy" } });
    this.range = el("span", { class: "quiet" });
    this.source = el("span", { class: "tag", data: { testid: "figure-source" } });
    this.also = el("span", { class: "quiet", data: { testid: "also" } });
    this.head = el("span");
    this.key = el("span", { data: { testid: "key-accuracy" } });
    this.prospect = el("span", { class: "quiet", data: { testid: "prospect" } });
    this.model = el("span", { class: "quiet", data: { testid: "follows" } });
    this.note = el("div", { class: "note", role: "status", hidden: true });
    this._encoder = null;
    this.root = el(
      "header",
      { class: "figures" },
      stat("Mine", this.mine),
      stat("Everyone", this.everyone),
      stat("Labelled", this.done, el("span", { class: "meter", "aria-hidden": "true" }, this.bar)),
      (this.accuracyStat = stat("Estimated accuracy", this.accuracy, this.range, this.source)),
      (this.alsoStat = stat("", this.also)),
      (this.headStat = stat("Linear head alone", this.head)),
      (this.keyStat = stat("Against the answer key", this.key)),
      (this.prospectStat = stat("", this.prospect)),
      (this.modelStat = stat("Predictions from", this.model)),
    );
  }

  /**
   * @param {any} progress
   * @param {number} since Labels given since `progress` was told.
   * @param {any} task
   */
  paint(progress, since, task) {
    if (!progress) return;
    const labelled = progress.labelled + since;
    set(this.mine, count(progress.mine + since));
    set(this.everyone, count(progress.everyone + since));
    set(this.done, `${count(labelled)} of ${count(progress.items)}`);
    this.bar.style.transform = `scaleX(${progress.items ? Math.min(1, labelled / progress.items) : 0})`;
    const look = LOOKS[task.kind](progress.figure);
    this._accuracy(progress, look);
    // of one class everything is right: a figure would say nothing
    this.accuracyStat.hidden = this.headStat.hidden = task.kind !== "numeric" && task.classes.length < 2;
    set(/** @type {HTMLElement} */ (this.alsoStat.firstChild), look.besides ? look.besides[0] : "");
    set(this.also, look.besides ? look.besides[1] : "");
    this.alsoStat.hidden = this.accuracyStat.hidden || !look.besides;
    const head = LOOKS[task.kind](progress.head_figure);
    set(this.head, head.held?.value == null ? "–" : told(progress.head_figure, head.held, head));
    this.headStat.title =
      "The supervised linear model on the same labels: what the rest of the machinery is worth" +
      (head === null ? ", from 20 audit items on." : ".");
    this.keyStat.hidden = progress.key_accuracy === null;
    if (progress.key_accuracy !== null) set(this.key, share(progress.key_accuracy));
    this.keyStat.title =
      "This set comes with its answers. This is the share of items without a label that the machine gets " +
      "right. It is shown only, and never used for a decision.";
    const prospect = progress.prospect;
    this.prospectStat.hidden = !prospect;
    if (prospect) {
      set(/** @type {HTMLElement} */ (this.prospectStat.firstChild), `${prospect.labels} more labels`);
      set(this.prospect, prospect.gain + (prospect.rough ? ", rough" : ""));
      this.prospectStat.title = `${prospect.text} From the learning curve of this task; see Quality.`;
    }
    set(this.model, progress.follows);
    this.modelStat.title = progress.reason;
    this._takeover(progress);
  }

  /**
   * @param {any} progress
   * @param {Look} look
   */
  _accuracy(progress, { title, held, show, rangeOf }) {
    const { size, source, wants } = progress.figure;
    set(/** @type {HTMLElement} */ (this.accuracyStat.firstChild), title);
    if (held?.value == null) {
      set(this.accuracy, "–");
      set(this.range, "");
      const more = wants === "audit" ? "answer audit questions" : "label some more";
      set(this.source, progress.follows === "no predictions yet" ? "no model yet" : more);
      this.source.dataset.kind = "none";
      return;
    }
    const audit = source === "audit";
    // A rough figure is a range: its middle would be taken for more than it is.
    set(this.accuracy, audit ? show(held.value) : rangeOf(held, 0));
    set(this.range, audit ? rangeOf(held, 1) : "");
    set(this.source, audit ? `audit ${size}` : `rough, ${size} labels`);
    this.source.dataset.kind = audit ? "audit" : "rough";
    this.source.title = audit
      ? `From ${size} random items that are never trained on, with a 90 % interval.`
      : `From labels left out in turn (${progress.audit} audit answers so far, 20 make it sound), with a 90 % interval.`;
  }

  _takeover(progress) {
    const encoder = progress.encoder;
    if (this._encoder && encoder && encoder !== this._encoder) {
      set(this.note, `Predictions now come from ${encoder} (before: ${this._encoder}).`);
      this.note.hidden = false;
      setTimeout(() => (this.note.hidden = true), 30_000);
    }
    if (progress.error) {
      set(this.note, `The predictions are not up to date: ${progress.error}`);
      this.note.hidden = false;
    }
    this._encoder = encoder ?? this._encoder;
  }
}

/**
 * What stands for how good the machine is, by kind of task.
 * @typedef {{title: string, held: any, show: (x: number) => string, rangeOf: (held: any, digits: number) => string,
 *   besides?: [string, string] | null}} Look
 */

const asShare = {
  show: share,
  rangeOf: (held, digits) => `${(held.low * 100).toFixed(digits)} – ${(held.high * 100).toFixed(digits)} %`,
};
const asNumber = { show: (x) => alike(x)[0], rangeOf: (held) => alike(held.low, held.high).join(" – ") };

/** @type {Record<string, (figure: any) => Look>} */
const LOOKS = {
  single: (figure) => ({
    title: "Estimated accuracy",
    held: figure.accuracy,
    ...asShare,
    besides: besides(figure, "balanced_accuracy", "Balanced accuracy", asShare),
  }),
  ordinal: (figure) => ({
    title: "Estimated accuracy",
    held: figure.accuracy,
    ...asShare,
    besides: besides(figure, "mae", "Classes off", asNumber),
  }),
  multiple: (figure) => ({
    title: "F1 of the classes",
    held: figure.also?.micro_f1,
    ...asShare,
    besides: figure.accuracy.value === null ? null : ["All classes right", told(figure, figure.accuracy, asShare)],
  }),
  numeric: (figure) => ({
    title: "Typical error",
    held: figure.also?.mae,
    ...asNumber,
    besides: besides(figure, "r2", "Explained (R²)", { ...asNumber, show: (x) => x.toFixed(2) }),
  }),
};

/**
 * @param {any} figure
 * @param {string} name
 * @param {string} title
 * @param {any} as
 * @returns {[string, string] | null}
 */
function besides(figure, name, title, as) {
  const held = figure.also?.[name];
  return held ? [title, told(figure, held, as)] : null;
}

/** A figure that rests on audit answers is a number, a rough one is a range. */
function told(figure, held, as) {
  return figure.source === "audit" ? as.show(held.value) : as.rangeOf(held, 0);
}

/**
 * Numbers that are read together: all with the decimals that the largest of them has at two digits.
 * @param {number[]} values
 */
function alike(...values) {
  const most = Math.max(...values.map(Math.abs));
  const decimals = most === 0 ? 0 : Math.max(0, 1 - Math.floor(Math.log10(most)));
  return values.map((x) => x.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals }));
}

/**
 * @param {string} label
 * @param {...Node} values
 */
function stat(label, ...values) {
  return el("div", { class: "stat" }, el("span", { class: "label" }, label), el("span", { class: "values" }, ...values));
}

/**
 * @param {HTMLElement} node
 * @param {string} text
 */
function set(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
