// Parallel coordinates over objectives and configuration. Dragging along an axis brushes it, several times if
// wished; a click on a brush removes it. Points without a value lie in the axis's "n/a" slot.

import { makeAxis } from "./axis.js";
import { element, fitCanvas, svg } from "./dom.js";
import { axisTitle, lookOf, short } from "./look.js";
import { themeColours } from "./palette.js";

const TOP = 88;
const BOTTOM = 18;
const LEFT = 30;
const RIGHT = 150;
const COSINE = Math.cos((18 * Math.PI) / 180); // titles are turned by so much
const MOST = 200; // pixels of a title, which rises above the axes as far as TOP lets it
const MAX_LINES = 1500;
const REACH = 18;
const ARROWS = { maximize: " ↑", minimize: " ↓", "": "" };

export class Parallel {
  /** @type {Model} */
  model;
  /** @type {string[]} columns with an axis, left to right */
  names;
  /** @type {Axis[]} by axis */
  axes;
  /** @type {number[]} by axis, in pixels */
  x;
  height = 0;
  /** @type {Brushes} */
  brushes;
  /** @type {number[]} rows drawn as lines */
  drawn;

  /**
   * @param {HTMLElement} holder
   * @param {ParallelHandlers} handlers
   */
  constructor(holder, handlers) {
    this.canvas = element("canvas", { class: "layer" });
    this.overlay = svg("svg", {
      class: "layer",
      role: "img",
      "aria-label": "Parallel coordinates; the filter form above does the same as brushing",
    });
    this.holder = holder;
    this.handlers = handlers;
    holder.append(this.canvas, this.overlay);
    this.overlay.addEventListener("pointerdown", (event) => this.press(event));
  }

  /**
   * Columns with an axis: those chosen, else the objectives and what varies of the configuration.
   * @param {Model} model
   * @param {string[]} objectives
   */
  static defaultAxes(model, objectives) {
    const varied = [
      "backbone",
      "pattern",
      "mean_density",
      "split_point",
      "payload_bits",
      "edge_weight_bits",
      "confidence_threshold",
    ].filter((name) => model.metric(name) && varies(model.metric(name), model));
    return [...objectives, ...varied];
  }

  /**
   * @param {Model} model
   * @param {State} state
   */
  draw(model, state) {
    this.model = model;
    this.names = (state.axes || Parallel.defaultAxes(model, state.objectives)).filter((name) =>
      model.columns.has(name),
    );
    this.brushes = state.brushes;
    this.holder.style.minWidth = `${Math.max(this.names.length * 88, 320)}px`;
    const [context, width, height] = fitCanvas(this.canvas);
    this.height = height;
    this.axes = this.names.map((name) =>
      makeAxis(model.column(name), model.listed.length ? this.domainRows() : null),
    );
    const gap = this.names.length > 1 ? (width - LEFT - RIGHT) / (this.names.length - 1) : 0;
    this.x = this.names.map((_, place) => LEFT + place * gap);
    this.drawLines(context, state);
    this.drawAxes(width, height);
  }

  /** Axes span what would be listed without brushes, so that brushing does not move them. */
  domainRows() {
    const { model } = this;
    return [...(model.front.length ? model.front : []), ...model.listed, ...model.references.map(({ row }) => row)];
  }

