/**
 * The label card: one sample, the classes, and a key for everything.
 *
 * What a key does is seen in the next frame; storing, asking and refitting happen behind it. Streamlit
 * calls the default export again whenever the data of the component changes, and its return value only
 * when the component goes, so one view is kept on the root element and told what is new.
 */
import { answered, offered, rejectable, words } from "./answers.js";
import { button, count, el, percent } from "./dom.js";
import { Figures } from "./figures.js";
import { Finder, Legend } from "./finder.js";
import { Grid, SIZES } from "./grid.js";
import { Outbox } from "./journal.js";
import { DEFAULT_KEYS, keyLabel, listen, takeKeys } from "./keys.js";
import { NumberPad } from "./number_pad.js";
import { Questions } from "./questions.js";
import { Pictures, Sample } from "./sample.js";
import { SetPad } from "./set_pad.js";
import { TwinStrip, duplicates } from "./twins.js";

/** Classes whose probabilities come with a question. */
const MOST_SENT = 20;
/** More classes than this are not all listed; the finder reaches the rest. */
const MOST_LISTED = 40;
const PRELOADED = 15;
const LOOK_EVERY = 4000;
const HINT_STAYS = 4000;

/** Kinds of task, as the tabs name them. @type {Record<string, string>} */
const KINDS = { single: "one class", ordinal: "on a scale", multiple: "several classes", numeric: "a number" };

/** What each task was last shown as, for coming back from another page. @type {Map<string, any>} */
const lastSeen = new Map();

/** A task that was chosen here and that the page has not heard of, by project; `turn` counts the choices. @type {Map<string, {id: number, turn: number}>} */
const chosenTasks = new Map();

/** @param {{parentElement: any, data: any, setTriggerValue: (name: string, value: any) => void}} component */
export default function mount({ parentElement, data, setTriggerValue }) {
  const root = parentElement.querySelector(".loom");
  const show = (told) => {
    const wanted = withChosenTask(told);
    const about = `${wanted.project}\n${wanted.task.id}`;
    if (root.view && root.view.about !== about) {
      root.view.dispose();
      root.view = null;
    }
    if (root.view) root.view.update(wanted);
    else root.view = new LabelView(root, wanted, about);
    root.view.switchTo = (task) => {
      // seen at once; the page hears of it afterwards, so that its other parts follow
      const turn = Math.max(chosenTasks.get(told.project)?.turn ?? 0, told.turn) + 1;
      chosenTasks.set(told.project, { id: task.id, turn });
      show(root.view.data);
      setTriggerValue("task", { name: task.name, turn });
    };
  };
  show(data);
  return () => {
    root.view?.dispose();
    root.view = null;
    chosenTasks.delete(data.project);
  };
}

/**
 * What the page tells, with the task that was chosen here as long as the page has not heard of that: what it
 * had begun to say before must not bring the other task back under the fingers.
 * @param {any} told
 */
function withChosenTask(told) {
  const chosen = chosenTasks.get(told.project);
  if (chosen && told.turn >= chosen.turn) chosenTasks.delete(told.project);
  const id = chosenTasks.get(told.project)?.id ?? told.task.id;
  return { ...told, task: told.tasks.find((held) => held.id === id) ?? told.task };
}

class LabelView {
  /**
   * @param {any} root
   * @param {any} data
   * @param {string} about
   */
  constructor(root, data, about) {
    this.root = root;
    this.about = about;
    this.data = data;
    this.ending = new AbortController();
    const { signal } = this.ending;
    this.outbox = Outbox.of(data.project, data.token);
    this.questions = Questions.of(this.outbox, { project: data.project, task: data.task.id, order: data.order });
    this.mode = lastSeen.get(about)?.mode ?? "card";
    this.pictures = new Pictures();
    this.pictures.token = data.token;
    this.figures = new Figures();
    this.sample = new Sample(this.pictures);
    this.grid = new Grid(this.questions, this.pictures, {
      info: (value) => this._told(value),
      say: (text) => this.say(text),
      painted: () => this._paintGridStatus(),
    });
    this.grid.size = lastSeen.get(about)?.size ?? SIZES[0];
    this.finder = new Finder({
      token: () => this.data.token,
      task: () => this.data.task,
      label: (position) => this.label(position),
      open: (card) => this._goTo(card),
      closed: () => this.root.focus({ preventScroll: true }),
    });
    this.legend = new Legend();
    this.twins = new TwinStrip(this.pictures, {
      share: () => this.share(),
      key: () => this._keys().share[0],
      task: () => this.data.task,
    });
    this.questions.sharing = data.sharing ?? "ask";
    this.pad = this._makePad();
    this._build();
    this._bind();
    listen((name) => this._lookup(name), signal);
    this.outbox.subscribe((news) => this._heard(news), signal);
    this.questions.subscribe(() => this._renewed(), signal);
    const looking = setInterval(() => this.questions.look(), LOOK_EVERY);
    signal.addEventListener("abort", () => clearInterval(looking));
    this.questions.useOrder(data.order);
    this.questions.renew();
    this._show(this.mode);
    takeKeys(this.root);
  }

