// What stands near an operating point: neighbours on the front, and the same network with one thing changed.

import { cellText } from "./cells.js";
import { byId, element, redraw } from "./dom.js";
import { difference } from "./format.js";
import { short } from "./look.js";
import { neighbours } from "./pareto.js";

const NEIGHBOURS = 4;

/** @param {NetworkCard} card */
export function drawNeighbours(card) {
  const { model, row } = card;
  const near = neighbours(model.losses, model.front, row, NEIGHBOURS, (other) => card.networkOf(other));
  const lines = near.map((other) => neighbourLine(card, other, changes(model, row, other)));
  const single = variants(card).map(([other, what]) => neighbourLine(card, other, what));
  const head = element(
    "tr",
    {},
    ["Point", "What differs", ...model.objectives.map(({ shortLabel }) => shortLabel)].map((text) => element("th", { scope: "col" }, text)),
  );
  redraw(
    byId("neighbours"),
    element("thead", {}, head),
    element("tbody", {}, lines),
    element(
      "tbody",
      {},
      single.length
        ? element(
            "tr",
            {},
            element("th", { colspan: 2 + model.objectives.length, scope: "rowgroup" }, "Change one thing only"),
          )
        : null,
      single,
    ),
  );
}

/**
 * @param {NetworkCard} card
 * @param {number} other
 * @param {string} what
 */
function neighbourLine(card, other, what) {
  const { model, row } = card;
  const cells = model.objectives.map((column) => {
    const change = column.values[other] - column.values[row];
    const noise = column.name === model.run.quality && model.withinNoise(other, row);
    const better = change === 0 ? "" : change > 0 === (column.direction === "maximize") ? "better" : "worse";
    return element(
      "td",
      { class: `number ${noise ? "noise" : better}` },
      change === 0 ? "same" : difference(change, column.unit),
      noise && change !== 0 ? " ≈" : "",
    );
  });
  return element(
    "tr",
    {},
    element(
      "th",
      { scope: "row" },
      element("button", { type: "button", class: "link", title: model.id(other), onclick: () => card.handlers.select(other) }, model.name(other)),
    ),
    element("td", {}, what),
    cells,
  );
}

/**
 * Per split point and per bits the row of the same network with the nearest exit rate.
 * @param {NetworkCard} card
 * @returns {[number, string][]}
 */
function variants(card) {
  const { points } = card.run;
  const rate = card.model.numbers("exit_rate").values;
  /** @param {number[]} rows */
  const nearest = (rows) =>
    rows.reduce(
      (best, row) =>
        best < 0 || Math.abs(rate[row] - rate[card.row]) < Math.abs(rate[best] - rate[card.row]) ? row : best,
      -1,
    );
  const [own, bits] = [card.split, points.bits[card.row]];
  /** @type {[number, string][]} */
  const found = [];
  for (const other of new Set(
    card.siblings((row) => points.split[row] === own && points.bits[row] !== bits).map((row) => points.bits[row]),
  )) {
    found.push([
      nearest(card.siblings((row) => points.split[row] === own && points.bits[row] === other)),
      `${other} bits per value`,
    ]);
  }
  for (const step of [-1, 1]) {
    const rows = card.siblings(
      (row) => points.split[row] === own + step && (points.bits[row] === bits || !points.bits[row] || !bits),
    );
    if (rows.length)
      found.push([nearest(rows), `cut ${step < 0 ? "one earlier" : "one later"}, ${card.run.splitNames[own + step]}`]);
  }
  return found;
}

/**
 * In which parts of the configuration two rows differ.
 * @param {Model} model
 * @param {number} row
 * @param {number} other
 */
function changes(model, row, other) {
  const names = ["backbone", "network", "split_point", "payload_bits", "edge_weight_bits", "confidence_threshold"];
  const differing = names
    .flatMap((name) => model.metric(name) ?? [])
    .filter((column) => cellText(column, row) !== cellText(column, other));
  const densities = [...model.columns.values()]
    .filter(({ name }) => name.startsWith("density:"))
    .some((column) => cellText(column, row) !== cellText(column, other));
  const words = differing
    .filter(({ name }) => name !== "network")
    .map((column) => `${column.label.toLowerCase()} ${short(cellText(column, other), 22)}`);
  if (densities) words.unshift("densities");
  else if (differing.some(({ name }) => name === "network")) words.unshift("network");
  return words.join(", ") || "equal configuration";
}
