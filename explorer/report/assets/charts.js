// Small SVG charts: bars side by side, and step curves over a threshold with a handle to drag.

import { arrowStep, svg } from "./dom.js";
import { short } from "./look.js";

/**
 * Horizontal bars, one row per name; several series side by side in their own columns and scales.
 * @param {string[]} names
 * @param {Series[]} series
 * @param {number} marked place of the row to mark
 * @param {(line: number) => void} select
 */
export function barTable(names, series, marked, select) {
  const [row, label, gap, top] = [24, 104, 8, 26];
  const wide = 150;
  const width = label + series.length * (wide + gap);
  const height = top + names.length * row + 4;
  const parts = series.map(({ title }, place) =>
    svg("text", { class: "axis-title", x: label + place * (wide + gap), y: 14 }, title),
  );
  names.forEach((name, line) => {
    const y = top + line * row;
    const act = select && {
      tabindex: 0,
      role: "button",
      onclick: () => select(line),
      onkeydown: (/** @type {KeyboardEvent} */ event) => event.key === "Enter" && select(line),
    };
    const group = svg("g", { class: line === marked ? "bar-row marked" : "bar-row", ...(act || {}) });
    group.append(
      svg("rect", { class: "bar-back", x: 0, y, width, height: row }),
      svg("text", { x: 4, y: y + 16 }, `${line === marked ? "▸ " : ""}${short(name, 18)}`),
    );
    series.forEach(({ values, texts, highest }, place) => {
      const x = label + place * (wide + gap);
      const share = Number.isFinite(values[line]) && highest > 0 ? values[line] / highest : 0;
      group.append(
        svg("rect", {
          class: `bar series-${place}`,
          x,
          y: y + 5,
          width: Math.max(share * (wide - 80), share > 0 ? 1.5 : 0),
          height: row - 10,
        }),
      );
      group.append(
        svg("text", { class: "bar-text", x: x + Math.max(share * (wide - 80), 0) + 5, y: y + 16 }, texts[line]),
      );
    });
    parts.push(group);
  });
  return svg(
    "svg",
    {
      class: "chart",
      viewBox: `0 0 ${width} ${height}`,
      style: `min-width:${Math.min(width, 460)}px;max-width:${width}px`,
      role: "img",
      "aria-label": `Bars: ${series.map(({ title }) => title).join(", ")} for ${names.join(", ")}`,
    },
    parts,
  );
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
    svg(
      "text",
      { x: left - 5, y: yAccuracy(lowest + (1 - lowest) * tick) + 4, "text-anchor": "end" },
      `${((lowest + (1 - lowest) * tick) * 100).toFixed(1)} %`,
    ),
  ]);
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
  const chart = svg("svg", { class: "chart threshold", viewBox: `0 0 ${width} ${height}` }, parts, handle);
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
