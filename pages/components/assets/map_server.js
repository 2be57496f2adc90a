/** What the map asks the app: coordinates, colours, cards, what is in a selection; and what it does to one. */
import { CallError, call } from "./api.js";

const randomName = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, "0")).join("");

/** This page load; with a running number it names an action for good, so sending one twice does it once. */
const client = randomName();
let sequence = 0;

/**
 * A bitset, as base64, of an array of zeros and ones; the lowest bit of the first byte is place 0.
 * @param {Uint8Array} chosen
 */
export function bits(chosen) {
  const packed = new Uint8Array((chosen.length + 7) >> 3);
  for (let i = 0; i < chosen.length; i++) if (chosen[i]) packed[i >> 3] |= 1 << (i & 7);
  let text = "";
  for (let i = 0; i < packed.length; i += 8192) text += String.fromCharCode(...packed.subarray(i, i + 8192));
  return btoa(text);
}

/**
 * The inverse of `bits`.
 * @param {string} text
 * @param {number} count
 */
export function unbits(text, count) {
  const packed = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const chosen = new Uint8Array(count);
  for (let i = 0; i < count; i++) chosen[i] = (packed[i >> 3] >> (i & 7)) & 1;
  return chosen;
}

export class MapServer {
  /** @param {() => {token: string, task: {id: number}}} about The project and the task, as of now. */
  constructor(about) {
    this.about = about;
  }

  /**
   * Coordinates of an encoder's map; null while there are none.
   * @param {string} encoder
   * @param {string} version
   */
  async points(encoder, version) {
    const bytes = await this._bytes("map/points", { encoder, v: version });
    if (!bytes) return null;
    const count = new Uint32Array(bytes, 0, 1)[0];
    return { count, x: new Float32Array(bytes, 4, count), y: new Float32Array(bytes, 4 + 4 * count, count) };
  }

  /**
   * What colours each point; null where nothing changed since the snapshot `since`.
   * @param {string} by
   * @param {number | null} since
   */
  async colours(by, since) {
    const bytes = await this._bytes("map/colours", { by, since: String(since ?? ""), task: this.about().task.id });
    if (!bytes) return null;
    const length = new Uint32Array(bytes, 0, 1)[0];
    const head = JSON.parse(new TextDecoder().decode(new Uint8Array(bytes, 4, length)));
    const start = 4 + length;
    return {
      ...head,
      code: new Uint16Array(bytes, start, head.count),
      mark: new Uint8Array(bytes, start + 2 * head.count, head.count),
    };
  }

  /** @param {number} itemId */
  card(itemId) {
    return call(`map/card/${itemId}?task=${this.about().task.id}`, { token: this.about().token });
  }

  /**
   * @param {string} find Only classes that contain it.
   * @param {number} limit 0 for all.
   */
  classes(find = "", limit = 0) {
    const query = new URLSearchParams({ task: String(this.about().task.id), find, limit: String(limit) });
    return call(`classes?${query}`, { token: this.about().token });
  }

  /** @param {Uint8Array} chosen */
  selection(chosen) {
    const body = { task: this.about().task.id, bits: bits(chosen) };
    return call("map/selection", { token: this.about().token, body });
  }

  /**
   * Does one thing to a selection. Where the app does not answer it is sent again, and done once all the same.
   * @param {Record<string, any>} action
   */
  async act(action) {
    const { token, task } = this.about();
    const body = { task: task.id, client, seq: ++sequence, ...action };
    for (let pause = 300; ; pause *= 2) {
      try {
        return await call("map/act", { token, body, seconds: 60 });
      } catch (error) {
        const hopeless = error instanceof CallError && error.status !== 0 && error.status !== 503;
        if (hopeless || pause > 5000) throw error;
        await new Promise((done) => setTimeout(done, pause));
      }
    }
  }

  async _bytes(path, query) {
    const answer = await fetch(`/labelloom/${path}?${new URLSearchParams(query)}`, {
      headers: { "x-labelloom-token": this.about().token },
    });
    if (answer.status === 204) return null;
    if (!answer.ok) throw new CallError(answer.status, `The app answered ${answer.status}.`);
    return answer.arrayBuffer();
  }
}
