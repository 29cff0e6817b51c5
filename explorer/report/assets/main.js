// The page: one state, one model, and every view drawn from both.

import { decodeRun } from "./columns.js";
import { cellText } from "./cells.js";
import { connectControls, syncControls } from "./controls.js";
import { Compare } from "./compare.js";
import { Decide } from "./decide.js";
import { byId } from "./dom.js";
import { Filters, withPart } from "./filters.js";
import { usePrefixes } from "./format.js";
import { legend, title } from "./look.js";
import { Model } from "./model.js";
import { NetworkCard } from "./network.js";
import { Parallel, thinned } from "./parallel.js";
import { drawFiguresWhenSeen, drawUsage } from "./run.js";
import { connectAnswer, drawAnswer } from "./answer.js";
import { bandNote } from "./band.js";
import { drawOffer } from "./offer.js";
import { Scatter } from "./scatter.js";
import { seriesLegend } from "./series.js";
import { initialState, readHash, writeHash } from "./state.js";
import { Table } from "./table.js";
import { WhatIf } from "./whatif.js";

/**
 * 0 devices and link, 1 constraints and choice, 2 filter; the rest only changes what is drawn.
 * @type {Record<keyof SettingState, 0> & Partial<Record<keyof State, number>>}
 */
const STAGE_OF = {
  edge: 0,
  server: 0,
  link: 0,
  protocol: 0,
  deadline: 0,
  set: 0,
  samplesPerDay: 0,
  batteryWh: 0,
  cell: 0,
  limits: 1,
  objectives: 1,
  method: 1,
  weights: 1,
  best: 1,
  assured: 1,
  fitsDevice: 1,
  full: 1,
  brushes: 2,
  steps: 2,
  search: 2,
  list: 2,
};
const LINES = 1500;
/** @type {("x" | "y" | "colour")[]} what of a point must show some column */
const NEEDED = ["x", "y", "colour"];

/**
 * Compute what a change of the state asks for.
 * @param {Model} model
 * @param {State} state
 * @param {number} stage the first of those that it changes
 */
function update(model, state, stage) {
  if (stage <= 0) model.applySetting(state);
  if (stage === 1 || !model.front || (stage <= 0 && model.dependsOnSetting(state))) model.applyChoice(state);
  if (stage <= 2) model.applyFilter(state);
}

/**
 * What all views are drawn from, and the answer: the page holds it as it is built, an address may tell another.
 * @param {EmbeddedRun} embedded
 */
function begin(embedded) {
  usePrefixes(embedded.prefixes);
  const run = decodeRun(embedded);
  const model = new Model(run);
  const initial = initialState(run, model.columns);
  const state = readHash(location.hash, initial);
  for (const name of NEEDED) if (!model.columns.has(state[name])) state[name] = initial[name];
  update(model, state, 0);
  drawAnswer(run, model, state);
  delete document.documentElement.dataset.recalling; // see recall.js
  return { run, model, initial, state };
}

export class Page {
  /** @type {number | null} the frame that will draw */
  frame = null;
  /** @type {number | undefined} the timer that will write the address */
  saving;

  /**
   * Make and draw every view.
   * @param {EmbeddedRun} embedded
   * @param {ReturnType<typeof begin>} begun
   */
  constructor(embedded, { run, model, initial, state }) {
    this.run = run;
    this.model = model;
    this.initial = initial;
    this.state = state;
    const change = (/** @type {Patch} */ patch) => this.change(patch);
    this.scatter = new Scatter(byId("scatter"), {
      select: (row, scroll = false) => this.select(row, scroll),
      brush: (parts) => this.brush(parts),
      text: (row) => this.hoverText(row),
      turn: (turn) => this.change({ turn }),
    });
    this.parallel = new Parallel(byId("parallel"), {
      brush: (name, parts) => change({ brushes: withPart(this.state.brushes, name, parts) }),
      select: (row) => this.select(row, false),
    });
    this.filters = new Filters(this.model, change);
    this.table = new Table(this.model, { select: (row) => this.select(row, true), change });
    this.compare = new Compare(this.model, { select: (row) => this.select(row, true), change });
    this.decide = new Decide(this.model, this.run, change);
    this.whatIf = new WhatIf(this.run, change);
    this.card = new NetworkCard(this.run, this.model, { select: (row, scroll = true) => this.select(row, scroll) });
    this.figures = drawFiguresWhenSeen(embedded.figures, embedded.plotlyConfig);
    connectControls(this);
    connectAnswer();
    this.draw();
  }

