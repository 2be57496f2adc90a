// How often each class is given beside how often the labels say it should be: bars with a mark.
// Only the classes that are furthest from their mark are shown where there are many.

/** @typedef {{name: string, share: number, prior: number}} Bar */

const MOST = 10;

export class Bars {
  /** @param {HTMLElement} parent @param {{title: string, help: string}} panel */
  constructor(parent, panel) {
    this.element = document.createElement('figure');
    this.element.className = 'plot bars';
    const caption = document.createElement('figcaption');
    caption.textContent = panel.title;
    caption.title = panel.help;
    this.words = document.createElement('p');
    this.words.className = 'words';
    this.list = document.createElement('ul');
    this.element.append(caption, this.words, this.list);
    parent.append(this.element);
  }

  /** @param {Bar[]} bars */
  show(bars) {
    this.element.hidden = bars.length === 0;
    const far = (/** @type {Bar} */ bar) => Math.abs(Math.log((bar.share + 0.002) / (bar.prior + 0.002)));
    const kept = new Set([...bars].sort((a, b) => far(b) - far(a)).slice(0, MOST));
    const shown = bars.filter((bar) => kept.has(bar));
    const top = Math.max(0.01, ...shown.flatMap((bar) => [bar.share, bar.prior]));
    const words = 'Bar: given by the model. Mark: by the labels.'
      + (shown.length < bars.length ? ` The ${shown.length} of ${bars.length} classes that differ most.` : '');
    if (this.words.textContent !== words) this.words.textContent = words;
    while (this.list.children.length > shown.length) this.list.lastElementChild.remove();
    shown.forEach((bar, i) => {
      const row = this.list.children[i] ?? this.row();
      const [name, track, value] = row.children;
      if (name.textContent !== bar.name) name.textContent = name.title = bar.name;
      const [fill, mark] = track.children;
      fill.style.width = `${(100 * bar.share / top).toFixed(1)}%`;
      mark.style.left = `${(100 * bar.prior / top).toFixed(1)}%`;
      const told = `${(100 * bar.share).toFixed(0)} %`;
      if (value.textContent !== told) value.textContent = told;
      row.title = `${bar.name}: given ${(100 * bar.share).toFixed(1)} % of the time, labelled ${(100 * bar.prior).toFixed(1)} %`;
    });
  }

  row() {
    const row = document.createElement('li');
    const track = document.createElement('span');
    track.className = 'track';
    track.append(document.createElement('i'), document.createElement('b'));
    row.append(document.createElement('span'), track, document.createElement('span'));
    this.list.append(row);
    return row;
  }
}