  /** @param {number} place */
  y(place) {
    return this.height - BOTTOM - place * (this.height - TOP - BOTTOM);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {State} state
   */
  drawLines(context, state) {
    const { model } = this;
    const rows = thinned(model.listed, MAX_LINES);
    const look = lookOf(model.column(state.colour), model.shown);
    this.drawn = rows;
    context.lineWidth = rows.length > 400 ? 0.8 : 1.3;
    context.globalAlpha = rows.length > 400 ? 0.5 : rows.length > 100 ? 0.7 : 0.9;
    for (const row of rows) this.line(context, row, look.of(row).colour);
    context.globalAlpha = 1;
    context.lineWidth = 1.3;
    context.setLineDash([5, 4]);
    for (const { row } of model.references) this.line(context, row, themeColours().ink);
    context.setLineDash([]);
    const marked = state.selected === null ? model.chosen : model.rowOf(state.selected);
    context.lineWidth = 3.5;
    if (marked >= 0) this.line(context, marked, themeColours().mark);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {number} row
   * @param {string} colour
   */
  line(context, row, colour) {
    context.strokeStyle = colour;
    context.beginPath();
    this.axes.forEach((axis, place) => {
      const y = this.y(axis.place(row));
      if (place) context.lineTo(this.x[place], y);
      else context.moveTo(this.x[place], y);
    });
    context.stroke();
  }

  /**
   * @param {number} width
   * @param {number} height
   */
  drawAxes(width, height) {
    this.overlay.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const parts = this.names.flatMap((name, place) => {
      const column = this.model.column(name);
      const x = this.x[place];
      const made = [svg("line", { class: "axis", x1: x, x2: x, y1: TOP, y2: height - BOTTOM })];
      made.push(
        svg(
          "text",
          { class: "axis-title", transform: `translate(${x - 4} ${TOP - 12}) rotate(-18)`, "text-anchor": "start" },
          axisTitle({ ...column, label: column.shortLabel }, Math.min((width - x) / COSINE, MOST), ARROWS[column.direction]),
        ),
      );
      const stride = Math.ceil(this.axes[place].ticks.length / 14);
      for (const [number, { at, text }] of this.axes[place].ticks.entries()) {
        if (number % stride) continue;
        made.push(svg("text", { class: "tick", x: x + 5, y: this.y(at) + 4 }, short(text, 13)));
      }
      for (const [number, part] of (this.brushes[name] || []).entries()) {
        for (const [low, high] of this.axes[place].span(part)) {
          made.push(
            svg("rect", {
              class: "brush",
              "data-axis": name,
              "data-part": number,
              x: x - 9,
              width: 18,
              y: this.y(high),
              height: Math.max(this.y(low) - this.y(high), 3),
            }),
          );
        }
      }
      return made;
    });
    this.overlay.replaceChildren(...parts);
  }

  /** @param {MouseEvent} event */
  local(event) {
    const { left, top } = this.overlay.getBoundingClientRect();
    return [event.clientX - left, event.clientY - top];
  }

  /** @param {PointerEvent} event */
  press(event) {
    if (event.button) return;
    const start = this.local(event);
    const place = this.x.findIndex((x) => Math.abs(x - start[0]) < REACH);
    if (place < 0) {
      this.pickLine(start);
      return;
    }
    event.preventDefault();
    this.overlay.setPointerCapture(event.pointerId);
    const rectangle = svg("rect", { class: "brush", x: this.x[place] - 9, width: 18, y: start[1], height: 0 });
    this.overlay.append(rectangle);
    /** @param {PointerEvent} moving */
    const move = (moving) => {
      const y = this.local(moving)[1];
      rectangle.setAttribute("y", String(Math.min(y, start[1])));
      rectangle.setAttribute("height", String(Math.abs(y - start[1])));
    };
    /** @param {PointerEvent} ending */
    const release = (ending) => {
      this.overlay.removeEventListener("pointermove", move);
      rectangle.remove();
      this.released(place, start[1], this.local(ending)[1]);
    };
    this.overlay.addEventListener("pointermove", move);
    this.overlay.addEventListener("pointerup", release, { once: true });
  }

  /**
   * @param {number} place of the axis
   * @param {number} from
   * @param {number} to
   */
  released(place, from, to) {
    const name = this.names[place];
    const parts = this.brushes[name] || [];
    /** @param {number} y */
    const share = (y) => Math.min(Math.max((this.height - BOTTOM - y) / (this.height - TOP - BOTTOM), 0), 1);
    const [low, high] = [share(from), share(to)].sort((a, b) => a - b);
    if (Math.abs(from - to) < 4) {
      const kept = parts.filter((part) => !this.axes[place].span(part).some(([a, b]) => low >= a && high <= b));
      this.handlers.brush(name, kept);
      return;
    }
    const part = this.axes[place].between(low, high);
    if (part.levels && !part.levels.length) return;
    if (part.levels || part.missing || part.low !== null) this.handlers.brush(name, [...parts, part]);
  }

  /** @param {number[]} place in pixels */
  pickLine([x, y]) {
    const right = this.x.findIndex((place) => place > x);
    if (right <= 0) return;
    const share = (x - this.x[right - 1]) / (this.x[right] - this.x[right - 1]);
    /** @param {number} row */
    const height = (row) =>
      this.y(this.axes[right - 1].place(row)) * (1 - share) + this.y(this.axes[right].place(row)) * share;
    let [found, best] = [-1, 10];
    for (const row of this.drawn)
      if (Math.abs(height(row) - y) < best) [found, best] = [row, Math.abs(height(row) - y)];
    if (found >= 0) this.handlers.select(found);
  }
}

/**
 * At most `count` rows, evenly thinned.
 * @param {number[]} rows
 * @param {number} count
 */
export function thinned(rows, count) {
  if (rows.length <= count) return rows;
  return Array.from({ length: count }, (_, place) => rows[Math.floor((place * rows.length) / count)]);
}

/**
 * @param {Column | undefined} column
 * @param {Model} model
 */
function varies(column, { listed }) {
  if (!column || !listed.length) return false;
  const numbers = column.levels ? column.codes : column.values;
  const first = numbers[listed[0]];
  return listed.some((row) => !Object.is(numbers[row], first));
}
