// The selects and boxes around the plots, and what the window tells the page.

import { byId, choices, element } from "./dom.js";
import { columnGroups } from "./filters.js";
import { Parallel } from "./parallel.js";
import { readHash } from "./state.js";
import { Table } from "./table.js";

/** Fill the selects and listen to them, to the window and to the printer. */
export function connectControls(page) {
  const { model, state } = page;
  const known = (column) => column.values && column.name !== "network";
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
  for (const name of ["x", "y", "z", "colour", "size"]) {
    byId(`axis-${name}`).addEventListener("change", (event) =>
      page.change({
        [name]: event.target.value,
        ...(name === "x" ? { logX: null } : {}),
        ...(name === "y" ? { logY: null } : {}),
      }),
    );
  }
  byId("log-x").addEventListener("change", (event) => page.change({ logX: event.target.checked }));
  byId("log-y").addEventListener("change", (event) => page.change({ logY: event.target.checked }));
  byId("fit").addEventListener("change", (event) => page.change({ fit: event.target.checked }));
  byId("list").addEventListener("change", (event) => page.change({ list: event.target.value }));
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

/** A box per column; `key` of the state holds those chosen. */
function columnBoxes(page, id, key, current) {
  const groups = columnGroups(page.model, ({ name }) => name !== "network");
  const box = (name, label) => {
    const checked = current().includes(name);
    const turn = (event) =>
      page.change({ [key]: event.target.checked ? [...current(), name] : current().filter((other) => other !== name) });
    return element(
      "label",
      { class: "option" },
      element("input", { type: "checkbox", value: name, checked, onchange: turn }),
      ` ${label}`,
    );
  };
  byId(id).replaceChildren(...groups.flatMap(([, columns]) => columns.map(([name, label]) => box(name, label))));
}

/** Show what the state says. */
export function syncControls(page) {
  const { state } = page;
  const axes = page.scatter.axes;
  for (const name of ["x", "y", "z", "colour", "size"]) byId(`axis-${name}`).value = state[name];
  byId("log-x").checked = state.logX ?? Boolean(axes && axes.x.log);
  byId("log-y").checked = state.logY ?? Boolean(axes && axes.y.log);
  byId("fit").checked = state.fit;
  byId("list").value = state.list;
}