  /** @param {any} data */
  update(data) {
    const tasks = JSON.stringify(data.tasks) !== JSON.stringify(this.data.tasks);
    const classes = JSON.stringify(data.task.classes) !== JSON.stringify(this.data.task.classes);
    const order = data.order !== this.data.order;
    this.data = data;
    this.pictures.token = data.token;
    Outbox.of(data.project, data.token);
    this._bind();
    if (tasks) this._buildTasks();
    if (classes) this._buildChoices();
    this.questions.sharing = data.sharing ?? "ask";
    this.questions.useOrder(data.order);
    // Whoever chose the order with the mouse goes on with keys: the focus must not stay on the widget.
    if (order) this.root.focus({ preventScroll: true });
    if (classes) this.questions.renew();
    this.paint();
  }

  dispose() {
    this.ending.abort();
    this.grid.close();
    clearTimeout(this._hint);
    lastSeen.set(this.about, { mode: this.mode, size: this.grid.size });
  }

  // --- building ---------------------------------------------------------------------------

  _build() {
    this.saved = el("span", { class: "saved", role: "status", data: { testid: "saved" } });
    this.why = el("p", { class: "why", data: { testid: "why" } });
    this.hint = el("p", { class: "hint", role: "status", hidden: true });
    this.banner = el("p", { class: "banner", data: { testid: "banner" } });
    this.blank = el("div", { class: "empty", data: { testid: "empty" } });
    this.choices = el("div", { class: "choices", role: "group", "aria-label": "Classes" });
    this.choices.dataset.kind = this.data.task.kind;
    this.more = el("p", { class: "quiet" });
    this.taskBar = el("nav", { class: "tasks", "aria-label": "Tasks", data: { testid: "tasks" } });
    this.tools = el("div", { class: "tools" });
    this.gridStatus = el("span", { class: "quiet", data: { testid: "grid-status" } });
    this.sizes = el("span", { class: "sizes", role: "group", "aria-label": "Samples a page" });
    this.gridBar = el("div", { class: "grid-bar" }, this.gridStatus, this.sizes);
    this.stage = el("div", { class: "stage" });
    this.root.replaceChildren(
      this.taskBar,
      this.figures.root,
      this.figures.note,
      el(
        "div",
        { class: "desk" },
        el("div", { class: "left" }, el("div", { class: "top-line" }, this.banner, this.why), this.gridBar, this.stage, this.twins.root, this.hint),
        el("div", { class: "right" }, ...(this.pad ? [this.pad.root] : [this.choices, this.more]), this.tools, this.saved),
      ),
      this.finder.root,
      this.legend.root,
    );
    this._buildTasks();
    this._buildChoices();
    this._buildTools();
    this.sizes.append(
      ...SIZES.map((size) => button({ on: { click: () => this._resize(size) }, data: { size } }, String(size))),
    );
  }

  /** What answers a task that does not ask for one class. */
  _makePad() {
    const host = {
      entry: () => this.questions.current,
      answer: (verb, value) => this._give(verb, value),
      scale: () => this.questions.progress?.scale ?? null,
    };
    const { kind } = this.data.task;
    return kind === "multiple" ? new SetPad(host) : kind === "numeric" ? new NumberPad(host) : null;
  }

