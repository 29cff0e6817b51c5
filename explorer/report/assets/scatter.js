// The scatter of operating points: any two columns (a third in depth), colour, size; drag selects on both axes.

import { makeAxis } from "./axis.js";
import { frontBand } from "./band.js";
import { arrowStep, element, fitCanvas, svg } from "./dom.js";
import { drawFrame, MARGIN } from "./frame.js";
import { lookOf } from "./look.js";
import { drawShape, themeColours } from "./palette.js";

const REACH = 12; // pixels within which the pointer finds a point

export class Scatter {
  /** @type {Model} */
  model;
  /** @type {State} */
  state;
  /** @type {{ x: Axis, y: Axis }} */
  axes;
  /** @type {Axis | null} */
  depth = null;
  /** @type {{ left: number, top: number, width: number, height: number }} */
  box;
  /** @type {Theme} */
  theme;
  /** @type {Look} */
  look;
  /** @type {Float32Array} pixels by row, across and down */
  px;
  /** @type {Float32Array} */
  py;
  /** What `px` and `py` were computed from. */
  placed = "";
  /** @type {(Float64Array | undefined)[]} */
  sources;
  /** @type {(u: number, v: number, w: number) => number[]} */
  project;
  /** @type {number[]} rows drawn in shapes */
  large;
  /** @type {number[]} rows drawn as dots */
  small;
  /** @type {ReturnType<typeof frontBand>} */
  band;

  /**
   * @param {HTMLElement} holder
   * @param {ScatterHandlers} handlers
   */
  constructor(holder, handlers) {
    this.canvas = element("canvas", { class: "layer" });
    this.overlay = svg("svg", {
      class: "layer",
      role: "application",
      tabindex: "0",
      "aria-label": "Scatter of operating points. Arrow keys walk along the front, Enter opens a point.",
    });
    this.tip = element("div", { class: "tip", hidden: true });
    this.holder = holder;
    this.handlers = handlers;
    holder.append(this.canvas, this.overlay, this.tip);
    this.overlay.addEventListener("pointerdown", (event) => this.press(event));
    this.overlay.addEventListener("pointermove", (event) => this.hover(event));
    this.overlay.addEventListener("pointerleave", () => {
      this.tip.hidden = true;
    });
    this.overlay.addEventListener("keydown", (event) => this.key(event));
  }

  /**
   * @param {Model} model
   * @param {State} state
   */
  draw(model, state) {
    this.model = model;
    this.state = state;
    const rows = state.fit ? model.listed.concat(model.references.map(({ row }) => row)) : null;
    const [x, y] = [model.column(state.x), model.column(state.y)];
    this.axes = { x: makeAxis(x, rows, state.logX), y: makeAxis(y, rows, state.logY) };
    this.depth = state.z && model.columns.has(state.z) ? makeAxis(model.column(state.z), rows) : null;
    const [context, width, height] = fitCanvas(this.canvas);
    this.box = {
      left: MARGIN.left,
      top: MARGIN.top,
      width: width - MARGIN.left - MARGIN.right,
      height: height - MARGIN.top - MARGIN.bottom,
    };
    this.theme = themeColours();
    this.place();
    this.drawPoints(context);
    drawFrame(this, width, height, x, y);
  }

  /** Pixels of every row; outside the box they are not drawn. */
  place() {
    const { model, box, axes, depth, state } = this;
    const { x, y, z, logX, logY, fit, turn } = state;
    const key = JSON.stringify([x, y, z, logX, logY, turn, box, fit && model.listed.length]);
    const sources = [x, y, z].map((name) => model.columns.get(name)?.values);
    if (this.placed === key && !fit && sources.every((source, place) => source === this.sources[place])) return;
    this.placed = key;
    this.sources = sources;
    this.px = new Float32Array(model.size);
    this.py = new Float32Array(model.size);
    const [turnA, turnB] = this.state.turn;
    const [cosA, sinA, cosB, sinB] = [Math.cos(turnA), Math.sin(turnA), Math.cos(turnB), Math.sin(turnB)];
    for (let row = 0; row < model.size; row++) {
      let [u, v] = [axes.x.place(row), axes.y.place(row)];
      if (depth) [u, v] = project(u - 0.5, v - 0.5, depth.place(row) - 0.5);
      this.px[row] = box.left + u * box.width;
      this.py[row] = box.top + (1 - v) * box.height;
    }
    /**
     * @param {number} u
     * @param {number} v
     * @param {number} w
     */
    function project(u, v, w) {
      const [a, b] = [u * cosA - w * sinA, u * sinA + w * cosA];
      return [0.5 + a * 0.68, 0.5 + (v * cosB - b * sinB) * 0.68];
    }
    this.project = project;
  }

