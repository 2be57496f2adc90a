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
    this.head = el("span");
    this.key = el("span", { data: { testid: "key-accuracy" } });
    this.model = el("span", { class: "quiet", data: { testid: "follows" } });
    this.note = el("div", { class: "note", role: "status", hidden: true });
    this._encoder = null;
    this.root = el(
      "header",
      { class: "figures" },
      stat("Mine", this.mine),
      stat("Everyone", this.everyone),
      stat("Labelled", this.done, el("span", { class: "meter", "aria-hidden": "true" }, this.bar)),
      stat("Estimated accuracy", this.accuracy, this.range, this.source),
      (this.headStat = stat("Linear head alone", this.head)),
      (this.keyStat = stat("Against the answer key", this.key)),
      (this.modelStat = stat("Predictions from", this.model)),
    );
  }

  /**
   * @param {any} progress
   * @param {number} since Labels given since `progress` was told.
   */
  paint(progress, since) {
    if (!progress) return;
    const labelled = progress.labelled + since;
    set(this.mine, count(progress.mine + since));
    set(this.everyone, count(progress.everyone + since));
    set(this.done, `${count(labelled)} of ${count(progress.items)}`);
    this.bar.style.transform = `scaleX(${progress.items ? Math.min(1, labelled / progress.items) : 0})`;
    this._accuracy(progress);
    const head = progress.head_figure.accuracy.value;
    set(this.head, head === null ? "–" : share(head));
    this.headStat.title =
      "The supervised linear model on the same labels: what the rest of the machinery is worth" +
      (head === null ? ", from 20 audit items on." : ".");
    this.keyStat.hidden = progress.key_accuracy === null;
    if (progress.key_accuracy !== null) set(this.key, share(progress.key_accuracy));
    this.keyStat.title =
      "This set comes with its answers. This is the share of items without a label that the machine gets " +
      "right. It is shown only, and never used for a decision.";
    set(this.model, progress.follows);
    this.modelStat.title = progress.reason;
    this._takeover(progress);
  }

  _accuracy(progress) {
    const { accuracy, size, source } = progress.figure;
    if (accuracy.value === null) {
      set(this.accuracy, "–");
      set(this.range, "");
      set(this.source, progress.follows === "no predictions yet" ? "no model yet" : "label some more");
      this.source.dataset.kind = "none";
      return;
    }
    const audit = source === "audit";
    // A rough figure is a range: its middle would be taken for more than it is.
    const range = (digits) => `${(accuracy.low * 100).toFixed(digits)} – ${(accuracy.high * 100).toFixed(digits)} %`;
    set(this.accuracy, audit ? share(accuracy.value) : range(0));
    set(this.range, audit ? range(1) : "");
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
