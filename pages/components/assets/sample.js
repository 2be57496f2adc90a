/** The item itself: a text to read or a picture to see. */
import { el } from "./dom.js";

/** Pictures up to so many pixels are drawings of pixels: enlarged without smoothing. */
const PIXEL_ART = 64;
/** Photographs below so many pixels are enlarged too, smoothly: what cannot be seen cannot be told. */
const SMALL = 416;
const MOST_PICTURES = 80;

/** Pictures fetched and decoded before they are needed. */
export class Pictures {
  constructor() {
    /** @type {Map<string, HTMLImageElement>} */
    this._held = new Map();
    this.token = "";
  }

  /**
   * @param {any} card
   * @param {number} size Longer side in pixels.
   */
  address(card, size) {
    return `/labelloom/media/${card.item_id}?size=${size}&v=${card.sha}&t=${encodeURIComponent(this.token)}`;
  }

  /**
   * The element of a picture, loading or loaded.
   * @param {any} card
   * @param {number} size
   */
  get(card, size) {
    const address = this.address(card, size);
    let image = this._held.get(address);
    if (!image) {
      image = el("img", { alt: card.key, decoding: "sync", draggable: false });
      image.addEventListener("load", () => {
        const side = Math.max(image.naturalWidth, image.naturalHeight);
        if (side <= PIXEL_ART) image.classList.add("pixels");
        else if (side < SMALL) image.classList.add("small");
      });
      image.addEventListener("error", () => image.classList.add("broken"));
      image.src = address;
      image.decode?.().catch(() => {});
      this._held.set(address, image);
      for (const old of this._held.keys()) {
        if (this._held.size <= MOST_PICTURES) break;
        this._held.delete(old);
      }
    }
    return image;
  }

  /**
   * @param {any[]} cards
   * @param {number} size
   */
  preload(cards, size) {
    for (const card of cards) if (card.sha) this.get(card, size);
  }
}

/** Shows one item, large. */
export class Sample {
  /** @param {Pictures} pictures */
  constructor(pictures) {
    this.pictures = pictures;
    this.text = el("div", { class: "text" });
    this.clipped = el("p", { class: "quiet", hidden: true }, "The text goes on; only its first part is shown.");
    this.prose = el("div", { class: "prose", tabIndex: -1 }, this.text, this.clipped);
    this.root = el("div", { class: "sample", data: { testid: "sample" } });
    this._shown = null;
  }

  /** @param {any} card The item, or null for nothing. */
  paint(card) {
    if (card && this._shown === card.item_id) return;
    this._shown = card?.item_id ?? null;
    if (!card) this.root.replaceChildren();
    else if (card.sha) this.root.replaceChildren(this.pictures.get(card, 1024));
    else {
      this.text.textContent = card.text;
      this.clipped.hidden = !card.clipped;
      if (this.prose.parentNode !== this.root) this.root.replaceChildren(this.prose);
      this.prose.scrollTop = 0;
    }
  }

  /** @param {1|-1} direction */
  scroll(direction) {
    this.prose.scrollBy({ top: direction * this.prose.clientHeight * 0.85 });
  }
}