  /**
   * Take changes of the state; compute what depends on them at once, draw with the next frame.
   * @param {Patch} patch
   */
  change(patch) {
    Object.assign(this.state, patch);
    const stages = Object.keys(patch).map((name) => STAGE_OF[/** @type {keyof State} */ (name)] ?? 3);
    update(this.model, this.state, Math.min(...stages));
    this.requestDraw();
  }

  requestDraw() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = null;
      this.draw();
    });
  }

  draw() {
    const { model, state } = this;
    this.decide.draw(state);
    this.whatIf.draw(state, model.setting);
    this.filters.draw(state);
    this.scatter.draw(model, state);
    syncControls(this); // shows whether the scatter's axes are logarithmic
    this.parallel.draw(model, state);
    this.table.draw(state);
    this.card.draw(state);
    this.compare.draw(state);
    drawUsage(model);
    this.drawWords();
    clearTimeout(this.saving);
    this.saving = setTimeout(() => this.save(), 120);
  }

  drawWords() {
    const { model, state } = this;
    const { codes } = model.column(state.colour);
    const used = new Set(codes ? model.listed.map((row) => codes[row]) : []);
    byId("legend").replaceChildren(...legend(this.scatter.look, used), ...seriesLegend(this.run));
    const lines = thinned(model.listed, LINES).length;
    byId("parallel-note").textContent =
      `${lines.toLocaleString("en")} of ${model.listed.length.toLocaleString("en")} listed points drawn as lines, coloured by ${title(model.column(state.colour))}. Dashed lines are references. Drag along an axis to brush it, several times if you like; click a brush to remove it.`;
    byId("band-note").textContent = bandNote(this.scatter.band);
    drawAnswer(this.run, model, state);
    drawOffer(model, state, this.initial, (patch) => this.change(patch));
  }

  save() {
    const hash = writeHash(this.state, this.initial);
    if (hash !== location.hash) history.replaceState(null, "", hash || location.pathname);
  }

  /**
   * @param {number} row
   * @param {boolean} scroll
   */
  select(row, scroll) {
    this.change({ selected: row < 0 ? null : this.model.id(row) });
    if (scroll) byId("network").scrollIntoView({ block: "start" });
  }

  /** @param {Record<string, Part>} parts */
  brush(parts) {
    let { brushes } = this.state;
    for (const [name, part] of Object.entries(parts)) brushes = withPart(brushes, name, [part]);
    this.change({ brushes });
  }

  /** @param {number} row */
  hoverText(row) {
    const { model, state } = this;
    const names = [
      "backbone",
      "split_point",
      "payload_bits",
      "confidence_threshold",
      state.x,
      state.y,
      state.colour,
      ...state.objectives,
    ];
    const lines = names
      .filter((name, place) => names.indexOf(name) === place)
      .map((name) => model.column(name))
      .map((column) => `${column.shortLabel}: ${cellText(column, row)} ${column.shown ? column.shown[1] : ""}`);
    const reference = model.references.filter((own) => own.row === row).map(({ names: own }) => `reference: ${own}`);
    return [model.name(row), ...reference, ...lines];
  }

  redrawAll() {
    this.draw();
    this.figures.redraw();
  }

  /**
   * Paper is light and shows every figure.
   * @param {boolean} printing
   */
  print(printing) {
    document.documentElement.classList.toggle("paper", printing);
    if (printing) this.figures.start();
    this.redrawAll();
  }
}

/** @type {EmbeddedRun} */
const embedded = JSON.parse(byId("data").textContent);
if (embedded.numPoints) {
  const begun = begin(embedded);
  const open = () => {
    window.explorerPage = new Page(embedded, begun); // for a reader's console, and for the tests
    document.documentElement.dataset.ready = "true";
  };
  requestAnimationFrame(() => setTimeout(open)); // behind the frame that shows the answer
} else {
  drawFiguresWhenSeen(embedded.figures, embedded.plotlyConfig);
  document.documentElement.dataset.ready = "true";
}
