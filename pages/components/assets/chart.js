// The board of background runs: the list with progress and buttons, and the chosen run's charts.
// It asks the app every 1.2 s while something runs; the page's script does not run for that.

import { Bars } from './chart_bars.js';
import { Pictures } from './chart_pictures.js';
import { COLOURS, DASHES, Plot, written } from './chart_plot.js';

const LIVE_MS = 1200;
const IDLE_MS = 4000;
const SLOWEST_MS = 8000;

/** @typedef {{id: number, title: string, tasks: string[], status: string, position: number | null, share: number, eta: number | null, seconds: number | null, quiet: number | null, note: string, error: string | null, cancelling: boolean, adopted: string[], figures: Record<string, any>}} Run */
/** @typedef {{key: string, task: string | null, name: string, x: number[], y: number[]}} Line */

/** @param {number} seconds */
function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/** @param {number} n */
function place(n) {
  return n === 1 ? 'next in line' : `${n}${['th', 'st', 'nd', 'rd'][n % 10 < 4 && (n % 100 < 11 || n % 100 > 13) ? n % 10 : 0]} in line`;
}

/** What is said of a run beside its bar. @param {Run} run */
function told(run) {
  if (run.status === 'queued') return place(run.position ?? 1);
  if (run.status === 'running') {
    if (run.cancelling) return 'stopping…';
    if (run.quiet) return `no sign of life for ${duration(run.quiet)}`;
    if (run.share === 0) return run.note || 'starting…';
    return `${Math.floor(100 * run.share)} %` + (run.eta === null ? '' : ` · ${duration(run.eta)} left`);
  }
  const took = run.seconds === null ? '' : ` after ${duration(run.seconds)}`;
  if (run.status === 'done') return run.seconds === null ? 'done' : `done in ${duration(run.seconds)}`;
  return run.status + took;
}

/** @template {keyof HTMLElementTagNameMap} K @param {K} name @param {string} [className] @param {string} [text] */
function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** All lines of a simulation: a colour a strategy (random is grey), a dash a model, dots for the head alone.
 * @param {Line[]} lines */
function curves(lines) {
  const main = lines.filter((line) => !/\/(low|high)$/.test(line.name));
  const strategyOf = (/** @type {Line} */ line) => line.name.split(/: | by /)[0];
  const strategies = [...new Set(main.map(strategyOf))].filter((name) => name !== 'random');
  const models = [...new Set(main.map((line) => line.name.split(' by ')[1] ?? ''))];
  const end = (/** @type {Line} */ line, /** @type {string} */ which) => lines.find((other) => other.name === `${line.name}/${which}`)?.y;
  return main.map((line) => {
    const head = line.name.endsWith(': head alone');
    const at = strategies.indexOf(strategyOf(line));
    return {
      key: line.key, x: line.x, y: line.y, label: line.name,
      colour: at < 0 ? '#80868F' : COLOURS[at % COLOURS.length],
      dash: head ? '2 3' : ['', '7 4', '9 3 2 3', '4 2'][models.indexOf(line.name.split(' by ')[1] ?? '') % 4],
      low: head ? undefined : end(line, 'low'), high: head ? undefined : end(line, 'high'),
    };
  });
}

const ENOUGH_AUDIT = 100;

/** The panel's sentences whose figures are all there. @param {string[]} sentences @param {boolean} percent
 * @param {(name: string) => number | undefined} last */
function spoken(sentences, percent, last) {
  const size = last('audit_size');
  const say = (/** @type {string} */ name) => {
    if (name === 'audit_size') return size?.toLocaleString('en');
    if (name === 'rough') return size !== undefined && size < ENOUGH_AUDIT ? ` (rough: ${size} audited answers)` : '';
    const value = last(name);
    return value === undefined ? undefined : written(value, percent);
  };
  return sentences.filter((text) => [...text.matchAll(/{(\w+)}/g)].every(([, name]) => say(name) !== undefined))
    .map((text) => text.replace(/{(\w+)}/g, (_, name) => say(name) ?? '')).join(' ');
}

