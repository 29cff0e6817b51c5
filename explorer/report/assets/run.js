// The run itself: what its front uses, and plotly's figures, unpacked and drawn only when they come into view.

import { byId, element } from "./dom.js";
import { numberText } from "./format.js";
import { themeColours } from "./palette.js";

/**
 * How often the front uses each backbone, split point, bits and density.
 * @param {Model} model
 */
export function drawUsage(model) {
  const rows = model.front.length ? model.front : model.nearest;
  const counted = [...model.columns.values()].filter((column) =>
    column.name.match(/^(backbone|pattern|split_point|payload_bits|edge_weight_bits|argument:|density:)/),
  );
  const groups = counted.map((column) => {
    /** @type {Map<string | number, number>} */
    const counts = new Map();
    for (const row of rows) {
      const value = column.levels ? column.levels[column.codes[row]] : column.values[row];
      if (value === value) counts.set(value, (counts.get(value) || 0) + 1);
    }
    return {
      column,
      counts: [...counts].sort(([a], [b]) => (typeof a === "number" ? a - Number(b) : 0)),
      most: Math.max(...counts.values(), 1),
    };
  });
  /**
   * @param {string | number} value
   * @param {number} count
   * @param {number} most
   */
  const bar = (value, count, most) => [
    element("dt", {}, typeof value === "number" ? numberText(value) : value),
    element(
      "dd",
      {},
      element("span", { class: "usage-bar", style: `width:${((72 * count) / most).toFixed(1)}%` }),
      ` ${count.toLocaleString("en")}`,
    ),
  ];
  byId("usage").replaceChildren(
    ...groups
      .filter(({ counts }) => counts.length)
      .map(({ column, counts, most }) =>
        element(
          "div",
          {},
          element("h3", {}, column.label),
          element(
            "dl",
            { class: "usage" },
            counts.map(([value, count]) => bar(value, count, most)),
          ),
        ),
      ),
  );
}

/**
 * Draw every figure of the run once the section is near the screen.
 * @param {EmbeddedRun["figures"]} figures
 * @param {object} config
 */
export function drawFiguresWhenSeen(figures, config) {
  const holders = Object.keys(figures).map((id) => byId(id)).filter(Boolean);
  for (const holder of holders) holder.style.height = `${figures[holder.id].layout.height}px`;
  if (!holders.length) return { redraw: () => {}, start: async () => {} };
  let drawn = false;
  /** @type {Map<Element, number>} widths that figures were drawn for; plotly would take 700 pixels out of sight */
  const widths = new Map();
  /** @param {HTMLElement} holder */
  const widthOf = (holder) => Math.floor(holder.getBoundingClientRect().width);
  /** @param {HTMLElement} holder */
  const drawOne = (holder) => {
    const width = widthOf(holder);
    widths.set(holder, width);
    Plotly.react(holder, figures[holder.id].data, { ...themed(figures[holder.id].layout), width }, config);
  };
  const fitting = new ResizeObserver((entries) => {
    const changed = holders.filter((holder) => entries.some(({ target }) => target === holder));
    for (const holder of changed) if (widths.get(holder) !== widthOf(holder)) drawOne(holder);
  });
  const start = async () => {
    observer.disconnect();
    if (drawn) return;
    drawn = true;
    await unpackPlotly();
    for (const holder of holders) {
      drawOne(holder);
      fitting.observe(holder);
    }
  };
  const observer = new IntersectionObserver(
    (entries) => {
      if (entries.some((entry) => entry.isIntersecting)) start();
    },
    { rootMargin: "200px" },
  );
  holders.forEach((holder) => observer.observe(holder));
  return {
    redraw: () => {
      if (window.Plotly) holders.forEach(drawOne);
    },
    start,
  };
}

/** Plotly lies in the page as gzip in base64; the policy knows the hash of its text. */
async function unpackPlotly() {
  const text = atob(byId("plotly").textContent.trim());
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0));
  const unpacked = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const script = element("script");
  script.textContent = await new Response(unpacked).text();
  document.head.append(script);
}

/** @param {FigureLayout} layout */
function themed(layout) {
  const { ink, surface, line } = themeColours();
  /** @param {object | undefined} own */
  const axis = (own) => ({ ...own, gridcolor: line, linecolor: line, tickcolor: line });
  return {
    ...layout,
    paper_bgcolor: surface,
    plot_bgcolor: surface,
    font: { ...(layout.font || {}), color: ink },
    xaxis: axis(layout.xaxis),
    yaxis: axis(layout.yaxis),
    hoverlabel: { bgcolor: surface, font: { color: ink } },
  };
}