  /** The tasks of the project, where there are several: one click or one key to the next. */
  _buildTasks() {
    const { tasks, task } = this.data;
    this.taskBar.hidden = tasks.length < 2;
    const tab = (held) =>
      button(
        {
          class: "task",
          "aria-current": held.id === task.id ? "true" : null,
          data: { task: held.name },
          on: { click: () => held.id !== task.id && this.switchTo(held) },
        },
        held.name,
        el("span", { class: "quiet" }, KINDS[held.kind]),
      );
    this.taskBar.replaceChildren(...tasks.map(tab), el("kbd", {}, keyLabel(this._keys().task[0])));
  }

  nextTask() {
    const { tasks, task } = this.data;
    const at = tasks.findIndex((held) => held.id === task.id);
    if (tasks.length > 1) this.switchTo(tasks[(at + 1) % tasks.length]);
    else this.say("This project has one task.");
  }

  _buildTools() {
    const keys = this._keys();
    const tool = (name, text, run) => {
      const first = keys[name][0];
      const properties = {
        class: "tool",
        "aria-keyshortcuts": keys[name].map((key) => key.replaceAll("Ctrl", "Control")).join(" "),
        "aria-label": text,
        data: { testid: `tool-${name}` },
        on: { click: () => run() },
      };
      return (this[`_${name}Tool`] = button(properties, el("kbd", {}, keyLabel(first)), el("span", {}, text)));
    };
    this.tools.replaceChildren(
      tool("accept", "Accept", () => this.accept()),
      tool("reject", "Reject", () => this.reject()),
      tool("skip", "Skip", () => this.skip()),
      tool("flag", "Flag", () => this.flag()),
      tool("undo", "Undo", () => this.undo()),
      tool("redo", "Redo", () => this.redo()),
      tool("back", "Back", () => this.back()),
      tool("on", "Forward", () => this.on()),
      tool("grid", "Grid", () => this.toggleGrid()),
      tool("find", "Find", () => this.finder.open()),
      tool("legend", "Keys", () => this.legend.open(this._keys(), this.data.task.kind)),
    );
    // numbers are given one by one
    this._gridTool.hidden = this.data.task.kind === "numeric";
    this._rejectTool.hidden = Boolean(this.pad);
  }

  _buildChoices() {
    this.pad?.use(this.data.task);
    const { classes } = this.data.task;
    const few = classes.length <= MOST_LISTED;
    /** @type {Map<number, any>} */
    this._choiceOf = new Map();
    this.choices.replaceChildren(...(few ? classes.map((info) => this._choice(info)) : []));
    this.more.hidden = classes.length <= 20;
    this.more.textContent = few ? "" : `${count(classes.length)} classes: the most probable are listed. `;
    this.more.append("Press / and type to find a class.");
  }

  /** @param {any} info */
  _choice(info) {
    const chip = el("i", { class: "chip" });
    chip.style.background = info.colour;
    const bar = el("i", { class: "bar" });
    bar.style.background = info.colour;
    const sure = el("span", { class: "sure" });
    const root = button(
      {
        class: "choice",
        "aria-label": info.name,
        "aria-keyshortcuts": info.key ?? null,
        data: { position: info.position },
        on: { click: () => this.label(info.position) },
      },
      bar,
      el("kbd", {}, info.key ? keyLabel(info.key) : " "),
      chip,
      el("span", { class: "name" }, info.name),
      el("span", { class: "spark", "aria-hidden": "true" }, "✨"),
      sure,
    );
    this._choiceOf.set(info.position, { root, bar, sure });
    return root;
  }

  // --- keys -------------------------------------------------------------------------------

  _keys() {
    return { ...DEFAULT_KEYS, ...this.data.keys };
  }

  _bind() {
    const actions = {
      share: () => this.share(),
      accept: () => this.accept(),
      reject: () => this.reject(),
      skip: () => this.skip(),
      flag: () => this.flag(),
      undo: () => this.undo(),
      redo: () => this.redo(),
      back: () => this.back(),
      on: () => this.on(),
      grid: () => this.toggleGrid(),
      task: () => this.nextTask(),
      find: () => this.finder.open(),
      legend: () => this.legend.open(this._keys(), this.data.task.kind),
      close: () => this.mode === "grid" && this.grid.chooseNone(),
      pageDown: () => this._page(1),
      pageUp: () => this._page(-1),
    };
    /** @type {Map<string, () => void>} */
    this._bound = new Map();
    for (const [name, keys] of Object.entries(this._keys()))
      for (const key of keys) if (actions[name]) this._bound.set(key, actions[name]);
    for (const info of this.data.task.classes)
      if (info.key) this._bound.set(info.key, () => this.label(info.position));
    /** @type {Map<string, {run: () => void, when?: () => boolean}>} */
    this._padBound = new Map((this.pad?.keys() ?? []).map(([key, run, when]) => [key, { run, when }]));
    this._gridBound = new Map([
      ["ArrowUp", () => this.grid.move(-1, true)],
      ["ArrowDown", () => this.grid.move(1, true)],
      ["ArrowLeft", () => this.grid.move(-1, false)],
      ["ArrowRight", () => this.grid.move(1, false)],
      ["Space", () => this.grid.toggle()],
      ["Ctrl+A", () => this.grid.chooseAll()],
    ]);
  }