class Board {
  /** @param {HTMLElement} root @param {any} data @param {any} say */
  constructor(root, data, say) {
    this.root = root;
    this.say = say;
    this.stop = new AbortController();
    /** @type {Run[]} */ this.runs = [];
    /** @type {number | null} */ this.chosen = null;
    /** Points of each run that was looked at. @type {Map<number, {last: number, lines: Map<string, Line>}>} */
    this.points = new Map();
    /** @type {Map<number, string>} */ this.statuses = new Map();
    /** Runs whose button was pressed and not answered yet. @type {Set<number>} */ this.acting = new Set();
    this.wait = LIVE_MS;
    this.timer = 0;
    this.list = /** @type {HTMLElement} */ (root.querySelector('.runs'));
    this.note = /** @type {HTMLElement} */ (root.querySelector('.note'));
    const grid = /** @type {HTMLElement} */ (root.querySelector('.plots'));
    this.plots = data.panels.map((/** @type {any} */ panel) => panel.bars ? new Bars(grid, panel) : new Plot(grid, panel, (step) => this.hover(step)));
    this.pictures = new Pictures(root.querySelector('.pictures'), (run, name) => `/labelloom/pictures/${run}/${name}?t=${encodeURIComponent(this.data.token)}`);
    this.grid = grid;
    const resize = new ResizeObserver(() => this.plots.forEach((/** @type {any} */ plot) => plot.draw?.()));
    resize.observe(grid);
    this.stop.signal.addEventListener('abort', () => resize.disconnect());
    document.addEventListener('visibilitychange', () => document.hidden || this.ask(), { signal: this.stop.signal });
    this.mounts = (Number(root.dataset.mounts) || 0) + 1;
    root.dataset.mounts = String(this.mounts);
  }

  /** @param {any} data */
  take(data) {
    this.data = data;
    this.root.dataset.kind = data.kind;
    if (data.selected !== this.wished) {
      this.wished = data.selected;
      this.chosen = data.selected ?? this.chosen;
      this.fresh = true;
    }
    this.ask();
  }

  async ask() {
    clearTimeout(this.timer);
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const run = this.chosen ?? 0;
    const after = this.points.get(run)?.last ?? 0;
    try {
      const answer = await fetch(`/labelloom/metrics/${run}?after=${after}&kind=${this.data.kind}`, {
        headers: { 'x-labelloom-token': this.data.token }, signal: AbortSignal.any([this.stop.signal, AbortSignal.timeout(10_000)]),
      });
      const found = await answer.json();
      if (turn !== this.turn) return;
      if (!answer.ok) throw new Error(found.error);
      this.tell('');
      this.receive(found);
      this.wait = this.runs.some((r) => r.status === 'queued' || r.status === 'running') ? LIVE_MS : IDLE_MS;
    } catch (error) {
      if (this.stop.signal.aborted || turn !== this.turn) return;
      this.tell(error instanceof TypeError || error.name === 'TimeoutError' ? 'The app does not answer; trying again.' : error.message);
      this.wait = Math.min(SLOWEST_MS, 2 * this.wait);
    }
    if (!document.hidden) this.timer = setTimeout(() => this.ask(), this.wait);
  }

  /** @param {{runs: Run[], run: number, points: [number, number, string, string | null, number | null][]}} found */
  receive(found) {
    this.runs = found.runs;
    let changed = false;
    for (const run of this.runs) {
      const before = this.statuses.get(run.id);
      changed ||= before !== undefined && before !== run.status;
      this.statuses.set(run.id, run.status);
    }
    if (!this.runs.some((run) => run.id === this.chosen)) this.chosen = null;
    if (this.chosen === null && this.runs.length) {
      this.choose((this.runs.find((run) => run.status === 'running') ?? this.runs[0]).id);
    }
    this.sayChosen();
    this.drawList();
    if (found.run) this.extend(found.run, found.points);
    if (found.run === this.chosen) {
      this.drawPlots();
      this.pictures.show(found.run, found.pictures ?? []);
    }
    if (changed) this.say.trigger('changed', this.runs.map((run) => `${run.id} ${run.status}`).join(', '));
  }

