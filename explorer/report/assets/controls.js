// The selects and boxes around the plots, and what the window tells the page.

import { byId, choices, element, fieldOf } from "./dom.js";
import { columnGroups } from "./filters.js";
import { Parallel } from "./parallel.js";
import { readHash } from "./state.js";
import { Table } from "./table.js";

/** @type {("x" | "y" | "z" | "colour" | "size")[]} what of a point shows one column */
const SHOWN_BY = ["x", "y", "z", "colour", "size"];

/**
 * Fill the selects and listen to them, to the window and to the printer.
 * @param {Page} page
 */
export function connectControls(page) {
  const { model, state } = page;
  /** @param {Column} column */
  const known = (column) => column.values !== undefined && column.name !== "network";
  choices(
    byId("axis-x"),
    columnGroups(model, () => true),
    state.x,
  );
  choices(
    byId("axis-y"),
    columnGroups(model, () => true),
    state.y,
  );
  choices(byId("axis-z"), [["", [["", "none"]]], ...columnGroups(model, () => true)], state.z);
  choices(
    byId("axis-colour"),
    columnGroups(model, () => true),
    state.colour,
  );
  choices(byId("axis-size"), [["", [["", "none"]]], ...columnGroups(model, known)], state.size);
  for (const name of SHOWN_BY) {
    byId(`axis-${name}`).addEventListener("change", (event) =>
      page.change({
        [name]: fieldOf(event).value,
        ...(name === "x" ? { logX: null } : {}),
        ...(name === "y" ? { logY: null } : {}),
      }),
    );
  }
  byId("log-x").addEventListener("change", (event) => page.change({ logX: fieldOf(event).checked }));
  byId("log-y").addEventListener("change", (event) => page.change({ logY: fieldOf(event).checked }));
  byId("fit").addEventListener("change", (event) => page.change({ fit: fieldOf(event).checked }));
  byId("list").addEventListener("change", (event) => page.change({ list: fieldOf(event).value }));
  byId("back-to-chosen").addEventListener("click", () => page.change({ selected: null }));
  columnBoxes(
    page,
    "table-columns",
    "shownColumns",
    () => state.shownColumns || Table.defaultColumns(model, state.objectives),
  );
  columnBoxes(page, "parallel-columns", "axes", () => state.axes || Parallel.defaultAxes(model, state.objectives));
  if (innerWidth < 1000) byId("what-if").open = false; // on a phone the plots come first
  addEventListener("resize", () => page.requestDraw());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => page.redrawAll());
  addEventListener("beforeprint", () => page.print(true));
  addEventListener("afterprint", () => page.print(false));
  addEventListener("hashchange", () => page.change(readHash(location.hash, page.initial)));
  if (page.run.live)
    setTimeout(() => {
      page.save();
      location.reload();
    }, page.run.live * 1000);
}

/**
 * A box per column; `key` of the state holds those chosen.
 * @param {Page} page
 * @param {string} id
 * @param {"shownColumns" | "axes"} key
 * @param {() => string[]} current
 */
function columnBoxes(page, id, key, current) {
  const groups = columnGroups(page.model, ({ name }) => name !== "network");
  /**
   * @param {string} name
   * @param {string} label
   */
  const box = (name, label) => {
    const checked = current().includes(name);
    /** @param {Event} event */
    const turn = (event) => {
      const others = current().filter((other) => other !== name);
      page.change({ [key]: fieldOf(event).checked ? [...current(), name] : others });
    };
    return element(
      "label",
      { class: "option" },
      element("input", { type: "checkbox", value: name, checked, onchange: turn }),
      ` ${label}`,
    );
  };
  byId(id).replaceChildren(...groups.flatMap(([, columns]) => columns.map(([name, label]) => box(name, label))));
}

/**
 * Show what the state says.
 * @param {Page} page
 */
export function syncControls(page) {
  const { state } = page;
  const axes = page.scatter.axes;
  for (const name of SHOWN_BY) byId(`axis-${name}`).value = state[name];
  byId("log-x").checked = state.logX ?? Boolean(axes && axes.x.log);
  byId("log-y").checked = state.logY ?? Boolean(axes && axes.y.log);
  byId("fit").checked = state.fit;
  byId("list").value = state.list;
}
