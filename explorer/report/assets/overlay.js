// Quality and exit rate of pinned points against the confidence threshold, one curve each, over each other.

import { element, svg } from "./dom.js";
import { quantity } from "./format.js";
import { thresholdSteps } from "./siblings.js";

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [520, 190, 54, 26, 20, 34];
const DASHES = ["none", "7 3", "2 3", "9 3 2 3"];

/**
 * @param {Model} model
 * @param {Pin[]} pins
 */
export function overlaidThresholds(model, pins) {
  const rate = model.numbers("exit_rate").values;
  const curves = pins.map((pin) => {
    const { rows, steps } = thresholdSteps(model, pin.row);
    const { share } = model.quality(pin.row);
    return { pin, own: steps[rows.indexOf(pin.row)], steps, share, rate: rate[pin.row] };
  });
  const lowest = Math.min(...curves.flatMap(({ steps, share }) => [share, ...steps.map(({ accuracy }) => accuracy)]));
  const floor = Math.max(Math.floor(20 * lowest) / 20, 0);
  const quality = model.numbers(model.run.quality).shortLabel;
  return element(
    "div",
    {},
    chart(quality, floor, curves.map((own) => ({ ...own, level: own.share, of: (step) => step.accuracy }))),
    chart("Exit rate", 0, curves.map((own) => ({ ...own, level: own.rate, of: (step) => step.exitRate }))),
  );
}

/**
 * @param {string} title
 * @param {number} floor lowest share of the axis
 * @param {ThresholdCurve[]} curves
 */
function chart(title, floor, curves) {
  /** @param {number} threshold */
  const x = (threshold) => LEFT + threshold * (WIDTH - LEFT - RIGHT);
  /** @param {number} share */
  const y = (share) => TOP + ((1 - share) / (1 - floor || 1)) * (HEIGHT - TOP - BOTTOM);
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  const parts = ticks.flatMap((tick) => [
    svg("line", { class: "grid", x1: x(tick), x2: x(tick), y1: TOP, y2: HEIGHT - BOTTOM }),
    svg("text", { x: x(tick), y: HEIGHT - BOTTOM + 15, "text-anchor": "middle" }, tick),
    svg("text", { x: LEFT - 5, y: y(floor + (1 - floor) * tick) + 4, "text-anchor": "end" }, quantity(floor + (1 - floor) * tick, "%")),
  ]);
  for (const { pin, own, steps, level, of } of curves) {
    const line = { fill: "none", stroke: pin.colour, "stroke-width": 2, "stroke-dasharray": DASHES[pin.place] };
    const middle = (/** @type {number} */ place) => (place + 1 < steps.length ? (steps[place].threshold + steps[place + 1].threshold) / 2 : 1);
    const path = steps.length > 1 ? steps.map((step, place) => `${place ? "V" : `M${x(0)} `}${y(of(step))}H${x(middle(place))}`).join("") : `M${x(0)} ${y(level)}H${x(1)}`;
    parts.push(svg("path", { ...line, d: path }));
    if (steps.length > 1 && own) parts.push(svg("circle", { cx: x(own.threshold), cy: y(level), r: 5, fill: pin.colour, class: "at" }));
  }
  parts.push(...letters(curves, x(1) + 5, y));
  const said = curves.map(({ pin, level }) => `${pin.letter} ${quantity(level, "%")}`).join(", ");
  parts.push(
    svg("text", { class: "axis-title", x: LEFT, y: 12 }, title),
    svg("text", { class: "axis-title", x: x(0.5), y: HEIGHT - 4, "text-anchor": "middle" }, "Confidence threshold"),
  );
  return svg("svg", { class: "chart compared", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": `${title}: ${said}` }, parts);
}

/**
 * Letters at the right end of the curves, moved apart where they would overlap.
 * @param {ThresholdCurve[]} curves
 * @param {number} x
 * @param {(share: number) => number} y
 */
function letters(curves, x, y) {
  const ends = curves.map(({ pin, steps, level, of }) => ({
    letter: pin.letter,
    at: y(steps.length > 1 ? of(steps[steps.length - 1]) : level),
  }));
  let free = 0;
  return ends
    .sort((a, b) => a.at - b.at)
    .map(({ letter, at }) => {
      const place = Math.max(at + 4, free);
      free = place + 12;
      return svg("text", { class: "label", x, y: place }, letter);
    });
}