  /** @param {number} run @param {[number, number, string, string | null, number | null][]} points */
  extend(run, points) {
    if (!this.points.has(run)) this.points.set(run, { last: 0, lines: new Map() });
    const held = this.points.get(run);
    for (const [id, step, name, task, value] of points) {
      held.last = Math.max(held.last, id);
      if (value === null) continue;
      const key = `${name}\0${task ?? ''}`;
      if (!held.lines.has(key)) held.lines.set(key, { key, name, task, x: [], y: [] });
      const line = held.lines.get(key);
      // a resumed run goes on from its checkpoint: what lies beyond is drawn anew
      while (line.x.length && line.x[line.x.length - 1] >= step) { line.x.pop(); line.y.pop(); }
      line.x.push(step);
      line.y.push(value);
    }
    this.fresh ||= points.length > 0;
  }

  /** @param {number} id */
  choose(id) {
    this.chosen = id;
    this.fresh = true;
    this.sayChosen();
    this.drawList();
    this.drawPlots();
    this.ask();
  }

  /** Tells the page's script which run is looked at; never while mounting, where it would be lost. */
  sayChosen() {
    if (this.said === this.chosen) return;
    this.said = this.chosen;
    this.say.state('run', this.chosen);
  }

  /** @param {number} id @param {string} action */
  async act(id, action) {
    this.acting.add(id);
    this.drawList();
    let wrong = '';
    try {
      const answer = await fetch(`/labelloom/runs/${id}/${action}?kind=${this.data.kind}`, {
        method: 'POST', headers: { 'x-labelloom-token': this.data.token, 'content-type': 'application/json' }, body: '{}',
      });
      if (!answer.ok) wrong = (await answer.json()).error;
    } catch {
      wrong = 'The app does not answer; nothing was changed.';
    }
    this.acting.delete(id);
    if (!wrong) return this.ask();
    this.tell(wrong);
    this.drawList();
  }

  /** @param {string} text */
  tell(text) {
    if (this.note.textContent !== text) this.note.textContent = text;
  }

  /** @param {number | null} step */
  hover(step) {
    this.plots.forEach((/** @type {any} */ plot) => plot.hover?.(step));
  }

  drawList() {
    const wanted = new Map(this.runs.map((run) => [String(run.id), run]));
    for (const row of [...this.list.children]) if (!wanted.has(row.dataset.run)) row.remove();
    const none = this.root.querySelector('.none');
    none.textContent = this.data.none;
    none.hidden = this.runs.length > 0;
    this.grid.hidden = this.runs.length === 0;
    this.runs.forEach((run, i) => {
      let row = [...this.list.children].find((other) => other.dataset.run === String(run.id));
      if (!row) {
        row = this.makeRow(run);
        this.list.insertBefore(row, this.list.children[i] ?? null);
      }
      this.fillRow(row, run);
    });
  }

  /** @param {Run} run */
  makeRow(run) {
    const row = element('li', 'run');
    row.dataset.run = String(run.id);
    const pick = element('button', 'pick');
    pick.type = 'button';
    pick.append(element('span', 'name'), element('span', 'bar'), element('span', 'told'), element('span', 'mark'));
    pick.children[1].append(element('i'));
    pick.addEventListener('click', () => this.choose(run.id));
    const act = element('button', 'act');
    act.type = 'button';
    act.addEventListener('click', () => this.act(run.id, act.dataset.action));
    row.append(pick, act, element('p', 'error'));
    return row;
  }

  /** @param {HTMLElement} row @param {Run} run */
  fillRow(row, run) {
    const [pick, act, error] = row.children;
    const [name, bar, words, mark] = pick.children;
    const set = (/** @type {Element} */ where, /** @type {string} */ text) => { if (where.textContent !== text) where.textContent = text; };
    row.dataset.status = run.status;
    pick.setAttribute('aria-pressed', String(run.id === this.chosen));
    set(name, `${run.id} · ${run.title}`);
    words.title = run.note;
    name.title = run.title + (run.tasks.length ? `: learns ${run.tasks.join(', ')}` : '');
    bar.firstElementChild.style.width = `${(100 * run.share).toFixed(1)}%`;
    bar.setAttribute('role', 'progressbar');
    bar.setAttribute('aria-valuenow', String(Math.round(100 * run.share)));
    bar.setAttribute('aria-label', `Progress of run ${run.id}`);
    set(words, told(run));
    set(mark, run.adopted.length ? `adopted: ${run.adopted.join(', ')}` : '');
    const action = run.status === 'queued' || run.status === 'running' ? 'cancel' : run.status === 'done' ? '' : 'resume';
    if (act.dataset.action !== action) {
      act.dataset.action = action;
      act.hidden = !action;
      set(act, action === 'cancel' ? 'Cancel' : 'Resume');
      act.setAttribute('aria-label', `${action === 'cancel' ? 'Cancel' : 'Resume'} run ${run.id}`);
    }
    act.disabled = run.cancelling || this.acting.has(run.id);  // a run can fail again before it is seen to go
    set(error, run.status === 'failed' ? `failed: ${run.error ?? 'no reason given'}` : '');
  }

