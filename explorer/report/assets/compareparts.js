// Charts of pinned points side by side: densities, latency, memory, classes.

import { element, svg } from "./dom.js";
import { numberText, quantity } from "./format.js";
import { short } from "./look.js";

const [WIDTH, LABEL, TEXT, ROW] = [520, 150, 130, 20];
const MANY_CLASSES = 20;
/** @type {[string, string][]} column and what it is called here */
const LATENCIES = [
  ["latency_exit_s", "answered on the edge"],
  ["latency_offload_s", "sent"],
  ["latency_model_s", "expected"],
];

/**
 * Horizontal bars on one scale, in blocks, with a line at a limit.
 * @param {BarBlock[]} blocks
 * @param {number} highest value at the right end
 * @param {{ at: number, text: string } | null} limit
 * @param {string} said what the chart is
 */
function bars(blocks, highest, limit, said) {
  const scale = (/** @type {number} */ value) => (Math.min(value / highest, 1) || 0) * (WIDTH - LABEL - TEXT);
  const parts = [];
  let y = limit ? 18 : 4;
  const top = y;
  for (const { title, rows } of blocks) {
    if (title) parts.push(svg("text", { class: "axis-title", x: 0, y: y + 14 }, short(title, 70)));
    if (title) y += ROW;
    for (const { label, value, text, colour } of rows) {
      parts.push(
        svg("text", { x: 8, y: y + 14 }, short(label, 22)),
        svg("rect", { x: LABEL, y: y + 4, width: Math.max(scale(value), value > 0 ? 1.5 : 0), height: ROW - 8, fill: colour }),
        svg("text", { class: "label", x: LABEL + scale(value) + 5, y: y + 14 }, text),
      );
      y += ROW;
    }
    y += 6;
  }
  if (limit && limit.at <= highest) {
    const x = LABEL + scale(limit.at);
    parts.push(
      svg("line", { class: "limit", x1: x, x2: x, y1: top - 4, y2: y }),
      svg("text", { class: "label", x, y: 12, "text-anchor": "middle" }, limit.text),
    );
  } else if (limit) parts.push(svg("text", { class: "label", x: LABEL, y: 12 }, `${limit.text}, to the right of this axis`));
  const words = blocks.flatMap(({ title, rows }) => rows.map(({ label, text }) => `${title} ${label} ${text}`));
  return svg(
    "svg",
    { class: "chart compared", viewBox: `0 0 ${WIDTH} ${y + 4}`, role: "img", "aria-label": `${said}: ${words.join("; ")}` },
    parts,
  );
}

/**
 * Share of kept connections of each junction that one of the networks has.
 * @param {Run} run
 * @param {Pin[]} pins
 */
export function densityBars({ networks, splits, points }, pins) {
  const densities = pins.map(({ row }) => networks.densities[splits.network[points.split[row]]]);
  const junctions = [...new Set(densities.flatMap((own) => Object.keys(own)))];
  if (!junctions.length) return "No sparse junction.";
  const blocks = junctions.map((title) => ({
    title,
    rows: pins.flatMap(({ letter, colour }, place) => {
      const value = densities[place][title];
      return value === undefined ? [] : [{ label: letter, value, text: numberText(value), colour }];
    }),
  }));
  return bars(blocks, 1, null, "Density");
}

/**
 * Latency of a sample that exits, of one that is sent, and expected.
 * @param {Model} model
 * @param {Pin[]} pins
 */
export function latencyBars(model, pins) {
  const blocks = pins.map(({ row, letter, colour, name }) => ({
    title: `${letter} ${name}`,
    rows: LATENCIES.flatMap(([column, label]) => {
      const value = model.numbers(column).values[row];
      return Number.isNaN(value) ? [] : [{ label, value, text: quantity(value, "s"), colour }];
    }),
  }));
  const highest = Math.max(...blocks.flatMap(({ rows }) => rows.map(({ value }) => value)));
  if (!(highest > 0)) return "The profiles do not know enough for a latency.";
  const at = model.setting.deadline_s;
  const limit = at === null ? null : { at, text: `deadline ${quantity(at, "s")}` };
  return bars(blocks, extent(highest, at), limit, "Latency, modelled");
}

/**
 * Flash and RAM of the edge part against what the device has.
 * @param {Model} model
 * @param {Pin[]} pins
 */
