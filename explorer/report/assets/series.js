// Points of somebody else in the scatter: triangles beside the run's own points, with a swatch in the legend.

import { element, svg } from "./dom.js";
import { short } from "./look.js";
import { groupColour } from "./palette.js";

const TRIANGLE = "M0-6L5.5 4h-11z";

/**
 * Marks of every point that has a value on both axes and lies within them; none in three dimensions.
 * @param {Scatter} plot
 */
export function seriesMarks(plot) {
  const { axes, box, model, state } = plot;
  if (plot.depth) return [];
  return (model.run.series ?? []).flatMap(({ name, labels, columns }, place) =>
    labels.flatMap((label, row) => {
      const [x, y] = [columns[state.x]?.[row] ?? NaN, columns[state.y]?.[row] ?? NaN];
      const [u, v] = [placed(axes.x, x), placed(axes.y, y)];
      if (!(u >= 0 && u <= 1 && v >= 0 && v <= 1)) return [];
      const at = `translate(${(box.left + u * box.width).toFixed(1)} ${(box.top + (1 - v) * box.height).toFixed(1)})`;
      const look = { class: "series", d: TRIANGLE, fill: groupColour(place + 1), transform: at };
      return [svg("path", look, svg("title", {}, label ? `${name}: ${label}` : name))];
    }),
  );
}

/**
 * Where a value stands on an axis of numbers; NaN on one of texts.
 * @param {Axis} axis
 * @param {number} value
 */
const placed = (axis, value) => {
  const { placeValue } = /** @type {Partial<NumberAxis>} */ (axis);
  return placeValue && Number.isFinite(value) ? placeValue(value) : NaN;
};

/**
 * A swatch per series.
 * @param {Run} run
 */
export function seriesLegend(run) {
  return (run.series ?? []).map(({ name }, place) =>
    element(
      "span",
      { class: "swatch" },
      svg(
        "svg",
        { viewBox: "-7 -7 14 14", width: 14, height: 14, "aria-hidden": "true" },
        svg("path", { d: TRIANGLE, fill: groupColour(place + 1) }),
      ),
      short(`${name} (not of this run)`, 40),
    ),
  );
}
