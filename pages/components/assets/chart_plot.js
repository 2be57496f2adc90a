// One line chart in SVG: points in, a picture out. Knows nothing of runs or routes.
// Colours come from the page's theme; a series differs by colour and by dash, never by colour alone.

/** @typedef {{key: string, label: string, colour: string, dash: string, x: number[], y: number[], low?: number[], high?: number[]}} Series */
/** @typedef {{title: string, help: string, percent: boolean, low?: number, high?: number, unit?: string, lines: {at: number, label: string}[]}} Panel */

const SVG = 'http://www.w3.org/2000/svg';
const MARGIN = { left: 44, right: 10, top: 8, bottom: 22 };
export const COLOURS = ['#2E86D1', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#8C6BB1'];
export const DASHES = ['', '7 4', '2 3', '9 3 2 3'];

/** @param {string} name @param {Record<string, string | number>} attributes @param {Element} [parent] */
function make(name, attributes, parent) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  parent?.append(element);
  return element;
}

/** A number as a person reads it. @param {number} value @param {boolean} percent */
export function written(value, percent) {
  if (!Number.isFinite(value)) return '–';
  if (percent) return `${(100 * value).toFixed(1)} %`;
  if (Number.isInteger(value)) return value.toLocaleString('en');
  const size = Math.abs(value);
  return size >= 1000 ? Math.round(value).toLocaleString('en') : size >= 0.01 ? value.toPrecision(3) : value.toExponential(1);
}

/** A tick's label: as many digits as the step between ticks asks for. @param {number} value @param {number} step @param {boolean} percent */
export function tickLabel(value, step, percent) {
  if (percent) return `${(100 * value).toFixed(step < 0.0099 ? 1 : 0)} %`;
  return Number(value.toFixed(Math.min(8, Math.max(0, Math.ceil(-Math.log10(step) - 1e-9))))).toLocaleString('en', { maximumFractionDigits: 8 });
}

/** Round numbers between two ends. @param {number} low @param {number} high @param {number} count */
export function ticks(low, high, count) {
  const rough = (high - low) / Math.max(count, 1);
  if (!(rough > 0)) return [low];
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10);
  const found = [];
  for (let at = Math.ceil(low / step - 1e-9) * step; at <= high + step * 1e-9; at += step) found.push(Math.abs(at) < step * 1e-9 ? 0 : at);
  return found;
}

/** Fewer points that look the same: the lowest and the highest of each pixel. @param {number[]} x @param {number[]} y @param {number} pixels */
export function thinned(x, y, pixels) {
  if (x.length <= 2 * pixels) return x.map((_, i) => i);
  const kept = [0];
  const width = x.length / pixels;
  for (let p = 0; p < pixels; p++) {
    let low = Math.floor(p * width), high = low;
    for (let i = low; i < Math.floor((p + 1) * width); i++) {
      if (y[i] < y[low]) low = i;
      if (y[i] > y[high]) high = i;
    }
    for (const i of low < high ? [low, high] : [high, low]) if (i > kept[kept.length - 1]) kept.push(i);
  }
  if (kept[kept.length - 1] !== x.length - 1) kept.push(x.length - 1);
  return kept;
}

/** Index of the value nearest to one wanted, in ascending numbers. @param {number[]} x @param {number} wanted */
export function nearest(x, wanted) {
  let low = 0, high = x.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (x[middle] < wanted) low = middle; else high = middle;
  }
  return wanted - x[low] <= x[high] - wanted ? low : high;
}

export class Plot {
  /** @param {HTMLElement} parent @param {Panel} panel @param {(step: number | null) => void} onHover */
  constructor(parent, panel, onHover) {
    this.panel = panel;
    this.unit = panel.unit ?? 'steps';
    this.onHover = onHover;
    /** @type {Series[]} */ this.series = [];
    /** @type {Set<string>} */ this.hidden = new Set();
    /** @type {number | null} */ this.at = null;
    this.element = document.createElement('figure');
    this.element.className = 'plot';
    const caption = document.createElement('figcaption');
    caption.textContent = panel.title;
    caption.title = panel.help;
    this.svg = make('svg', { role: 'img', 'data-panel': panel.title });
    this.legend = document.createElement('div');
    this.legend.className = 'legend';
    this.words = document.createElement('p');
    this.words.className = 'words';
    this.element.append(caption, this.words, this.svg, this.legend);
    parent.append(this.element);
    this.svg.addEventListener('pointermove', (event) => this.point(event));
    this.svg.addEventListener('pointerleave', () => this.onHover(null));
  }