  /** @param {number} row */
  inBox(row) {
    const { left, top, width, height } = this.box;
    return (
      this.px[row] >= left - 1 &&
      this.px[row] <= left + width + 1 &&
      this.py[row] >= top - 1 &&
      this.py[row] <= top + height + 1
    );
  }

  /**
   * Small dots for what is not on the front, one per pixel; then the front in shapes.
   * @param {CanvasRenderingContext2D} context
   */
  drawPoints(context) {
    const { model, state, theme } = this;
    this.look = lookOf(model.column(state.colour), model.shown);
    const wide = Math.ceil(this.canvas.clientWidth + 1);
    const taken = new Uint8Array(wide * Math.ceil(this.canvas.clientHeight + 1));
    /** @type {number[][]} dominated, infeasible, listed all the same */
    const dots = [[], [], []];
    const isListed = new Uint8Array(model.size);
    for (const row of model.listed) isListed[row] = 1;
    this.large = [];
    const { left, onFront, violation } = model;
    const { px, py } = this;
    for (let row = 0; row < left.length; row++) {
      if (!left[row] || !this.inBox(row)) continue;
      if (onFront[row]) this.large.push(row);
      else {
        const cell = (py[row] | 0) * wide + (px[row] | 0);
        if (taken[cell]) continue;
        taken[cell] = 1;
        dots[isListed[row] ? 2 : violation[row] > 0 ? 1 : 0].push(row);
      }
    }
    this.small = dots.flat();
    /**
     * @param {number} row
     * @param {number} size
     */
    const dot = (row, size) => context.fillRect(this.px[row] - size / 2, this.py[row] - size / 2, size, size);
    context.fillStyle = theme.faint;
    for (const row of dots[1]) dot(row, 2);
    context.fillStyle = theme.grey;
    for (const row of dots[0]) dot(row, 2.5);
    for (const row of dots[2]) {
      context.fillStyle = this.look.of(row).colour;
      dot(row, 3);
    }
    this.drawBand(context);
    this.drawLarge(context);
  }

  /**
   * Bars behind the front: where the true accuracies of all its points lie at once.
   * @param {CanvasRenderingContext2D} context
   */
  drawBand(context) {
    const { box, axes, depth } = this;
    const vertical = /** @type {NumberAxis} */ (axes.y); // an accuracy where there are bars
    this.band = depth ? { z: NaN, bars: [] } : frontBand(this.model, this.state.y);
    context.strokeStyle = this.theme.faint;
    context.lineWidth = 5;
    /** @param {number} value */
    const down = (value) => box.top + (1 - Math.min(Math.max(vertical.placeValue(value), 0), 1)) * box.height;
    for (const [row, low, high] of this.band.bars) {
      if (!this.inBox(row)) continue;
      context.beginPath();
      context.moveTo(this.px[row], down(low));
      context.lineTo(this.px[row], down(high));
      context.stroke();
    }
  }

  /** @param {CanvasRenderingContext2D} context */
  drawLarge(context) {
    const { model, state, theme } = this;
    const size =
      state.size && model.columns.has(state.size) ? makeAxis(model.column(state.size), model.shown) : null;
    context.lineWidth = 0.75;
    context.strokeStyle = theme.surface;
    const many = this.large.length > 150; // outlines of a crowd would hide it
    const plain = this.large.length > 2000 ? 2 : many ? 3.2 : 4.2;
    for (const row of this.large) {
      const { colour, shape, hollow } = this.look.of(row);
      const r = size ? 2.5 + 6 * Math.min(Math.max(size.place(row), 0), 1) : plain;
      drawShape(context, shape, this.px[row], this.py[row], r);
      context.fillStyle = context.strokeStyle = colour;
      if (hollow) context.stroke();
      else {
        context.fill();
        context.strokeStyle = theme.surface;
        if (!many) context.stroke();
      }
    }
  }

