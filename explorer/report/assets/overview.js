// The index of runs: filter, choose some, lay their fronts over each other, compare hypervolumes in one box.

import { makeAxis } from "./axis.js";
import { byId, choices, element, fieldOf, svg } from "./dom.js";
import { numberText, unitFor, usePrefixes } from "./format.js";
import { hypervolumeShare } from "./hypervolume.js";
import { short, title } from "./look.js";
import { groupColour } from "./palette.js";

/** @type {EmbeddedIndex} */
const { runs, metrics, prefixes } = JSON.parse(byId("data").textContent);
usePrefixes(prefixes);
const BOX = { width: 1100, height: 420, left: 70, right: 20, top: 16, bottom: 50 };
/** @type {("x" | "y")[]} */
const AXES = ["x", "y"];
const MARKS = ["M5 0A5 5 0 1 1 5 -0.01Z", "M-4.5-4.5h9v9h-9z", "M0-6L5.5 4h-11z", "M0-6.5L6.5 0L0 6.5L-6.5 0z"];
const state = readState();

/** @returns {OverviewState} */
function readState() {
  const initial = { chosen: runs.slice(0, 3).map(({ folder }) => folder), x: "edge_macs", y: "accuracy", filter: "" };
  try {
    return { ...initial, ...JSON.parse(decodeURIComponent(location.hash.slice(3))) };
  } catch {
    return initial;
  }
}

/** @returns {NodeListOf<HTMLInputElement>} */
const boxes = () => document.querySelectorAll("input[data-run]");
/**
 * Folder of the run that a box chooses.
 * @param {HTMLElement} box
 */
const folderOf = (box) => box.dataset.run ?? "";
const chosenRuns = () =>
  runs.map((run, place) => ({ ...run, place })).filter(({ folder }) => state.chosen.includes(folder));

/** @param {Partial<OverviewState>} patch */
function change(patch) {
  Object.assign(state, patch);
  history.replaceState(null, "", `#s=${encodeURIComponent(JSON.stringify(state))}`);
  draw();
}

function draw() {
  const wanted = state.filter.toLowerCase();
  /** @type {NodeListOf<HTMLElement>} */
  const lines = document.querySelectorAll("tr[data-text]");
  const words = wanted.split(/\s+/);
  for (const line of lines) {
    const text = line.dataset.text?.toLowerCase() ?? "";
    line.hidden = !words.every((word) => text.includes(word));
  }
  for (const box of boxes()) box.checked = state.chosen.includes(folderOf(box));
  drawOverlay(chosenRuns());
  drawHypervolumes(chosenRuns());
}

/** @param {PlacedRun[]} chosen */
function drawOverlay(chosen) {
  /** @param {string} name */
  const all = (name) =>
    Float64Array.from(
      chosen.flatMap(({ columns }) => columns[name] || []),
      (value) => value ?? NaN,
    );
  /**
   * @param {string} name
   * @returns {NumberColumn}
   */
  const column = (name) => ({
    ...metricOf(name),
    values: all(name),
    shown: unitFor(all(name), unitOf(name)),
    unit: unitOf(name),
  });
  const [x, y] = [column(state.x), column(state.y)];
  const axes = [makeAxis(x), makeAxis(y)];
  const [wide, high] = [BOX.width - BOX.left - BOX.right, BOX.height - BOX.top - BOX.bottom];
  const across = (/** @type {number} */ at) => BOX.left + at * wide;
  const up = (/** @type {number} */ at) => BOX.top + (1 - at) * high;
  const parts = axes[0].ticks.flatMap(({ at, text }) => [
    svg("line", { class: "grid", x1: across(at), x2: across(at), y1: BOX.top, y2: up(0) }),
    svg("text", { x: across(at), y: up(0) + 17, "text-anchor": "middle" }, text),
  ]);
  parts.push(
    ...axes[1].ticks.flatMap(({ at, text }) => [
      svg("line", { class: "grid", x1: BOX.left, x2: across(1), y1: up(at), y2: up(at) }),
      svg("text", { x: BOX.left - 6, y: up(at) + 4, "text-anchor": "end" }, text),
    ]),
  );
  parts.push(
    svg("text", { class: "axis-title", x: across(0.5), y: BOX.height - 8, "text-anchor": "middle" }, title(x)),
    svg(
      "text",
      { class: "axis-title", transform: `translate(16 ${up(0.5)}) rotate(-90)`, "text-anchor": "middle" },
      title(y),
    ),
  );
  let row = 0;
  for (const { columns, place, name } of chosen) {
    for (let own = 0; own < (columns.accuracy || []).length; own++, row++) {
      parts.push(
        svg(
          "path",
          {
            d: MARKS[place % MARKS.length],
            fill: groupColour(place),
            "fill-opacity": 0.75,
            transform: `translate(${across(axes[0].place(row)).toFixed(1)} ${up(axes[1].place(row)).toFixed(1)})`,
          },
          svg("title", {}, name),
        ),
      );
    }
  }
  byId("overlay").replaceChildren(
    svg(
      "svg",
      {
        class: "chart",
        viewBox: `0 0 ${BOX.width} ${BOX.height}`,
        role: "img",
        "aria-label": `Fronts of ${chosen.map(({ name }) => name).join(", ")}`,
      },
      parts,
    ),
  );
  byId("overlay-legend").replaceChildren(
    ...chosen.map(({ name, place }) =>
      element(
        "span",
        { class: "swatch" },
        svg(
          "svg",
          { viewBox: "-7 -7 14 14", width: 14, height: 14, "aria-hidden": "true" },
          svg("path", { d: MARKS[place % MARKS.length], fill: groupColour(place) }),
        ),
        short(name, 40),
      ),
    ),
  );
}