  /** @param {Series[]} series @param {string} [words] What the last figures say, in a sentence. */
  show(series, words = '') {
    this.series = series;
    if (this.words.textContent !== words) this.words.textContent = words;
    this.drawLegend();
    this.draw();
  }

  /** @param {number | null} step */
  hover(step) {
    this.at = step;
    this.drawLegend();
    this.drawCursor();
  }

  /** @param {PointerEvent} event */
  point(event) {
    if (!this.scale) return;
    const box = this.svg.getBoundingClientRect();
    const step = this.scale.toX(event.clientX - box.left);
    const all = this.visible().flatMap((s) => s.x.length ? [s.x[nearest(s.x, step)]] : []);
    if (all.length) this.onHover(all.reduce((best, x) => (Math.abs(x - step) < Math.abs(best - step) ? x : best)));
  }

  visible() {
    return this.series.filter((s) => !this.hidden.has(s.key));
  }

  drawLegend() {
    for (const [i, s] of this.series.entries()) {
      let entry = /** @type {HTMLButtonElement | undefined} */ (this.legend.children[i]);
      if (!entry || entry.dataset.key !== s.key) {
        entry?.remove();
        entry = document.createElement('button');
        entry.type = 'button';
        entry.dataset.key = s.key;
        const swatch = make('svg', { width: 22, height: 8, 'aria-hidden': 'true' });
        make('line', { x1: 0, y1: 4, x2: 22, y2: 4, stroke: s.colour, 'stroke-width': 2.5, 'stroke-dasharray': s.dash }, swatch);
        const name = document.createElement('span');
        name.textContent = s.label;
        const value = document.createElement('b');
        entry.append(swatch, name, value);
        entry.addEventListener('click', () => this.toggle(s.key));
        entry.addEventListener('dblclick', () => this.isolate(s.key));
        this.legend.insertBefore(entry, this.legend.children[i] ?? null);
      }
      const shown = !this.hidden.has(s.key);
      entry.setAttribute('aria-pressed', String(shown));
      entry.title = shown ? 'Click to hide, double click to show it alone' : 'Click to show';
      const index = this.at === null ? s.x.length - 1 : nearest(s.x, this.at);
      entry.lastElementChild.textContent = s.x.length ? written(s.y[index], this.panel.percent) : '';
    }
    while (this.legend.children.length > this.series.length) this.legend.lastElementChild.remove();
  }

  /** @param {string} key */
  toggle(key) {
    if (!this.hidden.delete(key)) this.hidden.add(key);
    this.show(this.series, this.words.textContent ?? '');
  }

  /** @param {string} key */
  isolate(key) {
    const others = this.series.filter((s) => s.key !== key).map((s) => s.key);
    const alone = !this.hidden.has(key) && others.every((other) => this.hidden.has(other));
    this.hidden = new Set(alone ? [] : others);
    this.show(this.series, this.words.textContent ?? '');
  }

