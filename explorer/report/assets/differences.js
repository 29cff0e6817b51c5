// The table of what pinned points differ in: values of the first, differences of the others to it.

import { cellText } from "./cells.js";
import { element } from "./dom.js";
import { difference, MISSING, numberText, quantity } from "./format.js";
import { title } from "./look.js";
import { differenceInterval } from "./pareto.js";

const CONFIGURATION = ["backbone", "pattern", "split_point", "payload_bits", "confidence_threshold", "mean_density", "epochs"];

/**
 * Head and bodies of the table; a body for each group of columns, so that modelled and measured stay apart.
 * @param {Model} model
 * @param {Pin[]} pins
 */
export function differenceTable(model, pins) {
  const heads = pins.map(({ letter, name }) =>
    element("th", { scope: "col", class: "number", title: name }, `${letter}`, element("span", { class: "range" }, name)),
  );
  const head = element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "Difference to A"), heads));
  const columns = [...model.columns.values()].filter((column) => isShown(model, column, pins));
  const groups = [...new Set(columns.map(({ group }) => group))];
  return [
    head,
    ...groups.map((group) =>
      element(
        "tbody",
        {},
        element("tr", {}, element("th", { colspan: pins.length + 1, scope: "rowgroup" }, group)),
        group === "on validation data" ? chances(model, pins) : null,
        columns.filter((column) => column.group === group).map((column) => line(model, column, pins)),
      ),
    ),
  ];
}

/**
 * Metrics with a value, and what the configuration says of every point; ends of intervals stand beside their means.
 * @param {Model} model
 * @param {Column} column
 * @param {Pin[]} pins
 */
function isShown(model, column, pins) {
  if (column.kind === "configuration") return CONFIGURATION.includes(column.name);
  if (/_ci95_(low|high)$/.test(column.name)) return false;
  return pins.some((pin) => !Number.isNaN(valueOf(column, pin)));
}

/**
 * A number of a pinned point; NaN where it has none.
 * @param {Column | undefined} column
 * @param {Pin} pin
 */
function valueOf(column, { row, values }) {
  if (!column?.values) return NaN;
  return values ? (values[column.name] ?? NaN) : column.values[row];
}

/**
 * A value of a pinned point as a person reads it.
 * @param {Column} column
 * @param {Pin} pin
 */
function textOf(column, pin) {
  if (!pin.values) return cellText(column, pin.row);
  const value = valueOf(column, pin);
  return column.values && !Number.isNaN(value) ? numberText(value / column.shown[0]) : MISSING;
}

/**
 * @param {Model} model
 * @param {Column} column
 * @param {Pin[]} pins
 */
function line(model, column, pins) {
  const cells = pins.map((pin) =>
    element(
      "td",
      { class: "number" },
      textOf(column, pin),
      interval(model, column, pin),
      pin === pins[0] ? null : change(model, column, pin, pins[0]),
    ),
  );
  return element("tr", {}, element("th", { scope: "row" }, title(column)), cells);
}

/**
 * The 95 % interval of a share that has one.
 * @param {Model} model
 * @param {Column} column
 * @param {Pin} pin
 */
function interval(model, column, pin) {
  const ends = ["low", "high"].map((end) => valueOf(model.metric(`${column.name}_ci95_${end}`), pin));
  if (ends.some(Number.isNaN)) return null;
  return element("span", { class: "range" }, `${quantity(ends[0], "%")} to ${quantity(ends[1], "%")}`);
}

/**
 * @param {Model} model
 * @param {Column} column
 * @param {Pin} pin
 * @param {Pin} base
 */
function change(model, column, pin, base) {
  if (!column.values || !column.direction) return null;
  const from = valueOf(column, base);
  const by = valueOf(column, pin) - from;
  if (Number.isNaN(by)) return null;
  const isNoise = column.name === model.run.quality && withinNoise(model, pin, base);
  const kind = isNoise ? "noise" : by > 0 === (column.direction === "maximize") ? "better" : "worse";
  const share = by && column.unit !== "%" && from ? ` (${percent(by / from)})` : "";
  const text = by === 0 ? "same" : `${difference(by, column.unit)}${share}${isNoise ? " ≈" : ""}`;
  return element("span", { class: `change ${by === 0 ? "" : kind}` }, text);
}

/**
 * Whether the quality of two pinned points differs by no more than noise: as points of the run, else where both have an
 * interval by that of the difference. Of samples of somebody else, and how many, nothing more is known.
 * @param {Model} model
 * @param {Pin} pin
 * @param {Pin} base
 */
function withinNoise(model, pin, base) {
  if (!pin.values && !base.values) return model.withinNoise(pin.row, base.row);
  const { quality } = model.run;
  const [own, other] = [pin, base].map((one) => {
    const [share, low, high] = ["", "_ci95_low", "_ci95_high"].map((end) => valueOf(model.metric(`${quality}${end}`), one));
    return { share, low, high };
  });
  const [low, high] = differenceInterval(own, other);
  return low <= 0 && high >= 0;
}

/** @param {number} share */
const percent = (share) => `${share < 0 ? "−" : "+"}${numberText(Math.abs(share) * 100)} %`;

/**
 * Chances by the paired test that equally good points differ so much, where the answers are here.
 * @param {Model} model
 * @param {Pin[]} pins
 */
function chances(model, pins) {
  const found = pins.map(({ row }) => model.paired.chance(pins[0].row, row));
  if (!found.slice(1).some((chance) => chance !== null)) return null;
  const texts = found.map((chance, place) => (place ? (chance === null ? "n/a" : chance.toPrecision(2)) : "–"));
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, "p of the same accuracy as A (McNemar)"),
    texts.map((text) => element("td", { class: "number" }, text)),
  );
}