  /** @param {string} name */
  _lookup(name) {
    if (this.legend.isOpen) return ["Escape", "?", "Enter", "Space"].includes(name) ? () => this.legend.close() : null;
    if (this.finder.isOpen) return name === "Escape" ? () => this.finder.close() : null;
    if (this.mode === "grid" && this._gridBound.has(name)) return this._gridBound.get(name);
    const own = this.mode === "card" ? this._padBound.get(name) : null;
    if (own && (own.when?.() ?? true)) return own.run;
    return this._bound.get(name) ?? null;
  }

  // --- what keys and buttons do -------------------------------------------------------------

  /** @param {number} position */
  label(position) {
    if (this.pad instanceof SetPad) {
      if (this.mode === "grid") this.say("Several classes may apply: open the card (g) to choose them.");
      else this.pad.toggle(position);
      return;
    }
    if (this.mode === "grid") return this.grid.label(position);
    const entry = this.questions.current;
    if (!entry) return;
    this.questions.answer("label", [entry], [position]);
    this.paint();
  }

  /**
   * What a pad has gathered.
   * @param {"label"|"accept"} verb
   * @param {any} value
   */
  _give(verb, value) {
    const entry = this.questions.current;
    if (!entry) return;
    this.questions.answer(entry.card.audit ? "label" : verb, [entry], [value]);
    this.paint();
  }

  accept() {
    if (this.mode === "grid") return this.grid.accept();
    if (this.pad) return this.pad.confirm();
    const entry = this.questions.current;
    if (!entry) return;
    const suggestion = offered(entry);
    if (!suggestion) return this._sayBlind(entry, "accept");
    this.questions.answer("accept", [entry], [suggestion[0]]);
    this.paint();
  }

  reject() {
    if (this.pad) return this.say("Say what it is: there is no single class to reject.");
    if (this.mode === "grid") return this.grid.reject();
    const entry = this.questions.current;
    if (!entry) return;
    const wrong = rejectable(entry);
    if (wrong === null) return this._sayBlind(entry, "reject");
    if (answered(entry) !== null) this.say(`Not ${words(this.data.task, wrong)}: that label is taken away; undo brings it back.`);
    this.questions.answer("reject", [entry], [wrong]);
    this.paint();
  }

  /**
   * @param {import("./questions.js").Entry} entry
   * @param {string} what
   */
  _sayBlind(entry, what) {
    const blind = "An audit question has no suggestion: choose a class, skip it, or flag it.";
    this.say(entry.card.audit ? blind : `There is no suggestion to ${what} yet: choose a class.`);
  }

  skip() {
    const entry = this.questions.current;
    if (this.mode === "grid" || !entry) return;
    this.questions.answer("skip", [entry], [null]);
    this.paint();
  }

  flag() {
    if (this.mode === "grid") return this.grid.flag();
    const entry = this.questions.current;
    if (!entry) return;
    this.questions.flag(entry);
    this.paint();
  }

  /** Gives the last answer to the near-duplicates of what was answered. */
  share() {
    const given = this.questions.share();
    this.say(given ? `Given to ${duplicates(given)} too; undo takes all of it back.` : "The last answer has no near-duplicates to share it with.");
    if (this.mode === "grid") this.grid.fill();
    this.paint();
  }

  undo() {
    if (!this.questions.undo()) this.say("There is nothing to undo.");
    this._afterUndo();
  }

  redo() {
    if (!this.questions.redo()) this.say("There is nothing to do again.");
    this._afterUndo();
  }

  _afterUndo() {
    if (this.mode === "grid") this.grid.returned();
    this.paint();
  }

  back() {
    this.questions.back();
    this.paint();
  }