  drawPlots() {
    if (!this.fresh) return;
    this.fresh = false;
    const lines = [...(this.points.get(this.chosen)?.lines.values() ?? [])];
    const tasks = [...new Set(lines.map((line) => line.task).filter((task) => task !== null))];
    const end = (/** @type {string | undefined} */ name, /** @type {Line} */ line) =>
      name ? lines.find((other) => other.name === name && other.task === line.task)?.y : undefined;
    const measured = lines.some((line) => line.name.startsWith('audit_'));
    const others = measured && !lines.some((line) => line.name === 'audit_accuracy' || line.name === 'key_accuracy');
    this.data.panels.forEach((/** @type {any} */ panel, /** @type {number} */ p) => {
      if (panel.every) return this.plots[p].show(curves(lines));
      // of several tasks the first that has figures of this kind: a run may learn sets and numbers together
      const own = lines.find((line) => line.task !== null && panel.series?.some((/** @type {any} */ wanted) => wanted.name === line.name));
      const task = own?.task ?? tasks[0] ?? null;
      const last = (/** @type {string} */ name) => lines.find((line) => line.name === name && (line.task === task || line.task === null))?.y.at(-1);
      if (panel.bars) return this.plots[p].show(this.classes(lines, task));
      const series = panel.series.flatMap((/** @type {any} */ wanted, /** @type {number} */ c) =>
        lines.filter((line) => line.name === wanted.name).map((line) => {
          const t = Math.max(0, tasks.indexOf(line.task));
          return {
            key: line.key, x: line.x, y: line.y,
            label: tasks.length > 1 && line.task ? `${wanted.label} · ${line.task}` : wanted.label,
            colour: COLOURS[(c + t * panel.series.length) % COLOURS.length], dash: DASHES[c % DASHES.length],
            low: end(wanted.low, line), high: end(wanted.high, line),
          };
        }));
      const words = spoken(panel.words ?? [], panel.percent, last);
      this.plots[p].show(series, words && tasks.length > 1 ? `${task}: ${words}` : words);
      // a method without thresholds needs no empty chart of them, sets and numbers none of one class an item
      this.plots[p].element.hidden = series.length === 0 && (panel.optional || (panel.single && others));
    });
  }

  /** How often each class is given, and labelled. @param {Line[]} lines @param {string | null} task */
  classes(lines, task) {
    const of = (/** @type {string} */ kind, /** @type {number} */ label) =>
      lines.find((line) => line.name === `${kind}/${label}` && line.task === task)?.y.at(-1);
    const names = this.data.classes?.[task ?? ''] ?? [];
    const found = [];
    for (let label = 0; of('share', label) !== undefined && of('prior', label) !== undefined; label++) {
      found.push({ name: names[label] ?? `class ${label + 1}`, share: of('share', label), prior: of('prior', label) });
    }
    return found;
  }

  close() {
    clearTimeout(this.timer);
    this.stop.abort();
  }
}

/** @param {{parentElement: any, data: any, setStateValue: Function, setTriggerValue: Function}} component */
export default function ({ parentElement, data, setStateValue, setTriggerValue }) {
  const root = parentElement.querySelector('.board');
  const say = { state: setStateValue, trigger: setTriggerValue };
  root.board ??= new Board(root, data, say);
  root.board.say = say;
  root.board.take(data);
  return () => { root.board?.close(); root.board = undefined; };
}
