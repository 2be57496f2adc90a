/**
 * A scatter of up to a million points in WebGL2: pan, zoom, pick, and which points lie in a shape.
 *
 * It knows nothing of labels: it is given coordinates, one colour a point, and one look a point. Where a
 * drawing takes long (many points, no graphics card), moving first shifts the picture that is there, which
 * costs nothing, and draws it anew now and then and at the end; a margin around keeps the edges filled.
 */

/** Bits of a point's look. */
export const FLAG = 1, AUDIT = 2, BIG = 4;

const VERTEX = `#version 300 es
layout(location=0) in float x; layout(location=1) in float y;
layout(location=2) in vec4 rgba; layout(location=3) in uint look;
uniform vec4 view; uniform float size; uniform float edge;
flat out vec4 colour; flat out uint mark; flat out float inner;
void main() {
  colour = rgba; mark = look; inner = 1.0;
  if (rgba.a == 0.0) { gl_Position = vec4(2.0, 2.0, 2.0, 1.0); gl_PointSize = 1.0; return; }
  gl_Position = vec4(x * view.x + view.z, y * view.y + view.w, 0.0, 1.0);
  float s = (look & 4u) != 0u ? size * 1.45 : size;
  bool ringed = (look & 3u) != 0u;
  gl_PointSize = ringed ? s + 2.0 * edge : s;
  if (ringed) inner = s / (s + 2.0 * edge);
}`;
const FRAGMENT = `#version 300 es
precision mediump float;
flat in vec4 colour; flat in uint mark; flat in float inner;
uniform vec3 flagged; uniform vec3 audit;
out vec4 pixel;
void main() {
  vec2 d = gl_PointCoord * 2.0 - 1.0;
  float r = dot(d, d);
  if (r > 1.0) discard;
  vec3 c = colour.rgb; float a = colour.a;
  if (r > inner * inner) { c = (mark & 1u) != 0u ? flagged : audit; a = max(a, 0.6); }
  pixel = vec4(c * a, a);
}`;

/** @typedef {{count: number, x: Float32Array, y: Float32Array}} Points */

/** Pixels drawn beyond each edge. */
const MARGIN = 120;
/** A drawing that takes longer (ms) is not made for every frame of a movement. */
const SLOW = 12;
/** Of the time while moving, a drawing may take one part in so many. */
const SHARE = 7;
const REST = 110;

/** Three numbers in 0…1 of `#RRGGBB`. */
export const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255);

/**
 * @param {HTMLCanvasElement} canvas it is drawn on and sized to its box
 * @returns an object with `points`, `colours`, `draw`, `pan`, `zoom`, `fit`, `pick`, `inside`, `resize`, `end`
 */
