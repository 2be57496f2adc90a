// Pictures that a run drew while it learns: the newest sheet of each kind, with the way back to older ones.

export class Pictures {
  /** @param {HTMLElement} parent @param {(run: number, name: string) => string} address */
  constructor(parent, address) {
    this.parent = parent;
    this.address = address;
    /** Steps back from the newest, by kind. @type {Map<string, number>} */
    this.back = new Map();
  }

  /** @param {number} run @param {string[]} names */
  show(run, names) {
    if (run !== this.run) { this.back.clear(); this.parent.replaceChildren(); }
    this.run = run;
    this.names = names;
    this.parent.hidden = names.length === 0;
    /** @type {Map<string, string[]>} */ const kinds = new Map();
    for (const name of names) {
      const kind = name.replace(/-\d+$/, '');
      kinds.set(kind, [...(kinds.get(kind) ?? []), name]);
    }
    for (const figure of [...this.parent.children]) if (!kinds.has(figure.dataset.kind)) figure.remove();
    for (const [kind, sheets] of kinds) this.fill(kind, sheets);
  }

  /** @param {string} kind @param {string[]} sheets */
  fill(kind, sheets) {
    let figure = [...this.parent.children].find((other) => other.dataset.kind === kind);
    if (!figure) {
      figure = document.createElement('figure');
      figure.dataset.kind = kind;
      const caption = document.createElement('figcaption');
      const text = document.createElement('span');
      caption.append(text, this.button(kind, '‹', 1), this.button(kind, '›', -1));
      const image = document.createElement('img');
      image.decoding = 'async';
      figure.append(caption, image);
      this.parent.append(figure);
    }
    const back = Math.min(this.back.get(kind) ?? 0, sheets.length - 1);
    const name = sheets[sheets.length - 1 - back];
    const [caption, image] = figure.children;
    const words = `${kind.replace(/_/g, ' ')}, step ${Number(name.slice(kind.length + 1)).toLocaleString('en')}`;
    if (caption.firstElementChild.textContent !== words) {
      caption.firstElementChild.textContent = words;
      image.alt = words;
      image.src = this.address(this.run, name);
    }
    caption.children[1].disabled = back >= sheets.length - 1;
    caption.children[2].disabled = back === 0;
  }

  /** @param {string} kind @param {string} sign @param {number} way */
  button(kind, sign, way) {
    const made = document.createElement('button');
    made.type = 'button';
    made.textContent = sign;
    made.title = way > 0 ? 'Earlier' : 'Later';
    made.setAttribute('aria-label', `${made.title} picture of ${kind}`);
    made.addEventListener('click', () => {
      this.back.set(kind, Math.max(0, (this.back.get(kind) ?? 0) + way));
      this.show(this.run, this.names);
    });
    return made;
  }
}
