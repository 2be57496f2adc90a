/** How one item looks: as a tile of the wall, or as a row of the table. Both are painted again in place. */
import { el, percent } from "./dom.js";

const THUMBNAIL = 256;
const SMALL = 128;

/**
 * @typedef {{position: number | null, name: string, colour: string, value: any}} Said `value` is what is stored.
 * @typedef {{item_id: number, key: string, text: string | null, sha: string | null, label: Said | null,
 *   source: string | null, prediction: Said | null, confidence: number | null, margin: number,
 *   interval: string | null, flagged: boolean, audit: boolean, skipped: boolean,
 *   corrections?: {lines: string[], taken_back: number}}} Card
 * @typedef {{card: Card, root: any, changed: boolean, paint: () => void}} Cell
 */

const chip = (said) => {
  const mark = el("i", { class: "chip" });
  mark.style.background = said?.colour ?? "transparent";
  return mark;
};

const SOURCES = { human: "by a person", bulk: "in bulk", imported: "imported", pseudo: "by a model" };

/**
 * @param {Card} card
 * @returns {(Node | string)[]}
 */
function labelWords(card) {
  if (!card.label) return [el("span", { class: "quiet" }, "no label")];
  const by = el("span", { class: "quiet by" }, SOURCES[card.source ?? ""] ?? "");
  return [chip(card.label), el("b", { class: "name" }, card.label.name), by];
}

/** How sure the machine is: of a class its probability, of a number where nine in ten lie. @param {Card} card */
function surely(card) {
  return card.confidence === null ? (card.interval ?? "") : percent(card.confidence);
}

/** @param {Card} card */
function suggestionWords(card) {
  if (!card.prediction) return [el("span", { class: "quiet" }, "no suggestion")];
  const sure = el("span", { class: "quiet" }, surely(card));
  return ["✨ ", chip(card.prediction), el("span", { class: "name" }, card.prediction.name), sure];
}

/** @param {Card} card */
function marks(card) {
  const times = card.corrections?.taken_back ?? 0;
  const back = times > 0 && `↺ taken back${times > 1 ? ` ${times} times` : ""}`;
  const told = [card.flagged && "⚑ flagged", card.audit && "audit", card.skipped && !card.label && "set aside", back];
  return told.filter(Boolean).join(" · ");
}

/** What a run did to the item's pseudo-label, for the item under the pointer or the frame. @param {Card} card */
function history(card) {
  const lines = card.corrections?.lines ?? [];
  return lines.length ? el("div", { class: "history", data: { testid: "history" } }, ...lines.map((line) => el("div", {}, line))) : null;
}

/** What a screen reader says of an item. @param {Card} card */
function spoken(card) {
  const parts = [card.text ?? card.key];
  parts.push(card.label ? `labelled ${card.label.name}` : "no label");
  const sure = surely(card);
  if (card.prediction) parts.push(`suggested ${card.prediction.name}${sure && `, ${sure}`}`);
  return [...parts, marks(card), ...(card.corrections?.lines ?? [])].filter(Boolean).join("; ");
}

/** @param {HTMLElement} root @param {Card} card @param {boolean} changed */
function decorate(root, card, changed) {
  const said = card.label ?? card.prediction;
  root.style.setProperty("--class", said?.colour ?? "var(--st-border-color)");
  root.classList.toggle("labelled", card.label !== null);
  root.classList.toggle("flagged", card.flagged);
  root.classList.toggle("audit", card.audit);
  root.classList.toggle("aside", card.skipped && !card.label);
  root.classList.toggle("changed", changed);
  root.setAttribute("aria-label", spoken(card));
}

/**
 * @param {Card} card
 * @param {import("./sample.js").Pictures} pictures
 * @returns {Cell}
 */
export function tile(card, pictures) {
  const content = card.sha ? pictures.get(card, THUMBNAIL).cloneNode() : el("p", { class: "text" }, card.text ?? "");
  if (card.sha) smooth(content);
  const label = el("div", { class: "said label" });
  const suggestion = el("div", { class: "said" });
  const foot = el("div", { class: "foot quiet" });
  const root = el("div", { class: `cell tile ${card.sha ? "picture" : "words"}`, role: "row", tabIndex: -1, title: card.key, data: { item: card.item_id } }, content, label, suggestion, foot, history(card));
  const cell = { card, root, changed: false, paint };
  function paint() {
    label.replaceChildren(...labelWords(cell.card));
    label.hidden = cell.card.label === null;
    suggestion.replaceChildren(...suggestionWords(cell.card));
    foot.textContent = marks(cell.card);
    foot.hidden = !foot.textContent;
    decorate(root, cell.card, cell.changed);
  }
  paint();
  return cell;
}

/**
 * @param {Card} card
 * @param {import("./sample.js").Pictures} pictures
 * @returns {Cell}
 */
export function row(card, pictures) {
  const picture = card.sha ? pictures.get(card, SMALL).cloneNode() : null;
  if (picture) smooth(picture);
  const what = el("div", { class: "what" }, picture, el("div", { class: "words" }, card.text ? el("p", { class: "text" }, card.text) : null, el("span", { class: "quiet key" }, card.key)));
  const label = el("div", { class: "said" });
  const suggestion = el("div", { class: "said" });
  const bar = el("i");
  const track = el("div", { class: "track" }, bar);
  const sure = el("span", { class: "figure" });
  const meter = el("div", { class: "meter" }, track, sure);
  const margin = el("div", { class: "figure quiet" });
  const foot = el("div", { class: "quiet" });
  const root = el("div", { class: "cell row", role: "row", tabIndex: -1, data: { item: card.item_id } }, what, label, suggestion, meter, margin, foot, history(card));
  const cell = { card, root, changed: false, paint };
  function paint() {
    label.replaceChildren(...labelWords(cell.card));
    const said = cell.card.prediction;
    suggestion.replaceChildren(...(said ? ["✨ ", chip(said), el("span", { class: "name" }, said.name)] : [el("span", { class: "quiet" }, "–")]));
    const number = Boolean(said) && cell.card.confidence === null;
    track.hidden = number;
    bar.style.width = `${100 * (cell.card.confidence ?? 0)}%`;
    sure.textContent = said ? surely(cell.card) : "–";
    margin.textContent = number ? "" : said ? percent(cell.card.margin) : "–";
    foot.textContent = marks(cell.card);
    decorate(root, cell.card, cell.changed);
  }
  paint();
  return cell;
}

/** Names of the table's columns. @param {boolean} numeric Whether numbers are asked for. */
export function header(numeric) {
  const names = ["Item", "Label", "Suggestion", ...(numeric ? ["Nine in ten", ""] : ["Confidence", "Margin"]), ""];
  return el("div", { class: "row head", "aria-hidden": "true" }, ...names.map((name) => el("span", {}, name)));
}

/** Drawings of a few pixels are enlarged without smoothing. @param {HTMLImageElement} image */
function smooth(image) {
  image.loading = "lazy";
  image.addEventListener("load", () => image.classList.toggle("pixels", Math.max(image.naturalWidth, image.naturalHeight) <= 64));
  image.addEventListener("error", () => image.classList.add("broken"));
}