export function memoryBars(model, pins) {
  const { edge } = model.setting;
  /** @type {[string, string, number | null][]} */
  const kinds = [
    ["edge_flash_bytes", "Flash", edge.flash_bytes],
    ["edge_ram_bytes", "RAM", edge.ram_bytes],
  ];
  const charts = kinds.map(([column, title, at]) => {
    const { values } = model.numbers(column);
    const rows = pins.map(({ row, letter, colour }) => {
      const share = at === null ? "" : `, ${Number(((100 * values[row]) / at).toPrecision(2))} %${values[row] <= at ? "" : ": does not fit"}`;
      return { label: letter, value: values[row], text: `${quantity(values[row], "B")}${share}`, colour };
    });
    const highest = Math.max(...rows.map(({ value }) => value), 1);
    const limit = at === null ? null : { at, text: `${quantity(at, "B")} of ${title}` };
    return bars([{ title: `${title}${at === null ? ", the device's is not known" : ""}`, rows }], extent(highest, at), limit, title);
  });
  return element("div", {}, charts);
}

/**
 * End of an axis: with its limit where that leaves bars to be seen.
 * @param {number} highest
 * @param {number | null} limit
 */
const extent = (highest, limit) => (limit !== null && limit < 5 * highest ? Math.max(1.1 * limit, highest) : highest);

/**
 * Share of each class that is answered right, the worst first where there are many.
 * @param {Run} run
 * @param {Pin[]} pins
 */
export function recallTable({ classes }, pins) {
  const known = keptPins(classes, pins);
  if (!known.length) return "Kept for points of the run's front and references.";
  const { names, samples, right } = classes;
  const lines = names.map((title, label) => {
    const recalls = known.map(({ kept }) => right[kept * names.length + label] / samples[label]);
    return { title, label, recalls, worst: Math.min(...recalls) };
  });
  const shown = names.length > MANY_CLASSES ? lines.sort((a, b) => a.worst - b.worst).slice(0, MANY_CLASSES) : lines;
  const body = shown.map(({ title, label, recalls }) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, title),
      element("td", { class: "number" }, numberText(samples[label])),
      recalls.map((share, place) => element("td", { class: "number", style: under(share, known[place].colour) }, quantity(share, "%"))),
    ),
  );
  const titles = ["samples", ...known.map(({ letter }) => letter)].map((text) => element("th", { scope: "col", class: "number" }, text));
  const head = element("tr", {}, element("th", { scope: "col" }, "class"), titles);
  return element("table", { class: "recall" }, element("thead", {}, head), element("tbody", {}, body));
}

/**
 * A bar along the lower end of a cell.
 * @param {number} share
 * @param {string} colour
 */
const under = (share, colour) =>
  `background:linear-gradient(${colour},${colour}) no-repeat 0 100% / ${(100 * share || 0).toFixed(1)}% 3px`;

/**
 * A confusion matrix each, darker where there are more samples of a class.
 * @param {Run} run
 * @param {Pin[]} pins
 */
export function confusionTables({ classes }, pins) {
  const { confusion, names, samples } = classes;
  if (!confusion) return [];
  return keptPins(classes, pins).map(({ kept, letter, name }) => {
    const lines = names.map((title, label) => {
      const start = (kept * names.length + label) * names.length;
      const cells = Array.from(confusion.subarray(start, start + names.length), (value, answered) => {
        const share = Math.round((100 * value) / (samples[label] || 1));
        const shade = `background:color-mix(in srgb, var(${answered === label ? "--accent" : "--mark"}) ${Math.min(share, 55)}%, var(--surface))`;
        return element("td", { class: "number", style: value ? shade : null }, value ? numberText(value) : "");
      });
      return element("tr", {}, element("th", { scope: "row" }, title), cells);
    });
    const head = element("tr", {}, element("th", { scope: "col" }, "class, answered"), names.map((title) => element("th", { scope: "col", class: "number" }, title)));
    const table = element("table", { class: "confusion" }, element("caption", {}, `${letter} ${name}`), element("thead", {}, head), element("tbody", {}, lines));
    const label = `Confusion of ${letter}`;
    return element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, table);
  });
}

/**
 * Pins whose classes are here, with their place among those that are.
 * @param {Run["classes"]} classes
 * @param {Pin[]} pins
 */
function keptPins({ rows }, pins) {
  return pins.map((pin) => ({ ...pin, kept: rows.indexOf(pin.row) })).filter(({ kept }) => kept >= 0);
}
