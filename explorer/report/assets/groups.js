// The front without its staircases: one row for each network, cut and bits. The same rule as explorer/front/groups.py.

import { scaledLosses } from "./pareto.js";

/**
 * Group the rows of a front; every row is in exactly one group.
 * @param {GroupedFront} grouped
 * @returns {FrontGroup[]} in order of the rows that they show, best quality first
 */
export function frontGroups({ front, losses, costs, quality, cut, threshold, isKnown, alike }) {
  const leader = leaders(front, costs, isKnown, alike);
  const sums = bySum(losses, front);
  /** @type {Map<string, FrontGroup>} */
  const groups = new Map();
  for (const row of front) {
    const own = cut(/** @type {number} */ (leader.get(row)));
    const group = groups.get(own) ?? { shown: -1, steps: [], alike: [] };
    (leader.get(row) === row ? group.steps : group.alike).push(row);
    groups.set(own, group);
  }
  /**
   * @param {(row: number) => number} key
   * @returns {(a: number, b: number) => number}
   */
  const by = (key) => (a, b) => key(a) - key(b) || a - b;
  for (const group of groups.values()) {
    group.shown = [...group.steps].sort(by((row) => /** @type {number} */ (sums.get(row))))[0];
    group.steps.sort(by((row) => (Number.isNaN(threshold(row)) ? 1 : threshold(row))));
  }
  const best = by((row) => (quality ? quality[row] : 0));
  return [...groups.values()].sort((a, b) => best(a.shown, b.shown));
}

/**
 * Per row what leads it, itself where nothing does: the cheapest that is no dearer in anything, and alike.
 * @param {Rows} front
 * @param {Numbers[]} costs losses but the quality's
 * @param {(row: number) => boolean} isKnown
 * @param {(first: number, second: number) => boolean} alike
 * @returns {Map<number, number>}
 */
function leaders(front, costs, isKnown, alike) {
  /** @type {Map<number, number>} */
  const leader = new Map(Array.from(front, (row) => [row, row]));
  if (!costs.length) return leader;
  const sums = bySum(costs, front);
  const order = Array.from(front, (row, place) => ({ row, place, sum: Number(sums.get(row)) })).filter(({ row }) => isKnown(row));
  order.sort((a, b) => a.sum - b.sum || a.place - b.place);
  /** @type {number[]} */
  const leading = [];
  for (const { row } of order) {
    const found = leading.find((other) => costs.every((cost) => cost[other] <= cost[row]) && alike(other, row));
    if (found === undefined) leading.push(row);
    else leader.set(row, found);
  }
  return leader;
}

/**
 * The cheapest row of a front that is alike, no dearer than `row` in anything and cheaper in something; -1 where
 * there is none. The same rule as cheaper_alike in explorer/front/paired.py.
 * @param {number} row
 * @param {Rows} front
 * @param {Numbers[]} costs losses that are known before training
 * @param {(first: number, second: number) => boolean} alike
 */
export function cheaperAlike(row, front, costs, alike) {
  const others = Array.from(front).filter((other) => other !== row);
  const sums = bySum(costs, [row, ...others]);
  /** @param {number} other */
  const isCheaper = (other) =>
    costs.every((cost) => cost[other] <= cost[row]) && costs.some((cost) => cost[other] < cost[row]);
  const cheaper = others.filter(isCheaper).sort((a, b) => Number(sums.get(a)) - Number(sums.get(b)));
  return cheaper.find((other) => alike(row, other)) ?? -1;
}

/**
 * Sum of scaled losses, by row.
 * @param {Numbers[]} losses
 * @param {Rows} rows
 * @returns {Map<number, number>}
 */
function bySum(losses, rows) {
  const scaled = scaledLosses(losses, rows);
  return new Map(Array.from(rows, (row, place) => [row, scaled.reduce((sum, loss) => sum + loss[place], 0)]));
}