  /** @param {MouseEvent} event */
  local(event) {
    const { left, top } = this.overlay.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  /** @param {number[]} place in pixels */
  nearest([x, y]) {
    /** @param {number[]} rows */
    const closest = (rows) => {
      let [found, best] = [-1, REACH ** 2];
      for (const row of rows) {
        const distance = (this.px[row] - x) ** 2 + (this.py[row] - y) ** 2;
        if (distance < best) [found, best] = [row, distance];
      }
      return found;
    };
    const marked = this.model.references
      .map(({ row }) => row)
      .concat(this.model.chosen >= 0 ? [this.model.chosen] : []);
    const found = closest(this.large.concat(marked));
    return found >= 0 ? found : closest(this.small);
  }

  /** @param {PointerEvent} event */
  hover(event) {
    if (event.buttons) return;
    const at = this.local(event);
    const row = this.nearest(at);
    this.tip.hidden = row < 0;
    if (row < 0) return;
    this.tip.replaceChildren(...this.handlers.text(row).map((line, place) => element(place ? "div" : "b", {}, line)));
    const wide = this.holder.clientWidth;
    this.tip.style.left = `${Math.min(at[0] + 14, wide - 250)}px`;
    this.tip.style.top = `${at[1] + 14}px`;
  }

  /** @param {PointerEvent} event */
  press(event) {
    if (event.button) return;
    this.overlay.setPointerCapture(event.pointerId);
    const start = this.local(event);
    const turn = [...this.state.turn];
    const rectangle = svg("rect", { class: "lasso" });
    /** @param {PointerEvent} moving */
    const move = (moving) => {
      const now = this.local(moving);
      if (this.depth) {
        this.handlers.turn([turn[0] + (now[0] - start[0]) / 150, turn[1] + (now[1] - start[1]) / 150]);
        return;
      }
      if (!rectangle.isConnected) this.overlay.append(rectangle);
      const [x, y] = [Math.min(start[0], now[0]), Math.min(start[1], now[1])];
      for (const [name, value] of Object.entries({
        x,
        y,
        width: Math.abs(now[0] - start[0]),
        height: Math.abs(now[1] - start[1]),
      }))
        rectangle.setAttribute(name, String(value));
    };
    /** @param {PointerEvent} ending */
    const release = (ending) => {
      this.overlay.removeEventListener("pointermove", move);
      rectangle.remove();
      const end = this.local(ending);
      const moved = Math.hypot(end[0] - start[0], end[1] - start[1]);
      if (moved < 5) {
        const row = this.nearest(end);
        if (row >= 0) this.handlers.select(row);
      } else if (!this.depth) this.handlers.brush(this.brushes(start, end));
    };
    this.overlay.addEventListener("pointermove", move);
    this.overlay.addEventListener("pointerup", release, { once: true });
  }

  /**
   * @param {number[]} start
   * @param {number[]} end
   */
  brushes(start, end) {
    const { left, top, width, height } = this.box;
    /**
     * @param {number} value
     * @param {number} low
     * @param {number} size
     */
    const share = (value, low, size) => Math.min(Math.max((value - low) / size, 0), 1);
    const u = [start[0], end[0]].map((value) => share(value, left, width)).sort((a, b) => a - b);
    const v = [start[1], end[1]].map((value) => 1 - share(value, top, height)).sort((a, b) => a - b);
    return { [this.state.x]: this.axes.x.between(u[0], u[1]), [this.state.y]: this.axes.y.between(v[0], v[1]) };
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const step = arrowStep(event);
    if (!step && event.key !== "Enter") return;
    event.preventDefault();
    const walk = [...this.large].sort((a, b) => this.px[a] - this.px[b] || this.py[b] - this.py[a]);
    const selected = this.model.rowOf(this.state.selected);
    const now = walk.indexOf(selected >= 0 ? selected : this.model.chosen);
    if (step) this.handlers.select(walk[Math.min(Math.max(now + step, 0), walk.length - 1)], false);
    else if (selected >= 0) this.handlers.select(selected, true);
  }
}
