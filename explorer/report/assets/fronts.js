// Fronts over each other: two columns of several runs in one chart, a mark and a colour for each.

import { makeAxis } from "./axis.js";
import { byId, element, svg } from "./dom.js";
import { unitFor } from "./format.js";
import { short, title } from "./look.js";
import { groupColour } from "./palette.js";

const BOX = { left: 70, right: 30, top: 16, bottom: 50 };
const [NARROW, WIDEST] = [340, 1600]; // pixels
const MARKS = ["M5 0A5 5 0 1 1 5 -0.01Z", "M-4.5-4.5h9v9h-9z", "M0-6L5.5 4h-11z", "M0-6.5L6.5 0L0 6.5L-6.5 0z"];

/**
 * Draw the chart as wide as its place, and a swatch for each front.
 * @param {PlacedFront[]} fronts
 * @param {Metric} across
 * @param {Metric} up
 */
export function drawFronts(fronts, across, up) {
  const holder = byId("overlay");
  const width = Math.min(Math.max(holder.clientWidth, NARROW), WIDEST);
  holder.replaceChildren(frontsChart(fronts, across, up, width));
  byId("overlay-legend").replaceChildren(...fronts.map(swatch));
}

/**
 * @param {PlacedFront[]} fronts
 * @param {Metric} across
 * @param {Metric} up
 * @param {number} width
 */
function frontsChart(fronts, across, up, width) {
  const height = width < 600 ? 320 : 420;
  const columns = [across, up].map((metric) => columnOf(fronts, metric));
  const axes = columns.map((column) => makeAxis(column));
  const [wide, high] = [width - BOX.left - BOX.right, height - BOX.top - BOX.bottom];
  const x = (/** @type {number} */ at) => BOX.left + at * wide;
  const y = (/** @type {number} */ at) => BOX.top + (1 - at) * high;
  let row = 0;
  const marks = fronts.flatMap(({ name, place, columns: own }) =>
    (own[across.name] ?? []).map(() => {
      const at = `translate(${x(axes[0].place(row)).toFixed(1)} ${y(axes[1].place(row)).toFixed(1)})`;
      row++;
      const look = { d: markOf(place), fill: groupColour(place), "fill-opacity": 0.75, transform: at };
      return svg("path", look, svg("title", {}, name));
    }),
  );
  const said = `Fronts of ${fronts.map(({ name }) => name).join(", ")}: ${columns[1].label} against ${columns[0].label}`;
  const size = { viewBox: `0 0 ${width} ${height}`, style: `max-width:${width}px` };
  return svg("svg", { class: "chart", ...size, role: "img", "aria-label": said }, frame(axes, columns, x, y), marks);
}

/** @param {number} place */
const markOf = (place) => MARKS[place % MARKS.length];

/**
 * All values of a metric, front after front, as an axis wants them.
 * @param {PlacedFront[]} fronts
 * @param {Metric} metric
 * @returns {NumberColumn}
 */
function columnOf(fronts, metric) {
  const values = Float64Array.from(fronts.flatMap(({ columns }) => columns[metric.name] ?? []), (value) => value ?? NaN);
  const unit = metric.isShare ? "%" : metric.unit;
  return { ...metric, values, unit, shown: unitFor(values, unit) };
}

/**
 * Grid, ticks and titles.
 * @param {Axis[]} axes across and up
 * @param {NumberColumn[]} columns
 * @param {(at: number) => number} x
 * @param {(at: number) => number} y
 */
function frame(axes, columns, x, y) {
  const [across, up] = columns.map((column) => title(column));
  const step = (x(1) - x(0)) / axes[0].ticks.length < 60 ? 2 : 1; // so that texts do not meet
  const turned = { class: "axis-title", transform: `translate(16 ${y(0.5)}) rotate(-90)`, "text-anchor": "middle" };
  return [
    axes[0].ticks.map(({ at, text }, place) => [
      svg("line", { class: "grid", x1: x(at), x2: x(at), y1: BOX.top, y2: y(0) }),
      place % step ? null : svg("text", { x: x(at), y: y(0) + 17, "text-anchor": "middle" }, text),
    ]),
    axes[1].ticks.map(({ at, text }) => [
      svg("line", { class: "grid", x1: BOX.left, x2: x(1), y1: y(at), y2: y(at) }),
      svg("text", { x: BOX.left - 6, y: y(at) + 4, "text-anchor": "end" }, text),
    ]),
    svg("text", { class: "axis-title", x: x(0.5), y: y(0) + BOX.bottom - 8, "text-anchor": "middle" }, across),
    svg("text", turned, up),
  ].flat(2);
}

/** @param {PlacedFront} front */
const swatch = ({ name, place }) =>
  element(
    "span",
    { class: "swatch" },
    svg(
      "svg",
      { viewBox: "-7 -7 14 14", width: 14, height: 14, "aria-hidden": "true" },
      svg("path", { d: markOf(place), fill: groupColour(place) }),
    ),
    short(name, 40),
  );