export function scatter(canvas) {
  const gl = canvas.getContext("webgl2", { antialias: false, premultipliedAlpha: true });
  if (!gl) throw new Error("This browser has no WebGL 2, which the map is drawn with.");
  let program, place, buffers;
  /** @type {Points} */
  let held = { count: 0, x: new Float32Array(0), y: new Float32Array(0) };
  let colour = new Uint8Array(0), look = new Uint8Array(0), order = new Uint32Array(0);
  const view = { x: 0, y: 0, scale: 1, fitted: 1 };
  const ring = { flagged: [0.84, 0.37, 0], audit: [0.1, 0.1, 0.1] };
  let width = 1, height = 1, ratio = 1, frame = 0, grid = null, cost = 0, measured = false, last = 0, rest = 0;
  let drawn = { ...view };
  const meter = { drawings: 0, shifts: 0, get cost() { return cost; } };

  const shader = (kind, source) => {
    const made = gl.createShader(kind);
    gl.shaderSource(made, source);
    gl.compileShader(made);
    if (!gl.getShaderParameter(made, gl.COMPILE_STATUS)) throw new Error(gl.getShaderInfoLog(made));
    return made;
  };
  const prepare = () => {
    program = gl.createProgram();
    gl.attachShader(program, shader(gl.VERTEX_SHADER, VERTEX));
    gl.attachShader(program, shader(gl.FRAGMENT_SHADER, FRAGMENT));
    gl.linkProgram(program);
    gl.useProgram(program);
    place = Object.fromEntries(
      ["view", "size", "edge", "flagged", "audit"].map((name) => [name, gl.getUniformLocation(program, name)]));
    buffers = { x: gl.createBuffer(), y: gl.createBuffer(), colour: gl.createBuffer(), look: gl.createBuffer(), order: gl.createBuffer() };
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
  };
  const upload = () => {
    const put = (buffer, data, slot, size, type, whole, normal) => {
      gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
      gl.bufferData(gl.ARRAY_BUFFER, data, gl.DYNAMIC_DRAW);
      gl.enableVertexAttribArray(slot);
      if (whole) gl.vertexAttribIPointer(slot, size, type, 0, 0);
      else gl.vertexAttribPointer(slot, size, type, normal, 0, 0);
    };
    return {
      place: () => { put(buffers.x, held.x, 0, 1, gl.FLOAT); put(buffers.y, held.y, 1, 1, gl.FLOAT); },
      paint: () => {
        put(buffers.colour, colour, 2, 4, gl.UNSIGNED_BYTE, false, true);
        put(buffers.look, look, 3, 1, gl.UNSIGNED_BYTE, true);
        gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, buffers.order);
        gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, order, gl.DYNAMIC_DRAW);
      },
    };
  };
  prepare();
  const sent = upload();

  /** Size of a point in CSS pixels: smaller where there are many, larger when zoomed in. */
  const pointSize = () => {
    const base = Math.max(2.2, Math.min(7, 270 / Math.sqrt(Math.max(held.count, 1))));
    return Math.min(Math.max(10, base), base * Math.sqrt(view.scale / view.fitted));
  };
  /** How long a drawing takes: asked once for each set of points, because the answer is waited for. */
  const measure = () => {
    const start = performance.now();
    gl.drawElements(gl.POINTS, order.length, gl.UNSIGNED_INT, 0);
    gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
    cost = performance.now() - start;
    measured = true;
  };
  const paint = () => {
    if (gl.isContextLost()) return;
    clearTimeout(rest);
    last = performance.now();
    drawn = { ...view };
    canvas.style.transform = "";
    gl.viewport(0, 0, canvas.width, canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    if (!held.count || colour.length !== 4 * held.count) return;
    const sx = (2 * view.scale) / (width + 2 * MARGIN), sy = (2 * view.scale) / (height + 2 * MARGIN);
    gl.uniform4f(place.view, sx, sy, -view.x * sx, -view.y * sy);
    gl.uniform1f(place.size, pointSize() * ratio);
    gl.uniform1f(place.edge, 1.8 * ratio);
    gl.uniform3fv(place.flagged, ring.flagged);
    gl.uniform3fv(place.audit, ring.audit);
    if (measured) gl.drawElements(gl.POINTS, order.length, gl.UNSIGNED_INT, 0);
    else measure();
    meter.drawings += 1;
  };
  /** Moves the picture that is there to where it belongs now. */
  const shift = () => {
    const grown = view.scale / drawn.scale;
    const right = (drawn.x - view.x) * view.scale, down = (view.y - drawn.y) * view.scale;
    canvas.style.transform = `translate(${right}px, ${down}px) scale(${grown})`;
    meter.shifts += 1;
    clearTimeout(rest);
    rest = setTimeout(() => requestAnimationFrame(paint), REST);
  };
  const frameDue = () => {
    frame = 0;
    if (cost > SLOW && performance.now() - last < Math.max(REST, SHARE * cost)) shift();
    else paint();
  };
  /** The view has moved. */
  const moved = () => { if (!frame) frame = requestAnimationFrame(frameDue); };
  /** What is drawn has changed. */
  const draw = () => {
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(() => { frame = 0; paint(); });
  };

  const restored = () => { prepare(); sent.place(); sent.paint(); draw(); };
  const lost = (event) => event.preventDefault();
  canvas.addEventListener("webglcontextlost", lost);
  canvas.addEventListener("webglcontextrestored", restored);

  const bounds = () => {
    let left = Infinity, right = -Infinity, low = Infinity, high = -Infinity;
    for (let i = 0; i < held.count; i++) {
      if (held.x[i] < left) left = held.x[i];
      if (held.x[i] > right) right = held.x[i];
      if (held.y[i] < low) low = held.y[i];
      if (held.y[i] > high) high = held.y[i];
    }
    return held.count ? { left, right, low, high } : { left: -1, right: 1, low: -1, high: 1 };
  };
  /** A grid of cells with the points in each, by counting sort: finds the nearest in no time. */
  const index = () => {
    const side = 256, { left, right, low, high } = bounds();
    const w = (right - left) / side || 1, h = (high - low) / side || 1;
    const start = new Uint32Array(side * side + 1), cell = new Uint32Array(held.count);
    for (let i = 0; i < held.count; i++) {
      const column = Math.min(side - 1, ((held.x[i] - left) / w) | 0);
      const row = Math.min(side - 1, ((held.y[i] - low) / h) | 0);
      cell[i] = column + side * row;
      start[cell[i] + 1] += 1;
    }
    for (let i = 0; i < side * side; i++) start[i + 1] += start[i];
    const member = new Uint32Array(held.count), next = start.slice();
    for (let i = 0; i < held.count; i++) member[next[cell[i]]++] = i;
    grid = { side, left, low, w, h, start, member };
  };
  const toData = (px, py) => [view.x + (px - width / 2) / view.scale, view.y - (py - height / 2) / view.scale];
  const fit = () => {
    const { left, right, low, high } = bounds();
    view.x = (left + right) / 2;
    view.y = (low + high) / 2;
    view.scale = view.fitted = 0.94 * Math.min(width / (right - left || 1), height / (high - low || 1));
    draw();
  };

  return {
    view, meter, draw, fit, toData,
    get count() { return held.count; },
    /** New coordinates; the colours must be given anew. @param {Points} points */
    points(points) {
      held = points;
      measured = false;
      index();
      sent.place();
      fit();
    },
    /** Colours (RGBA bytes; alpha 0 hides), looks, and the order of drawing: the last is on top. */
    colours(rgba, looks, drawn) {
      colour = rgba; look = looks; order = drawn;
      sent.paint();
      draw();
    },
    rings(flagged, audit) {
      if (String([flagged, audit]) === String([ring.flagged, ring.audit])) return;
      ring.flagged = flagged; ring.audit = audit;
      draw();
    },
    pan(dx, dy) { view.x -= dx / view.scale; view.y += dy / view.scale; moved(); },
    zoom(factor, px = width / 2, py = height / 2) {
      const [x, y] = toData(px, py);
      view.scale = Math.max(view.fitted * 0.2, Math.min(view.fitted * 400, view.scale * factor));
      view.x = x - (px - width / 2) / view.scale;
      view.y = y + (py - height / 2) / view.scale;
      moved();
    },
    /** The visible point nearest to a place on the screen, or -1. */
    pick(px, py) {
      if (!grid || !held.count) return -1;
      const [x, y] = toData(px, py), reach = (pointSize() / 2 + 4) / view.scale, g = grid;
      const clamp = (v) => Math.max(0, Math.min(g.side - 1, v | 0));
      let best = -1, nearest = reach * reach;
      for (let row = clamp((y - reach - g.low) / g.h); row <= clamp((y + reach - g.low) / g.h); row++) {
        for (let column = clamp((x - reach - g.left) / g.w); column <= clamp((x + reach - g.left) / g.w); column++) {
          const c = column + g.side * row;
          for (let k = g.start[c]; k < g.start[c + 1]; k++) {
            const i = g.member[k], dx = held.x[i] - x, dy = held.y[i] - y, d = dx * dx + dy * dy;
            if (d < nearest && colour[4 * i + 3] > 0) { nearest = d; best = i; }
          }
        }
      }
      return best;
    },
    /** Marks (1) the visible points within a polygon on the screen. @returns {Uint8Array} */
    inside(polygon) {
      const chosen = new Uint8Array(held.count), corner = polygon.map(([px, py]) => toData(px, py));
      let left = Infinity, right = -Infinity, low = Infinity, high = -Infinity;
      for (const [x, y] of corner) {
        left = Math.min(left, x); right = Math.max(right, x);
        low = Math.min(low, y); high = Math.max(high, y);
      }
      for (let i = 0; i < held.count; i++) {
        const x = held.x[i], y = held.y[i];
        if (x < left || x > right || y < low || y > high || colour[4 * i + 3] === 0) continue;
        let odd = false;
        for (let a = 0, b = corner.length - 1; a < corner.length; b = a++) {
          const [xa, ya] = corner[a], [xb, yb] = corner[b];
          if (ya > y !== yb > y && x < ((xb - xa) * (y - ya)) / (yb - ya) + xa) odd = !odd;
        }
        if (odd) chosen[i] = 1;
      }
      return chosen;
    },
    resize() {
      const box = canvas.parentElement.getBoundingClientRect(), kept = view.scale / view.fitted;
      if (!box.width || !box.height) return;
      ratio = window.devicePixelRatio || 1;
      width = box.width; height = box.height;
      canvas.width = Math.round((width + 2 * MARGIN) * ratio);
      canvas.height = Math.round((height + 2 * MARGIN) * ratio);
      Object.assign(canvas.style, {
        left: `${-MARGIN}px`,
        top: `${-MARGIN}px`,
        width: `${width + 2 * MARGIN}px`,
        height: `${height + 2 * MARGIN}px`,
      });
      const { x, y } = view;
      fit();
      if (kept > 1.001 || kept < 0.999) { view.scale = view.fitted * kept; view.x = x; view.y = y; }
      draw();
    },
    end() {
      cancelAnimationFrame(frame);
      clearTimeout(rest);
      canvas.removeEventListener("webglcontextlost", lost);
      canvas.removeEventListener("webglcontextrestored", restored);
      gl.getExtension("WEBGL_lose_context")?.loseContext();
    },
  };
}
