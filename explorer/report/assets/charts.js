// Small charts: a table with bars, and step curves over a threshold with a handle to drag.

import { linearTicks } from "./axis.js";
import { arrowStep, element, svg } from "./dom.js";
import { numberText, quantity } from "./format.js";

/**
 * A table with a bar in each cell: a row per name, a column and a scale per series.
 * @param {string} what the names are
 * @param {string[]} names
 * @param {Series[]} series
 * @param {number} marked place of the row to mark
 * @param {(line: number) => void} select called with the place of a row that a reader chooses
 */
export function barTable(what, names, series, marked, select) {
  const head = [what, ...series.map(({ title }) => title)].map((title) => element("th", { scope: "col" }, title));
  const lines = names.map((name, line) => {
    const isMarked = line === marked;
    const button = element("button", { type: "button", class: "link", "aria-current": isMarked && "true" }, name);
    const cells = series.map(({ values, texts, highest }, place) => {
      const share = values[line] > 0 && highest > 0 ? values[line] / highest : 0;
      const width = share > 0 ? `width:${Math.max(48 * share, 1.5).toFixed(1)}px` : "width:0";
      return element("td", {}, element("span", { class: `bar series-${place}`, style: width }), texts[line]);
    });
    const row = { class: isMarked ? "bar-row marked" : "bar-row", onclick: () => select(line) };
    return element("tr", row, element("th", { scope: "row" }, button), cells);
  });
  return element("table", { class: "bars" }, element("thead", {}, element("tr", {}, head)), element("tbody", {}, lines));
}

/**
 * Accuracy and exit rate against the confidence threshold, in steps, with a handle.
 * @param {ThresholdStep[]} steps thresholds ascending
 * @param {number} chosen place in `steps`
 * @param {(place: number) => void} drag called with the place that the handle moved to
 * @param {string} quality what the accuracies of the steps are
 */
export function thresholdChart(steps, chosen, drag, quality) {
  const [width, height, left, right, top, bottom] = [520, 250, 54, 50, 18, 38];
  /** @param {number} threshold */
  const x = (threshold) => left + threshold * (width - left - right);
  const lowest = Math.max(Math.min(...steps.map(({ low }) => low)) - 0.02, 0);
  /** @param {number} share */
  const yAccuracy = (share) => top + ((1 - share) / (1 - lowest || 1)) * (height - top - bottom);
  /** @param {number} share */
  const yRate = (share) => top + (1 - share) * (height - top - bottom);
  /**
   * @param {(share: number) => number} y
   * @param {(step: ThresholdStep) => number} value
   */
  const path = (y, value) =>
    steps
      .map(
        (step, place) =>
          `${place ? "V" : "M"}${place ? y(value(step)) : `${x(0)} ${y(value(step))}`}H${x(place + 1 < steps.length ? (step.threshold + steps[place + 1].threshold) / 2 : 1)}`,
      )
      .join("");
  const band = `${path(yAccuracy, ({ high }) => high)}${[...steps]
    .reverse()
    .map(
      (step, place, all) =>
        `L${x(place ? (all[place - 1].threshold + step.threshold) / 2 : 1)} ${yAccuracy(step.low)}H${x(place + 1 < all.length ? (step.threshold + all[place + 1].threshold) / 2 : 0)}`,
    )
    .join("")}Z`;
  const parts = [0, 0.25, 0.5, 0.75, 1].flatMap((tick) => [
    svg("line", { class: "grid", x1: x(tick), x2: x(tick), y1: top, y2: height - bottom }),
    svg("text", { x: x(tick), y: height - bottom + 15, "text-anchor": "middle" }, tick),
    svg("text", { x: width - right + 5, y: yRate(tick) + 4 }, `${tick * 100} %`),
  ]);
  for (const tick of linearTicks(lowest * 100, 100, 4))
    parts.push(
      svg("line", { class: "grid", x1: left, x2: left - 4, y1: yAccuracy(tick / 100), y2: yAccuracy(tick / 100) }),
      svg("text", { x: left - 5, y: yAccuracy(tick / 100) + 4, "text-anchor": "end" }, `${tick} %`),
    );
  parts.push(
    svg("path", { class: "band", d: band }),
    svg("path", { class: "curve accuracy", d: path(yAccuracy, ({ accuracy }) => accuracy) }),
    svg("path", { class: "curve rate", d: path(yRate, ({ exitRate }) => exitRate) }),
  );
  parts.push(
    svg(
      "text",
      { class: "axis-title", x: (left + width - right) / 2, y: height - 6, "text-anchor": "middle" },
      "Confidence threshold",
    ),
  );
  parts.push(
    svg("text", { class: "axis-title accuracy", x: left, y: 11 }, `${quality} with 95 % interval`),
    svg("text", { class: "axis-title rate", x: width - right, y: 11, "text-anchor": "end" }, "exit rate (dashed)"),
  );
  const at = x(steps[chosen].threshold);
  /** @param {number} place */
  const move = (place) => drag(Math.min(Math.max(place, 0), steps.length - 1));
  const handle = svg(
    "g",
    {
      class: "handle",
      id: "threshold-handle",
      tabindex: 0,
      role: "slider",
      "aria-label": "Confidence threshold",
      "aria-valuemin": 0,
      "aria-valuemax": 1,
      "aria-valuenow": steps[chosen].threshold,
      "aria-valuetext": stepText(steps[chosen], quality),
      onkeydown: (event) => {
        const step = arrowStep(event);
        if (!step) return;
        event.preventDefault();
        move(chosen + step);
      },
    },
    svg("line", { x1: at, x2: at, y1: top, y2: height - bottom }),
    svg("circle", { cx: at, cy: yAccuracy(steps[chosen].accuracy), r: 8 }),
    svg("circle", { class: "second", cx: at, cy: yRate(steps[chosen].exitRate), r: 5 }),
  );
  const about = { role: "group", "aria-label": `${quality} and exit rate against the confidence threshold` };
  const chart = svg("svg", { class: "chart threshold", viewBox: `0 0 ${width} ${height}`, ...about }, parts, handle);
  /** @param {MouseEvent} event */
  const seek = (event) => {
    const box = chart.getBoundingClientRect();
    const threshold = (((event.clientX - box.left) / box.width) * width - left) / (width - left - right);
    let best = 0;
    steps.forEach((step, place) => {
      if (Math.abs(step.threshold - threshold) < Math.abs(steps[best].threshold - threshold)) best = place;
    });
    move(best);
  };
  return { chart, seek };
}

/**
 * What a threshold leads to, for readers who do not see the curves.
 * @param {ThresholdStep} step
 * @param {string} quality
 */
function stepText({ threshold, accuracy, exitRate }, quality) {
  return `${numberText(threshold)}: ${quality} ${quantity(accuracy, "%")}, exit rate ${quantity(exitRate, "%")}`;
}
