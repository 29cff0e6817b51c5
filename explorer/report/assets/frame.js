// What surrounds the scatter's points: axes or a cube, references, the chosen and the opened point.

import { svg } from "./dom.js";
import { axisTitle, short, textWidth, title } from "./look.js";
import { seriesMarks } from "./series.js";

export const MARGIN = { left: 64, right: 16, top: 14, bottom: 46 };

/**
 * Draw the frame over a plot whose points are placed.
 * @param {Scatter} plot
 * @param {number} width
 * @param {number} height
 * @param {Column} x
 * @param {Column} y
 */
export function drawFrame(plot, width, height, x, y) {
  const { left, top, width: w, height: h } = plot.box;
  plot.overlay.setAttribute("viewBox", `0 0 ${width} ${height}`);
  /** @type {SVGElement[]} */
  const parts = [];
  if (plot.depth) parts.push(...cube(plot, x, y));
  else {
    const step = w < 420 ? 2 : 1;
    for (const [place, { at, text }] of plot.axes.x.ticks.entries()) {
      const px = left + at * w;
      parts.push(svg("line", { class: "grid", x1: px, x2: px, y1: top, y2: top + h }));
      if (place % step === 0)
        parts.push(svg("text", { x: px, y: top + h + 16, "text-anchor": "middle" }, short(text, 14)));
    }
    for (const { at, text } of plot.axes.y.ticks) {
      const py = top + (1 - at) * h;
      parts.push(svg("line", { class: "grid", x1: left, x2: left + w, y1: py, y2: py }));
      parts.push(svg("text", { x: left - 6, y: py + 4, "text-anchor": "end" }, short(text, 8)));
    }
    parts.push(
      svg(
        "text",
        { class: "axis-title", id: "x-title", x: left + w / 2, y: height - 8, "text-anchor": "middle" },
        axisTitle(x, w),
      ),
    );
    parts.push(
      svg(
        "text",
        {
          class: "axis-title",
          id: "y-title",
          transform: `translate(14 ${top + h / 2}) rotate(-90)`,
          "text-anchor": "middle",
        },
        axisTitle(y, h + MARGIN.top),
      ),
    );
  }
  plot.overlay.replaceChildren(...parts, ...seriesMarks(plot), ...marks(plot, w < 420));
}

/**
 * @param {Scatter} plot
 * @param {Column} x
 * @param {Column} y
 */
function cube(plot, x, y) {
  const { left, top, width: w, height: h } = plot.box;
  /**
   * @param {number} u
   * @param {number} v
   * @param {number} d
   */
  const at = (u, v, d) => {
    const [a, b] = plot.project(u - 0.5, v - 0.5, d - 0.5);
    return [left + a * w, top + (1 - b) * h];
  };
  const edges = [];
  for (const [a, b] of [
    [0, 1],
    [0, 2],
    [0, 4],
    [1, 3],
    [1, 5],
    [2, 3],
    [2, 6],
    [3, 7],
    [4, 5],
    [4, 6],
    [5, 7],
    [6, 7],
  ]) {
    const [from, to] = [a, b].map((corner) => at(corner & 1, (corner >> 1) & 1, corner >> 2));
    edges.push(svg("line", { class: "grid", x1: from[0], y1: from[1], x2: to[0], y2: to[1] }));
  }
  const depth = plot.model.column(plot.state.z);
  /** @type {[number[], Column][]} */
  const names = [
    [at(0.5, -0.08, 0), x],
    [at(-0.08, 0.5, 0), y],
    [at(0, -0.08, 0.5), depth],
  ];
  return edges.concat(
    names.map(([[px, py], column]) =>
      svg("text", { class: "axis-title", x: px, y: py, "text-anchor": "middle" }, `${title(column)} →`),
    ),
  );
}

/**
 * References, the chosen and the selected point.
 * @param {Scatter} plot
 * @param {boolean} narrow
 */
function marks(plot, narrow) {
  const { model, state } = plot;
  const backbone = model.texts("backbone");
  const parts = [];
  /** @param {number} row */
  const around = (row) => [plot.px[row] - 7, plot.py[row] - 7, plot.px[row] + 7, plot.py[row] + 7];
  const marked = [...model.references.map(({ row }) => row), model.chosen, model.rowOf(state.selected)];
  const taken = marked.filter((row) => row >= 0 && plot.inBox(row)).map(around);
  const several = new Set(model.references.map(({ row }) => backbone.codes[row])).size > 1;
  for (const { row, names } of model.references) {
    if (!plot.inBox(row)) continue;
    const [px, py] = [plot.px[row], plot.py[row]];
    const name = several ? `${names} (${backbone.levels[backbone.codes[row]]})` : names;
    parts.push(svg("path", { class: "reference", d: `M${px} ${py - 8}l8 8l-8 8l-8 -8z` }, svg("title", {}, name)));
    if (!narrow) parts.push(label(plot, name, px, py, taken));
  }
  if (model.chosen >= 0)
    parts.push(svg("path", { class: "chosen", d: star(plot.px[model.chosen], plot.py[model.chosen], 9) }));
  const selected = model.rowOf(state.selected);
  if (selected >= 0)
    parts.push(svg("circle", { class: "selected", cx: plot.px[selected], cy: plot.py[selected], r: 11 }));
  return parts;
}

/**
 * A reference's name beside it, where no other name or reference stands; none where there is no such place.
 * @param {Scatter} plot
 * @param {string} name
 * @param {number} px
 * @param {number} py
 * @param {number[][]} taken
 */
function label(plot, name, px, py, taken) {
  const width = textWidth(name);
  const places = [
    [11, 4],
    [-11 - width, 4],
    [-width / 2, -13],
    [-width / 2, 23],
    [11, -13],
    [-11 - width, -13],
    [11, 20],
    [-11 - width, 20],
  ];
  for (const [dx, dy] of places) {
    const box = [px + dx, py + dy - 11, px + dx + width, py + dy + 3];
    const fits = box[0] >= plot.box.left && box[2] <= plot.box.left + plot.box.width + MARGIN.right && box[1] >= 0;
    if (
      !fits ||
      taken.some((other) => box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1])
    )
      continue;
    taken.push(box);
    return svg("text", { class: "label", x: box[0], y: py + dy }, name);
  }
  return svg("g");
}

/**
 * @param {number} x
 * @param {number} y
 * @param {number} r
 */
function star(x, y, r) {
  const corners = Array.from({ length: 10 }, (_, place) => {
    const [length, angle] = [place % 2 ? r * 0.45 : r, (place * Math.PI) / 5 - Math.PI / 2];
    return `${(x + length * Math.cos(angle)).toFixed(1)} ${(y + length * Math.sin(angle)).toFixed(1)}`;
  });
  return `M${corners.join("L")}Z`;
}
