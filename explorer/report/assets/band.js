// A band around the whole front: intervals so wide that, with 95 % probability, all of them hold at once.

import { wilsonInterval } from "./cost.js";

const RISK = 0.05;
const MOST = 400; // more bars than this hide the points

/**
 * Probability that a standard normal number exceeds `z`, for `z` of 1 and more: Laplace's continued fraction.
 * @param {number} z
 */
function upperTail(z) {
  let denominator = z;
  for (let level = 80; level > 0; level--) denominator = z + level / denominator;
  return Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI) / denominator;
}

/**
 * How many standard errors hold for so many points at once (Bonferroni): 1.96 for one, 3.07 for 23, 3.32 for 56.
 * @param {number} count
 */
export function simultaneousZ(count) {
  let [low, high] = [1, 12];
  for (let halving = 0; halving < 60; halving++) {
    const middle = (low + high) / 2;
    if (upperTail(middle) > RISK / (2 * count)) low = middle;
    else high = middle;
  }
  return low;
}

/**
 * The band where the vertical axis shows an accuracy: [row, low, high] of every point on the front; else nothing.
 * @param {Model} model
 * @param {string} name of the vertical column
 * @returns {{ z: number, bars: [number, number, number][] }}
 */
export function frontBand(model, name) {
  const column = model.metric(name);
  const rows = [...model.front];
  const shown = ["accuracy", "accuracy_corrected"].includes(name) && rows.length > 0 && rows.length <= MOST;
  if (!shown || !column || column.levels) return { z: NaN, bars: [] };
  const { networks, splits, points } = model.run;
  const z = simultaneousZ(rows.length);
  const bars = rows.map((row) => {
    const samples = networks.samples[splits.network[points.split[row]]];
    const [low, high] = wilsonInterval(column.values[row] * samples, samples, z);
    return /** @type {[number, number, number]} */ ([row, low, high]);
  });
  return { z, bars };
}

/**
 * What the bars mean.
 * @param {{ z: number, bars: unknown[] }} band
 */
export function bandNote({ z, bars }) {
  if (!bars.length) return "";
  return `Bars: with 95 % probability the true accuracies of all ${bars.length} points on the front lie within them at once (z = ${z.toFixed(2)}, Bonferroni).`;
}
