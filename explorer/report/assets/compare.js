// Side by side: up to four pinned points, references or points of somebody else, what they differ in and their charts.

import { byId, choices, element, fieldOf, redraw } from "./dom.js";
import { confusionTables, densityBars, latencyBars, memoryBars, recallTable } from "./compareparts.js";
import { overlaidThresholds } from "./overlay.js";
import { differenceTable } from "./differences.js";
import { groupColour } from "./palette.js";
import { seriesChoices, seriesPin } from "./series.js";

export const MAX_PINS = 4;
const LETTERS = "ABCD";

/**
 * The pins with one added or taken away; a fifth does not fit.
 * @param {string[]} pinned
 * @param {string} id
 */
export function withPin(pinned, id) {
  if (pinned.includes(id)) return pinned.filter((own) => own !== id);
  return pinned.length < MAX_PINS ? [...pinned, id] : pinned;
}

/**
 * A button that pins a point, or unpins it.
 * @param {State} state
 * @param {string} id
 * @param {string} name
 * @param {Change} change
 */
export function pinButton(state, id, name, change) {
  const isPinned = state.pinned.includes(id);
  return element(
    "button",
    {
      type: "button",
      class: "quiet pin",
      title: isPinned ? "Unpin" : "Pin, to see it side by side with others",
      "aria-label": `Pin ${name}`,
      "aria-pressed": isPinned ? "true" : "false",
      disabled: !isPinned && state.pinned.length >= MAX_PINS,
      onclick: () => change({ pinned: withPin(state.pinned, id) }),
    },
    isPinned ? "◉" : "◎",
  );
}

export class Compare {
  /** @type {State} */
  state;
  /** @type {Map<string, number>} rows by id, as they were asked for */
  rows = new Map();

  /**
   * @param {Model} model
   * @param {{ select(row: number): void, change: Change }} handlers
   */
  constructor(model, handlers) {
    this.model = model;
    this.handlers = handlers;
    const references = model.references.map(
      ({ row, names }) => /** @type {[string, string]} */ ([model.id(row), `${names}: ${model.name(row)}`]),
    );
    const others = seriesChoices(model).filter(([, options]) => options.length);
    choices(byId("pin-reference"), [["", [["", "pin a reference …"], ...references]], ...others], "");
    byId("pin-reference").hidden = !references.length && !others.length;
    byId("pin-reference").addEventListener("change", (event) => this.turn(fieldOf(event).value));
    byId("pin-shown").addEventListener("click", () => this.turn(this.shown()));
    byId("unpin-all").addEventListener("click", () => handlers.change({ pinned: [] }));
  }

  /** Id of the point that is opened, or of the chosen one. */
  shown() {
    return this.state.selected ?? (this.model.chosen >= 0 ? this.model.id(this.model.chosen) : "");
  }

  /** @param {string} id */
  turn(id) {
    if (id && !this.state.pinned.includes(id)) this.handlers.change({ pinned: withPin(this.state.pinned, id) });
  }

  /**
   * @param {string} id
   * @returns {number}
   */
  rowOf(id) {
    const row = this.rows.get(id) ?? this.model.rowOf(id);
    this.rows.set(id, row);
    return row;
  }

  /** @param {State} state */
  draw(state) {
    this.state = state;
    const pins = this.pins();
    const isFull = pins.length >= MAX_PINS;
    byId("pin-reference").value = "";
    byId("pin-reference").disabled = isFull;
    byId("pin-shown").disabled = isFull || state.pinned.includes(this.shown());
    byId("unpin-all").hidden = !pins.length;
    byId("compare-parts").hidden = !pins.length;
    redraw(byId("pins"), ...pins.map((pin) => this.chip(pin)));
    if (!pins.length) return;
    const { model } = this;
    byId("differences").replaceChildren(...differenceTable(model, pins));
    const own = pins.filter(({ values }) => !values); // of others nothing else is known
    const panels = () => [
      panel("Density of each junction", densityBars(model.run, own)),
      panel("Latency (modelled)", latencyBars(model, own)),
      panel("Against the threshold", overlaidThresholds(model, own)),
      panel(`Memory of ${model.setting.edge.name}`, memoryBars(model, own)),
      panel("Recall of each class", recallTable(model.run, own)),
    ];
    byId("compare-panels").replaceChildren(...(own.length ? panels() : []));
    byId("confusions").replaceChildren(...(own.length ? confusionTables(model.run, own) : []));
  }

  /** @returns {Pin[]} */
  pins() {
    const found = this.state.pinned.flatMap((id) => this.known(id) ?? []);
    return found.map((pin, place) => ({ ...pin, place, letter: LETTERS[place], colour: groupColour(place) }));
  }

  /**
   * What is pinned under an id: a point of the run, one of somebody else, or nothing that is here.
   * @param {string} id
   * @returns {Omit<Pin, "place" | "letter" | "colour"> | undefined}
   */
  known(id) {
    const other = seriesPin(this.model, id);
    if (other) return { id, row: -1, tags: ["not of this run"], ...other };
    const row = this.rowOf(id);
    return row < 0 ? undefined : { id, row, values: null, name: this.model.name(row), tags: this.tags(row) };
  }

  /** @param {number} row */
  tags(row) {
    const names = this.model.references.filter((reference) => reference.row === row).map(({ names: own }) => own);
    return row === this.model.chosen ? ["chosen", ...names] : names;
  }

  /** @param {Pin} pin */
  chip({ id, row, letter, colour, name, tags }) {
    const open = { type: "button", class: "link", title: id, onclick: () => this.handlers.select(row) };
    return element(
      "li",
      {},
      element("b", { class: "letter", style: `border-color:${colour}` }, letter),
      row < 0 ? element("span", {}, name) : element("button", open, name),
      tags.map((tag) => element("span", { class: "tag" }, tag)),
      pinButton(this.state, id, name, this.handlers.change),
    );
  }
}

/**
 * A chart under its heading; without one, what is missing in words.
 * @param {string} title
 * @param {Node | string} content
 */
function panel(title, content) {
  const body = typeof content === "string" ? element("p", { class: "note" }, content) : content;
  return element("div", {}, element("h3", {}, title), element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": title }, body));
}
