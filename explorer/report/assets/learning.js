// How a network learned: its loss by epoch, and the accuracies of output and exits at a few epochs.

import { linearTicks } from "./axis.js";
import { svg } from "./dom.js";
import { numberText } from "./format.js";
import { short } from "./look.js";

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [520, 220, 44, 130, 18, 38];

/**
 * The loss on a scale of its own on the left, accuracies in per cent on the right.
 * @param {LearningCurve} curve
 * @param {string[]} names of the exits in order, then of the output
 */
export function learningChart(curve, names) {
  const { losses, epochs, right, samples } = curve;
  const last = Math.max(losses.length, 2);
  /** @param {number} epoch counted from 1 */
  const x = (epoch) => LEFT + ((epoch - 1) / (last - 1)) * (WIDTH - LEFT - RIGHT);
  const steps = linearTicks(0, Math.max(...losses) || 1, 4);
  const step = steps[1] ?? 1;
  const highest = Math.ceil(Math.max(...losses, step) / step) * step;
  /** @param {number} share of the height */
  const y = (share) => TOP + (1 - share) * (HEIGHT - TOP - BOTTOM);
  /**
   * @param {number[]} at
   * @param {number[]} shares
   */
  const path = (at, shares) =>
    shares.map((share, place) => `${place ? "L" : "M"}${x(at[place]).toFixed(1)} ${y(share).toFixed(1)}`).join("");
  const every = losses.map((_, place) => place + 1);
  const parts = [0, 0.5, 1].flatMap((tick) => [
    svg("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y(tick), y2: y(tick) }),
    svg("text", { class: "tick", x: WIDTH - RIGHT + 4, y: y(tick) + 4 }, epochs.length ? `${tick * 100} %` : ""),
  ]);
  for (let loss = 0; loss <= highest * (1 + 1e-9); loss += step)
    parts.push(svg("text", { x: LEFT - 5, y: y(loss / highest) + 4, "text-anchor": "end" }, numberText(loss)));
  parts.push(svg("path", { class: "curve rate", d: path(every, losses.map((loss) => loss / highest)) }));
  const lines = names.map((name, place) => ({ name, place, shares: right.map((row) => row[place] / samples) }));
  for (const { place, shares } of lines) {
    const kind = place === names.length - 1 ? "curve accuracy" : "curve accuracy exit";
    parts.push(svg("path", { class: kind, d: path(epochs, shares) }));
  }
  parts.push(...labels(lines, y));
  for (const epoch of new Set([1, losses.length]))
    parts.push(svg("text", { x: x(epoch), y: HEIGHT - BOTTOM + 15, "text-anchor": "middle" }, epoch));
  parts.push(
    svg("text", { class: "axis-title rate", x: LEFT, y: 11 }, "loss (dashed)"),
    svg("text", { class: "axis-title", x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, "Epoch"),
  );
  if (epochs.length)
    parts.push(
      svg("text", { class: "axis-title accuracy", x: WIDTH - RIGHT, y: 11, "text-anchor": "end" }, "accuracy"),
    );
  return svg("svg", { class: "chart learning", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": said(lines) }, parts);
}

/**
 * Names at the right end of their lines, moved apart where they would overlap; the best stands on top.
 * @param {{ name: string, shares: number[] }[]} lines
 * @param {(share: number) => number} y
 */
function labels(lines, y) {
  const ends = lines
    .filter(({ shares }) => shares.length)
    .map(({ name, shares }) => ({ name, at: y(shares[shares.length - 1]) }))
    .sort((a, b) => a.at - b.at);
  let free = TOP;
  return ends.map(({ name, at }) => {
    const place = Math.max(at + 4, free);
    free = place + 12;
    return svg("text", { class: "tick", x: WIDTH - RIGHT + 42, y: place }, short(name, 14));
  });
}

/** @param {{ name: string, shares: number[] }[]} lines */
function said(lines) {
  const ends = lines
    .filter(({ shares }) => shares.length)
    .map(({ name, shares }) => `${name} ${(100 * shares[shares.length - 1]).toFixed(1)} %`);
  return `Loss by epoch${ends.length ? `; accuracy at last: ${ends.join(", ")}` : ""}`;
}