/** @param {string} name */
const unitOf = (name) => (metricOf(name).isShare ? "%" : metricOf(name).unit);

/** @param {string} name */
const metricOf = (name) => /** @type {Metric} */ (metrics.find((metric) => metric.name === name));

/**
 * One box for all: the objectives that every chosen run has, and per objective the worst reference point.
 * @param {PlacedRun[]} chosen
 */
function drawHypervolumes(chosen) {
  const shared = chosen.length
    ? Object.keys(chosen[0].reference).filter((name) => chosen.every(({ reference }) => name in reference))
    : [];
  const signs = shared.map((name) => (metricOf(name).direction === "maximize" ? -1 : 1));
  const reference = shared.map((name, axis) => Math.max(...chosen.map((run) => signs[axis] * run.reference[name])));
  const ideal = signs.map((sign) => (sign < 0 ? -1 : 0));
  const lines = chosen.map(({ name, columns }) => {
    const count = (columns.accuracy || []).length;
    const points = Array.from({ length: count }, (_, row) =>
      shared.map((objective, axis) => signs[axis] * (columns[objective][row] ?? NaN)),
    );
    const share = hypervolumeShare(points, reference, ideal);
    return element(
      "tr",
      {},
      element("th", { scope: "row" }, name),
      element("td", { class: "number" }, share.toFixed(4)),
      element("td", { class: "number" }, String(count)),
    );
  });
  const labels = shared.map((name) => metricOf(name).label);
  byId("common").hidden = !chosen.length;
  byId("common-note").textContent = shared.length
    ? `Hypervolume in the same box for all: ${labels.join(", ")}; reference point ${shared.map((name, axis) => `${numberText(signs[axis] * reference[axis])}`).join(", ")} (the worst of theirs, SI units).`
    : "The chosen runs have no objective in common.";
  byId("common-rows").replaceChildren(...(shared.length ? lines : []));
}

if (runs.length) {
  const known = metrics.filter(({ name }) =>
    runs.some(({ columns }) => (columns[name] || []).some((value) => value !== null)),
  );
  /** @type {[string, string][]} */
  const options = known.map(({ name, label }) => [name, label]);
  for (const axis of AXES) {
    choices(byId(`overlay-${axis}`), [["", options]], state[axis]);
    byId(`overlay-${axis}`).addEventListener("change", (event) => change({ [axis]: fieldOf(event).value }));
  }
  byId("filter").value = state.filter;
  byId("filter").addEventListener("input", (event) => change({ filter: fieldOf(event).value }));
  /** @type {NodeListOf<HTMLElement>} */
  const tags = document.querySelectorAll("button[data-tag]");
  for (const tag of tags)
    tag.addEventListener("click", () => {
      byId("filter").value = tag.dataset.tag ?? "";
      change({ filter: tag.dataset.tag ?? "" });
    });
  for (const box of boxes())
    box.addEventListener("change", () =>
      change({
        chosen: [...boxes()]
          .filter((own) => own.checked)
          .map(folderOf),
      }),
    );
  draw();
}
document.documentElement.dataset.ready = "true";
