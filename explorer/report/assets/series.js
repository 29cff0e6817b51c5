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

const OFFERED = 100; // points of a series that one can choose from

/**
 * How the state keeps a pinned point of a series; no point of a run is called so.
 * @param {OtherSeries} series
 * @param {number} place
 */
const idOf = ({ name }, place) => `other:${place}:${name}`;

/**
 * What a point of a series has in its columns.
 * @param {OtherSeries} series
 * @param {number} place
 */
const valuesOf = ({ columns }, place) =>
  Object.fromEntries(Object.entries(columns).map(([name, values]) => [name, values[place]]));

/**
 * @param {OtherSeries} series
 * @param {number} place
 */
const nameOf = ({ name, labels }, place) => `${name}: ${labels[place] || `point ${place + 1}`}`;

/**
 * Points of somebody else that can be pinned, by series: those with values in two columns that the run has, too.
 * @param {Model} model
 * @returns {ChoiceGroups}
 */
export function seriesChoices(model) {
  return (model.run.series ?? []).map((series) => {
    const known = series.labels.map((_, place) => place).filter((place) => comparable(model, valuesOf(series, place)));
    /** @type {[string, string][]} */
    const options = known.slice(0, OFFERED).map((place) => [idOf(series, place), short(nameOf(series, place), 60)]);
    const more = known.length > OFFERED ? `, the first ${OFFERED}` : "";
    return [short(`${series.name} (not of this run${more})`, 60), options];
  });
}

/**
 * The pinned point of a series; undefined where the series is there no longer.
 * @param {Model} model
 * @param {string} id
 */
export function seriesPin(model, id) {
  const series = (model.run.series ?? []).find((own) => id.endsWith(`:${own.name}`) && own.labels.some((_, place) => idOf(own, place) === id));
  if (!series) return undefined;
  const place = Number(id.split(":")[1]);
  const values = valuesOf(series, place);
  return comparable(model, values) ? { values, name: nameOf(series, place) } : undefined;
}

/**
 * @param {Model} model
 * @param {Record<string, number | null>} values
 */
const comparable = (model, values) =>
  Object.entries(values).filter(([name, value]) => value !== null && model.metric(name)?.values).length >= 2;

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
