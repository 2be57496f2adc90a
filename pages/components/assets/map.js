/** The map: points to look at, to select and to act on. Wires the scatter to the legend, the panel and the keys. */
import { button, count, el, percent } from "./dom.js";
import { isTyping, listen, takeKeys } from "./keys.js";
import { MapServer, bits, unbits } from "./map_server.js";
import { MapLegend } from "./map_legend.js";
import { MapPanel } from "./map_panel.js";
import { paint } from "./map_colours.js";
import { rgb, scatter } from "./map_scatter.js";
import { Pictures } from "./sample.js";

const ASK_AGAIN = 1500;
const ASK_SOON = 120;
const HOVER_PAUSE = 40;
const VIEWS = [
  ["pseudo-label", "Suggestion", "A person's label where there is one, else the machine's"],
  ["label", "Label", "What people, imports and bulk actions say"],
  ["confidence", "Confidence", "How sure the machine is"],
  ["status", "Status", "Who says what it is"],
];
const KINDS = {
  map: "",
  "first picture": "first picture; the full map comes later",
  "principal components": "principal components; the full map comes later",
};

/** What was done on this page load, newest last; outlives the component. @type {Map<string, string[]>} */
const histories = new Map();

class EmbeddingMap {
  /** @param {HTMLElement} root */
  constructor(root, data) {
    this.root = root;
    this.data = data;
    this.server = new MapServer(() => this.data);
    this.classes = [];
    this.shown = null;
    this.chosen = null;
    this.tool = "pan";
    this.by = "pseudo-label";
    this.encoder = "";
    this.version = "";
    this.cards = new Map();
    this.pictures = new Pictures();
    this.stop = new AbortController();
    this.legend = new MapLegend({ changed: () => this.repaint() });
    this.panel = new MapPanel({
      act: (verb, value) => this.act(verb, value),
      undo: (batch) => this.undo(batch),
      clear: () => this.select(null),
      find: (words) => this.server.classes(words, 24),
      token: () => this.data.token,
    });
    this._build();
    try {
      this.points = scatter(this.canvas);
    } catch (error) {
      this.note.textContent = error.message;
      return;
    }
    this._listen();
    this.update(data);
    takeKeys(this.overlay);
  }

  get history() {
    const key = `${this.data.project}:${this.data.task.id}`;
    if (!histories.has(key)) histories.set(key, []);
    return histories.get(key);
  }

  _build() {
    this.canvas = el("canvas", { class: "points" });
    this.overlay = el("canvas", {
      class: "overlay",
      tabIndex: 0,
      role: "application",
      "aria-label": "Map of all items. Arrow keys move, plus and minus zoom, Home shows all, Control A selects what is shown, class keys label the selection.",
    });
    this.tip = el("div", { class: "tip", hidden: true });
    this.note = el("div", { class: "veil quiet", role: "status" });
    this.tools = {};
    const tool = (name, words, key) => {
      this.tools[name] = button({ "aria-keyshortcuts": key, "aria-pressed": "false", on: { click: () => this.use(name) } }, words, key ? " " : null, key ? el("kbd", {}, key) : null);
      return this.tools[name];
    };
    this.views = VIEWS.map(([name, words, title]) =>
      button({ title, data: { by: name }, "aria-pressed": "false", on: { click: () => this.colour(name) } }, words),
    );
    this.encoders = el("select", { "aria-label": "Features the map is drawn from", on: { change: () => this._load(this.encoders.value) } });
    this.kind = el("span", { class: "quiet kind" });
    const step = (words, name, what) => button({ "aria-label": name, title: name, on: { click: what } }, words);
    const bar = el(
      "div",
      { class: "toolbar" },
      el("div", { class: "group", role: "group", "aria-label": "Colour by" }, ...this.views),
      el("div", { class: "group", role: "group", "aria-label": "Tool" }, tool("pan", "Move"), tool("lasso", "Lasso", "l"), tool("box", "Box", "b")),
      el(
        "div",
        { class: "group", role: "group", "aria-label": "View" },
        step("−", "Zoom out", () => this.points.zoom(1 / 1.5)),
        step("+", "Zoom in", () => this.points.zoom(1.5)),
        step("Fit", "Show everything", () => this.points.fit()),
      ),
      this.encoders,
      this.kind,
    );
    this.stage = el("div", { class: "stage", data: { testid: "map-stage" } }, this.canvas, this.overlay, this.tip, this.note);
    this.side = el("div", { class: "side" }, this.panel.root, this.legend.root);
    this.root.replaceChildren(bar, el("div", { class: "split" }, this.stage, this.side));
  }

