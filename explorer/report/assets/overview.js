// The index of runs: filter, choose some, lay their fronts over each other, compare hypervolumes in one box.

import { byId, choices, element, fieldOf } from "./dom.js";
import { numberText, usePrefixes } from "./format.js";
import { drawFronts } from "./fronts.js";
import { hypervolumeShare } from "./hypervolume.js";

/** @type {EmbeddedIndex} */
const { runs, metrics, prefixes } = JSON.parse(byId("data").textContent);
usePrefixes(prefixes);
/** @type {("x" | "y")[]} */
const AXES = ["x", "y"];
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
  drawFronts(chosen, metricOf(state.x), metricOf(state.y));
}

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
  addEventListener("resize", () => drawOverlay(chosenRuns()));
  draw();
}
document.documentElement.dataset.ready = "true";