  on() {
    this.questions.on();
    this.paint();
  }

  toggleGrid() {
    if (this.data.task.kind === "numeric") return this.say("Numbers are given one by one: there is no grid for them.");
    this._show(this.mode === "grid" ? "card" : "grid");
  }

  /** @param {any} card */
  _goTo(card) {
    this.questions.jump(card);
    this._show("card");
  }

  /** @param {1|-1} direction */
  _page(direction) {
    if (this.mode === "card") this.sample.scroll(direction);
    else this.stage.scrollBy({ top: direction * this.stage.clientHeight * 0.85 });
  }

  /** @param {number} size */
  _resize(size) {
    this.grid.resize(size);
    this.paint();
  }

  /** @param {string} mode */
  _show(mode) {
    this.mode = mode;
    this.root.dataset.view = mode;
    this.gridBar.hidden = mode !== "grid";
    if (mode === "grid") {
      this.questions.cursor = -1;
      this.stage.replaceChildren(this.grid.root);
      this.grid.open();
    } else {
      this.grid.close();
      this.stage.replaceChildren(this.sample.root, this.blank);
    }
    lastSeen.set(this.about, { mode, size: this.grid.size });
    this.paint();
  }

  // --- news -------------------------------------------------------------------------------

  /** @param {{stored?: any[], refused?: {seq: number, error: string}[]}} news */
  _heard(news) {
    this._paintSaved();
    if (news.refused?.length) this.say(`Not stored: ${news.refused[0].error}`);
    if (news.stored?.length) this.questions.renewLater();
  }

  _renewed() {
    if (this.mode === "grid") this.grid.fill();
    this.paint();
  }

  // --- painting ---------------------------------------------------------------------------

  paint() {
    const entry = this.questions.current;
    this.root.dataset.item = entry ? entry.card.item_id : "";
    this.root.dataset.audit = String(Boolean(entry?.card.audit));
    if (this.mode === "card") this._paintCard(entry);
    else {
      this._paintChoices(null);
      this.banner.hidden = true;
      this.why.hidden = false;
      const keys = this.pad ? "" : "a class key labels what is chosen, ";
      this.why.textContent = `Arrows move, Space chooses, ${keys}Enter accepts what is suggested for it, or for all.`;
    }
    this.twins.paint(this.questions, this.mode === "card");
    this._undoTool.disabled = !this.questions.actions.length;
    this._redoTool.disabled = !this.questions.undone.length;
    this.figures.paint(this.questions.progress, this.questions.since, this.data.task);
    this._paintSaved();
    this._preloadSoon();
  }

  /** @param {import("./questions.js").Entry | undefined} entry */
  _paintCard(entry) {
    this.sample.paint(entry?.card ?? null);
    this.sample.root.hidden = !entry;
    this.blank.hidden = Boolean(entry);
    if (entry) {
      entry.shownAt ||= performance.now();
      this.why.textContent = this.why.title = entry.card.why;
    } else {
      this.why.textContent = "";
      this.blank.textContent = this._nothing();
    }
    this.why.classList.toggle("audit", Boolean(entry?.card.audit));
    this._paintChoices(entry ?? null);
    this._paintBanner(entry);
    this._skipTool.disabled = this._flagTool.disabled = !entry;
    this._flagTool.setAttribute("aria-pressed", String(Boolean(entry?.flagged)));
    this._enable(this.pad ? Boolean(entry) : Boolean(entry && offered(entry)), Boolean(entry) && rejectable(entry) !== null);
    this._backTool.disabled = !this.questions.done.length || this.questions.cursor === 0;
    this._onTool.disabled = !this.questions.lookingBack;
  }

  /**
   * @param {boolean} accept Whether there is something to accept.
   * @param {boolean} reject Whether there is something to reject.
   */
  _enable(accept, reject) {
    this._acceptTool.disabled = !accept;
    this._rejectTool.disabled = !reject;
    // a pad has a button of its own for it, except in the grid, where there is no pad
    this._acceptTool.hidden = Boolean(this.pad) && this.mode === "card";
  }

  /**
   * An answer as the grid shows it: its name, and the colour of a class that is alone.
   * @param {any} value
   */
  _told(value) {
    const { task } = this.data;
    const one = Array.isArray(value) ? (value.length === 1 ? value[0] : null) : value;
    const colour = task.kind === "numeric" || one === null ? "transparent" : task.classes[one]?.colour;
    return { name: words(task, value), colour };
  }