  /** New data from the page: a token, other classes, a newer map. */
  async update(data) {
    const other = data.task.id !== this.data.task.id || data.project !== this.data.project;
    this.data = data;
    this.pictures.token = data.token;
    if (!this.points) return;
    if (other) {
      this.select(null);
      this.version = this.encoder = "";
      this.shown = null;
      this.cards.clear();
      this.panel.done.replaceChildren();
    }
    this.encoders.replaceChildren(...data.sources.map((one) => el("option", { value: one.encoder }, one.title)));
    this.encoders.hidden = data.sources.length < 2;
    const encoder = data.sources.some((one) => one.encoder === this.encoder) ? this.encoder : (data.first ?? "");
    await this._load(encoder);
  }

  async _load(encoder) {
    const source = this.data.sources.find((one) => one.encoder === encoder);
    if (!source) return;
    this.encoders.value = encoder;
    this.kind.textContent = KINDS[source.kind] ?? "";
    if (encoder === this.encoder && source.version === this.version) return this.renew();
    this.encoder = encoder;
    this.version = source.version;
    this.note.textContent = this.points.count ? "" : "Fetching the map…";
    try {
      const [found] = await Promise.all([this.server.points(encoder, source.version), this.renew(true)]);
      if (this.version !== source.version || !found) return;
      this.points.resize();
      this.points.points(found);
      if (this.chosen && this.chosen.length !== found.count) this.select(null);
      this.repaint();
      this.note.textContent = "";
      this.root.dataset.points = String(found.count);
      this.root.dataset.ready = String(Math.round(performance.now() - this.born));
    } catch (error) {
      this.note.textContent = error.message;
      this.version = "";
    }
  }

  /** Asks for colours where they have changed, and again after a while. */
  async renew(fresh = false) {
    clearTimeout(this._timer);
    if (this.stop.signal.aborted) return;
    this._theme();
    const by = this.by;
    let pause = ASK_AGAIN;
    try {
      if (!document.hidden || !this.shown) {
        const shown = await this.server.colours(by, fresh || this.shown?.by !== by ? null : this.shown.serial);
        if (shown && by === this.by) {
          if (this.classes.length !== shown.classes || this._classesOf !== this.data.task.id) await this._classes();
          const grown = this.shown && this.shown.by === by;
          this.shown = shown;
          this.cards.clear();
          this.legend.update(shown, this.classes);
          this.repaint();
          if (grown && this.chosen) this._summarise();
          this.root.dataset.version = String(shown.version);
        }
      }
      if (this._awaited && (this.shown?.version ?? 0) < this._awaited) pause = ASK_SOON;
    } catch (error) {
      if (!this.shown) this.note.textContent = error.message;
    }
    clearTimeout(this._timer);
    this._timer = setTimeout(() => this.renew(), pause);
  }

  async _classes() {
    const answer = await this.server.classes();
    this.classes = this.panel.classes = answer.classes;
    this._classesOf = this.data.task.id;
  }

  repaint() {
    if (!this.shown || this.shown.code.length !== this.points.count) return;
    const made = paint(this.shown, this.classes, { hidden: this.legend.hidden, chosen: this.chosen });
    this.points.colours(made.rgba, made.look, made.order);
  }

  colour(by) {
    this.by = by;
    for (const one of this.views) one.setAttribute("aria-pressed", String(one.dataset.by === by));
    return this.renew(true);
  }