  draw() {
    const width = this.svg.clientWidth, height = this.svg.clientHeight;
    this.svg.replaceChildren();
    this.scale = null;
    if (width < 60 || height < 40) return;
    const shown = this.visible().filter((s) => s.x.length);
    if (!shown.length) {
      make('text', { x: width / 2, y: height / 2, 'text-anchor': 'middle', class: 'empty' }, this.svg)
        .textContent = this.series.some((s) => s.x.length) ? 'All lines are hidden.' : 'No figures yet.';
      return;
    }
    const scale = (this.scale = this.fit(shown, width, height));
    const grid = make('g', { class: 'grid' }, this.svg);
    const levels = ticks(scale.low, scale.high, Math.max(3, Math.floor(height / 36)));
    for (const at of levels) {
      const y = scale.y(at);
      make('line', { x1: MARGIN.left, x2: width - MARGIN.right, y1: y, y2: y }, grid);
      make('text', { x: MARGIN.left - 6, y: y + 4, 'text-anchor': 'end' }, grid)
        .textContent = tickLabel(at, levels.length > 1 ? levels[1] - levels[0] : 1, this.panel.percent);
    }
    const unit = width - MARGIN.right - 38;  // room for the word at the end of the axis
    for (const at of ticks(scale.first, scale.last, Math.max(3, Math.floor(width / 45)))) {
      if (scale.x(at) < unit - 12) make('text', { x: scale.x(at), y: height - 6, 'text-anchor': 'middle' }, grid).textContent = at.toLocaleString('en');
    }
    make('text', { x: width - MARGIN.right, y: height - 6, 'text-anchor': 'end' }, grid).textContent = this.unit;
    for (const line of this.panel.lines) {
      if (line.at < scale.low || line.at > scale.high) continue;
      const y = scale.y(line.at);
      const mark = make('g', { class: 'line' }, this.svg);
      make('line', { x1: MARGIN.left, x2: width - MARGIN.right, y1: y, y2: y, 'stroke-dasharray': '3 3' }, mark);
      make('text', { x: width - MARGIN.right - 2, y: y - 4, 'text-anchor': 'end' }, mark).textContent = line.label;
    }
    for (const s of shown) {
      // the ends may come a moment before or after the middle: as far as all of them go
      const n = Math.min(s.x.length, s.low?.length ?? 0, s.high?.length ?? 0);
      if (n < 2) continue;
      const at = (/** @type {number[]} */ y) => (/** @type {number} */ i) => `${scale.x(s.x[i]).toFixed(1)},${scale.y(y[i]).toFixed(1)}`;
      const way = [...Array(n).keys()];
      const points = [...way.map(at(s.high)), ...way.reverse().map(at(s.low))].join(' ');
      make('polygon', { points, fill: s.colour, 'fill-opacity': 0.14, stroke: 'none' }, this.svg);
    }
    for (const s of shown) {
      const path = thinned(s.x, s.y, Math.round(width)).map((i) => `${scale.x(s.x[i]).toFixed(1)},${scale.y(s.y[i]).toFixed(1)}`);
      make('polyline', { points: path.join(' '), fill: 'none', stroke: s.colour, 'stroke-width': 2, 'stroke-dasharray': s.dash, 'stroke-linejoin': 'round' }, this.svg);
      const end = s.x.length - 1;
      make('circle', { cx: scale.x(s.x[end]), cy: scale.y(s.y[end]), r: 3, fill: s.colour }, this.svg);
    }
    this.cursor = make('line', { class: 'cursor', y1: MARGIN.top, y2: height - MARGIN.bottom, visibility: 'hidden' }, this.svg);
    this.label = make('text', { class: 'at', y: height - 6, 'text-anchor': 'middle', visibility: 'hidden' }, this.svg);
    const last = shown.map((s) => `${s.label} ${written(s.y[s.y.length - 1], this.panel.percent)}`).join(', ');
    this.svg.setAttribute('aria-label', `${this.panel.title} at ${scale.last} ${this.unit}: ${last}`);
    this.drawCursor();
  }

  drawCursor() {
    if (!this.scale || !this.cursor || !this.label) return;
    const on = this.at !== null && this.at >= this.scale.first && this.at <= this.scale.last;
    for (const mark of [this.cursor, this.label]) mark.setAttribute('visibility', on ? 'visible' : 'hidden');
    if (!on) return;
    const x = this.scale.x(/** @type {number} */ (this.at));
    this.cursor.setAttribute('x1', String(x));
    this.cursor.setAttribute('x2', String(x));
    this.label.setAttribute('x', String(x));
    const at = /** @type {number} */ (this.at).toLocaleString('en');
    this.label.textContent = this.unit === 'steps' ? `step ${at}` : `${at} ${this.unit}`;
  }

  /** @param {Series[]} shown @param {number} width @param {number} height */
  fit(shown, width, height) {
    let first = Infinity, last = -Infinity, low = this.panel.low ?? Infinity, high = this.panel.high ?? -Infinity;
    for (const s of shown) {
      first = Math.min(first, s.x[0]);
      last = Math.max(last, s.x[s.x.length - 1]);
      for (const y of [...s.y, ...(s.low ?? []), ...(s.high ?? [])]) { low = Math.min(low, y); high = Math.max(high, y); }
    }
    for (const line of this.panel.lines) { low = Math.min(low, line.at); high = Math.max(high, line.at); }
    if (this.panel.percent) {
      // A tenth of the way beyond the data, within 0 … 100 %: small differences stay visible and the ends honest.
      const room = Math.max(0.02, 0.1 * (high - low));
      low = Math.max(0, low - room);
      high = Math.min(1, high + room);
    } else {
      high += 0.05 * (high - low) || 0.5;
    }
    if (last <= first) last = first + 1;
    const w = width - MARGIN.left - MARGIN.right, h = height - MARGIN.top - MARGIN.bottom;
    return {
      first, last, low, high,
      x: (/** @type {number} */ v) => MARGIN.left + (w * (v - first)) / (last - first),
      y: (/** @type {number} */ v) => MARGIN.top + h - (h * (v - low)) / (high - low),
      toX: (/** @type {number} */ p) => first + ((p - MARGIN.left) / w) * (last - first),
    };
  }
}
