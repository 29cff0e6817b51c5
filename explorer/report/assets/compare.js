// Side by side: up to four pinned points or references, what they differ in and their charts.

import { byId, choices, element, fieldOf, redraw } from "./dom.js";
import { confusionTables, densityBars, latencyBars, memoryBars, recallTable } from "./compareparts.js";
import { overlaidThresholds } from "./overlay.js";
import { differenceTable } from "./differences.js";
import { groupColour } from "./palette.js";

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
    choices(byId("pin-reference"), [["", [["", "pin a reference …"], ...references]]], "");
    byId("pin-reference").hidden = !references.length;
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
    const panels = [
      panel("Density of each junction", densityBars(model.run, pins)),
      panel("Latency (modelled)", latencyBars(model, pins)),
      panel("Against the threshold", overlaidThresholds(model, pins)),
      panel(`Memory of ${model.setting.edge.name}`, memoryBars(model, pins)),
      panel("Recall of each class", recallTable(model.run, pins)),
    ];
    byId("compare-panels").replaceChildren(...panels);
    byId("confusions").replaceChildren(...confusionTables(model.run, pins));
  }

  /** @returns {Pin[]} */
  pins() {
    const rows = this.state.pinned.map((id) => this.rowOf(id)).filter((row) => row >= 0);
    return rows.map((row, place) => ({
      row,
      place,
      letter: LETTERS[place],
      colour: groupColour(place),
      name: this.model.name(row),
      tags: this.tags(row),
    }));
  }

  /** @param {number} row */
  tags(row) {
    const names = this.model.references.filter((reference) => reference.row === row).map(({ names: own }) => own);
    return row === this.model.chosen ? ["chosen", ...names] : names;
  }

  /** @param {Pin} pin */
  chip({ row, letter, colour, name, tags }) {
    const id = this.model.id(row);
    return element(
      "li",
      {},
      element("b", { class: "letter", style: `border-color:${colour}` }, letter),
      element("button", { type: "button", class: "link", title: id, onclick: () => this.handlers.select(row) }, name),
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