  use(tool) {
    this.tool = this.tool === tool && tool !== "pan" ? "pan" : tool;
    for (const [name, one] of Object.entries(this.tools)) one.setAttribute("aria-pressed", String(name === this.tool));
    this.overlay.classList.toggle("aiming", this.tool !== "pan");
  }

  // --- selecting ---

  /** @param {Uint8Array | null} chosen */
  select(chosen) {
    const n = chosen ? chosen.reduce((sum, one) => sum + one, 0) : 0;
    this.chosen = n ? chosen : null;
    this.root.dataset.selected = String(n);
    delete this.root.dataset.summarised;
    if (n) this._summarise(); // asked first, painted while the answer is on its way
    if (this.points) this.repaint();
    if (n) this.panel.counting(n);
    else this.panel.empty();
  }

  async _summarise() {
    const chosen = this.chosen;
    if (!chosen) return;
    const asked = performance.now();
    try {
      const summary = await this.server.selection(chosen);
      if (chosen !== this.chosen) return;
      this.panel.show(summary);
      this.root.dataset.summarised = String(summary.count);
      this.root.dataset.summaryMs = String(Math.round(performance.now() - asked));
    } catch (error) {
      this.panel.trouble(error.message);
    }
  }

  selectVisible() {
    if (!this.shown) return;
    const chosen = new Uint8Array(this.points.count);
    for (let i = 0; i < chosen.length; i++) chosen[i] = this.legend.hidden.has(this.shown.code[i]) ? 0 : 1;
    this.select(chosen);
  }

  // --- acting ---

  async act(verb, value) {
    const chosen = this.chosen;
    if (!chosen || this._acting) return;
    this._acting = true;
    this.panel.tell("Saving…", null);
    try {
      const done = await this.server.act({ verb, value, bits: bits(chosen), people: this.panel.alsoPeople });
      if (done.batch) this.history.push(done.batch);
      this.panel.tell(done.sentence, done.batch);
      this.root.dataset.done = String(done.done);
      if (verb === "label" && done.done) this._foresee(done.bits, value);
      if (done.version) this._await(done.version);
    } catch (error) {
      this.panel.trouble(`Not saved. ${error.message}`);
    } finally {
      this._acting = false;
    }
  }

  /** Paints what was just labelled at once; the next colours bring what else follows from it. */
  _foresee(encoded, value) {
    if (this.by !== "label" && this.by !== "pseudo-label") return;
    const touched = unbits(encoded, this.points.count);
    for (let i = 0; i < touched.length; i++) if (touched[i]) this.shown.code[i] = value;
    this.repaint();
  }

  async undo(batch) {
    if (!batch || this._acting) return;
    this._acting = true;
    try {
      const answer = await this.server.act({ verb: "undo", undoes: batch });
      const at = this.history.indexOf(batch);
      if (at >= 0) this.history.splice(at, 1);
      this.panel.tell("Undone.", null);
      this._await(answer.version);
    } catch (error) {
      this.panel.trouble(`Not undone. ${error.message}`);
    } finally {
      this._acting = false;
    }
  }

  /** Asks for colours often until they show what was just stored. */
  _await(version) {
    this._awaited = version;
    this.renew();
  }

  // --- pointer, wheel, keys ---

  _listen() {
    const { signal } = this.stop;
    const on = (target, type, listener, more = {}) => target.addEventListener(type, listener, { signal, ...more });
    on(this.overlay, "pointerdown", (event) => this._down(event));
    on(this.overlay, "pointermove", (event) => this._move(event));
    on(this.overlay, "pointerup", (event) => this._up(event));
    on(this.overlay, "pointercancel", () => this._drop());
    on(this.overlay, "pointerleave", () => this._hover(-1));
    on(this.overlay, "wheel", (event) => {
      event.preventDefault();
      const box = this.overlay.getBoundingClientRect();
      const lines = event.deltaMode === 1 ? 33 : 1;
      this.points.zoom(Math.exp(-event.deltaY * lines * 0.0015), event.clientX - box.left, event.clientY - box.top);
      this._hover(-1);
    }, { passive: false });
    on(this.overlay, "keydown", (event) => this._steer(event));
    on(document, "visibilitychange", () => document.hidden || this.renew());
    listen((name) => this._bound(name), signal);
    this.watch = new ResizeObserver(() => {
      this.points.resize();
      this._theme();
    });
    this.watch.observe(this.stage);
    const settle = () => this._height();
    on(window, "resize", settle);
    settle();
    setTimeout(settle, 400); // what stands above has come by then
    this.use("pan");
    for (const one of this.views) one.setAttribute("aria-pressed", String(one.dataset.by === this.by));
  }