  _nothing() {
    if (!this.data.task.classes.length && this.data.task.kind !== "numeric")
      return "This task has no classes yet. Add the first one above.";
    if (this.questions.trouble) return `The questions cannot be fetched: ${this.questions.trouble}`;
    if (!this.questions.exhausted) return "Loading…";
    return "Nothing left to ask: every item has a label or was set aside. Look at the machine's doubts on the Review page.";
  }

  /** @param {import("./questions.js").Entry | undefined} entry */
  _paintBanner(entry) {
    const parts = [];
    const name = (value) => words(this.data.task, value);
    if (entry?.given) {
      const { verb, value } = entry.given;
      const told = { label: `you said ${name(value)}`, accept: `you accepted ${name(value)}` };
      Object.assign(told, { reject: `you said it is not ${name(value)}`, skip: "you skipped it" });
      const change = this.pad ? "another answer" : "a class key";
      parts.push(`Looking back: ${told[verb]} · ${change} changes it, → goes on`);
    } else if (entry && entry.card.label !== null) {
      parts.push(`Has the label ${name(entry.card.label)} (${entry.card.source})`);
    } else if (entry?.card.skipped) parts.push("Was skipped before");
    if (entry?.flagged) parts.push("⚑ flagged");
    this.banner.hidden = !parts.length;
    this.why.hidden = Boolean(entry?.given);
    const text = parts.join(" · ");
    if (this.banner.textContent !== text) this.banner.textContent = text;
  }

  /** @param {import("./questions.js").Entry | null} entry */
  _paintChoices(entry) {
    if (this.pad) return this.pad.paint(entry);
    const { classes } = this.data.task;
    const proba = new Map(entry?.card.proba ?? []);
    if (classes.length > MOST_LISTED) {
      const listed = proba.size ? [...proba.keys()] : classes.slice(0, 20).map((info) => info.position);
      if (entry?.given?.value !== undefined && entry.given.value !== null) listed.unshift(entry.given.value);
      this._choiceOf.clear();
      this.choices.replaceChildren(...[...new Set(listed)].map((position) => this._choice(classes[position])));
    }
    const suggested = (entry && offered(entry)?.[0]) ?? -1;
    const wrong = entry?.given?.wrong ?? [];
    const held = entry ? answered(entry) : null;
    for (const [position, { root, bar, sure }] of this._choiceOf) {
      const p = wrong.includes(position) ? 0 : (proba.get(position) ?? 0);
      bar.style.transform = `scaleX(${p})`;
      // what does not travel with the question is below half a per cent, where all fit into what does
      const known = proba.has(position) || (proba.size > 0 && classes.length <= MOST_SENT);
      const text = known && !wrong.includes(position) ? percent(p) : "";
      if (sure.textContent !== text) sure.textContent = text;
      root.classList.toggle("suggested", position === suggested);
      root.classList.toggle("given", position === held);
      root.setAttribute("aria-pressed", String(position === held));
    }
  }

  _paintGridStatus() {
    this.gridStatus.textContent = this.grid.status;
    for (const node of this.sizes.children)
      node.setAttribute("aria-pressed", String(Number(node.dataset.size) === this.grid.size));
    this._enable(true, true);
    this._skipTool.disabled = this._backTool.disabled = this._onTool.disabled = true;
  }

  _paintSaved() {
    const waiting = this.outbox.pending.length;
    const state = this.outbox.state;
    const text = { saved: "✓ saved", saving: "saving…", offline: `⚠ ${this.outbox.trouble} – ${count(waiting)} waiting` };
    this.saved.dataset.state = state;
    if (this.saved.textContent !== text[state]) this.saved.textContent = text[state];
  }

  /** @param {string} text */
  say(text) {
    this.hint.textContent = text;
    this.hint.hidden = false;
    clearTimeout(this._hint);
    this._hint = setTimeout(() => (this.hint.hidden = true), HINT_STAYS);
  }

  _preloadSoon() {
    if (this._preloading || this.mode !== "card") return;
    this._preloading = true;
    setTimeout(() => {
      this._preloading = false;
      this.pictures.preload(this.questions.ahead.slice(0, PRELOADED).map((entry) => entry.card), 1024);
    }, 0);
  }
}