  /** As high as the window has room for below what stands above. */
  _height() {
    const above = this.stage.getBoundingClientRect().top + window.scrollY;
    this.root.style.setProperty("--above", `${Math.round(Math.max(above, 0))}px`);
  }

  /** Keys while the map itself has the focus. */
  _steer(event) {
    if (isTyping(event)) return;
    const moves = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };
    if (moves[event.key]) this.points.pan(...moves[event.key]);
    else if (event.key === "+" || event.key === "=") this.points.zoom(1.3);
    else if (event.key === "-") this.points.zoom(1 / 1.3);
    else if (event.key === "Home") this.points.fit();
    else if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "a") this.selectVisible();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Keys anywhere on the page. */
  _bound(name) {
    if (name === "l" || name === "b") return () => this.use(name === "l" ? "lasso" : "box");
    if (["u", "Backspace", "Ctrl+Z"].includes(name) && this.history.length) return () => this.undo(this.history.at(-1));
    if (!this.chosen) return null;
    if (name === "Escape") return () => (this.drawn ? this._drop() : this.select(null));
    if (name === "Enter" || name === "a") return () => this.act("accept");
    if (name === "x") return () => this.act("reject");
    if (name === "f") return () => this.act("flag");
    const one = this.classes.find((info) => info.key === name);
    return one ? () => this.act("label", one.position) : null;
  }

  _at(event) {
    const box = this.overlay.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  _down(event) {
    if (event.button > 0) return;
    this.overlay.setPointerCapture(event.pointerId);
    this.overlay.focus({ preventScroll: true });
    this._hover(-1);
    const at = this._at(event);
    const shape = event.shiftKey ? "lasso" : this.tool;
    if (shape === "pan") this.dragged = at;
    else this.drawn = { shape, path: [at], adding: event.ctrlKey || event.metaKey };
  }

  _move(event) {
    const at = this._at(event);
    if (this.dragged) {
      this.points.pan(at[0] - this.dragged[0], at[1] - this.dragged[1]);
      this.dragged = at;
    } else if (this.drawn) {
      if (this.drawn.shape === "box") this.drawn.path[1] = at;
      else this.drawn.path.push(at);
      this._outline();
    } else if (event.pointerType === "mouse") {
      this._hover(this.points.pick(at[0], at[1]), at);
    }
  }

  _up() {
    this.dragged = null;
    const drawn = this.drawn;
    if (!drawn) return;
    const polygon = corners(drawn);
    this._drop();
    if (polygon.length < 3) return;
    const chosen = this.points.inside(polygon);
    if (drawn.adding && this.chosen) for (let i = 0; i < chosen.length; i++) chosen[i] |= this.chosen[i];
    this.select(chosen);
  }

  _drop() {
    this.dragged = this.drawn = null;
    const brush = this.overlay.getContext("2d");
    brush.clearRect(0, 0, this.overlay.width, this.overlay.height);
  }

  _outline() {
    const ratio = window.devicePixelRatio || 1;
    const box = this.overlay.getBoundingClientRect();
    if (this.overlay.width !== Math.round(box.width * ratio)) this.overlay.width = Math.round(box.width * ratio);
    if (this.overlay.height !== Math.round(box.height * ratio)) this.overlay.height = Math.round(box.height * ratio);
    const brush = this.overlay.getContext("2d");
    brush.setTransform(ratio, 0, 0, ratio, 0, 0);
    brush.clearRect(0, 0, box.width, box.height);
    brush.beginPath();
    corners(this.drawn).forEach(([x, y], i) => (i ? brush.lineTo(x, y) : brush.moveTo(x, y)));
    brush.closePath();
    brush.fillStyle = `${this._accent}26`;
    brush.strokeStyle = this._accent;
    brush.lineWidth = 1.5;
    brush.fill();
    brush.stroke();
  }

  // --- hovering ---

  _hover(row, at = [0, 0]) {
    if (row >= 0 && this.hovered === row) return this._placeTip(at);
    this.hovered = row;
    clearTimeout(this._hoverTimer);
    if (row < 0) {
      this.tip.hidden = true;
      return;
    }
    this._hoverTimer = setTimeout(async () => {
      try {
        let card = this.cards.get(row);
        if (!card) this.cards.set(row, (card = await this.server.card(row + 1)));
        if (this.hovered === row) this._showTip(card, at);
      } catch {
        this.tip.hidden = true;
      }
    }, HOVER_PAUSE);
  }

  _showTip(card, at) {
    const lines = [];
    const chip = (said) => {
      const mark = el("i", { class: "chip" });
      mark.style.background = said.colour;
      return mark;
    };
    if (card.label) lines.push(el("div", { class: "said" }, chip(card.label), el("b", {}, card.label.name), el("span", { class: "quiet" }, ` ${card.source ?? ""}`)));
    if (card.prediction) lines.push(el("div", { class: "said" }, "✨ ", chip(card.prediction), card.prediction.name, el("span", { class: "quiet" }, ` ${percent(card.confidence)}`)));
    const marks = [card.flagged && "flagged", card.audit && "audit answer", card.skipped && "set aside"].filter(Boolean);
    if (marks.length) lines.push(el("div", { class: "quiet" }, marks.join(" · ")));
    for (const line of card.corrections?.lines ?? []) lines.push(el("div", { class: "quiet" }, line));
    const content = card.sha ? this.pictures.get(card, 256) : el("p", {}, card.text ?? "");
    this.tip.replaceChildren(content, ...lines, el("div", { class: "quiet key" }, card.key));
    this.tip.hidden = false;
    this._placeTip(at);
  }

  _placeTip([x, y]) {
    if (this.tip.hidden) return;
    const box = this.stage.getBoundingClientRect();
    const { offsetWidth: w, offsetHeight: h } = this.tip;
    this.tip.style.left = `${Math.max(4, x + 16 + w > box.width ? x - w - 12 : x + 16)}px`;
    this.tip.style.top = `${Math.max(4, Math.min(y + 12, box.height - h - 6))}px`;
  }

  /** Canvas knows no style sheet: the theme's colours are handed to it. */
  _theme() {
    const style = getComputedStyle(this.root);
    const text = style.color.match(/[0-9.]+/g)?.slice(0, 3).map((value) => Number(value) / 255) ?? [0, 0, 0];
    this._accent = style.getPropertyValue("--st-primary-color").trim() || "#0B63CE";
    if (!/^#[0-9a-f]{6}$/i.test(this._accent)) this._accent = "#0B63CE";
    this.points.rings(rgb("#E5484D"), text);
  }

  born = performance.now();

  end() {
    this.stop.abort();
    this.watch?.disconnect();
    for (const timer of [this._timer, this._hoverTimer]) clearTimeout(timer);
    this.points?.end();
  }
}

/** The corners of what is being drawn, in pixels. */
function corners({ shape, path }) {
  if (shape === "lasso") return path;
  if (path.length < 2) return path;
  const [[ax, ay], [bx, by]] = path;
  return [[ax, ay], [bx, ay], [bx, by], [ax, by]];
}

/** @type {WeakMap<HTMLElement, EmbeddingMap>} */
const living = new WeakMap();

/** Mounts the map, or hands it new data: Streamlit calls this again on every change. */
export default function mount({ parentElement, data }) {
  const root = parentElement.querySelector(".labelloom-map");
  const held = living.get(root);
  if (held) held.update(data);
  else living.set(root, new EmbeddingMap(root, data));
  return () => {
    living.get(root)?.end();
    living.delete(root);
  };
}
