// The table's rows over a grouped front: what each stands for, its ranges, and the button that unfolds it.

import { element } from "./dom.js";
import { cellText } from "./cells.js";

/**
 * What the rows of a grouped front stand for, by the row that is shown; the filter leaves only what is listed.
 * @param {Model} model
 * @returns {Map<number, FrontGroup>}
 */
export function listedGroups(model) {
  const listed = new Set(model.listed);
  const inside = (/** @type {number} */ row) => listed.has(row);
  const left = model.groups
    .map(({ shown, steps, alike }) => ({ shown, steps: steps.filter(inside), alike: alike.filter(inside) }))
    .filter(({ steps, alike }) => steps.length + alike.length);
  return new Map(
    left.map((group) => {
      const own = [...group.steps, ...group.alike];
      const shown = [model.chosen, group.shown].find((row) => group.steps.includes(row)) ?? own[0];
      return [shown, { ...group, shown }];
    }),
  );
}

/**
 * Rows under the one that is shown, steps first.
 * @param {FrontGroup} group
 */
export const hiddenRows = ({ shown, steps, alike }) => [...steps, ...alike].filter((row) => row !== shown);

/**
 * Least and largest value of a group's steps; "" where they are the same, as a reader sees them.
 * @param {Column} column
 * @param {FrontGroup} group
 */
export function rangeText(column, { steps }) {
  if (column.levels) return "";
  const known = steps.filter((row) => !Number.isNaN(column.values[row]));
  if (known.length < 2) return "";
  const order = known.sort((a, b) => column.values[a] - column.values[b]);
  const ends = [order[0], order[order.length - 1]].map((row) => cellText(column, row));
  return ends[0] === ends[1] ? "" : ends.join(" – ");
}

/**
 * Opens and closes what a row stands for; nothing where it stands for itself alone.
 * @param {string} name of the row
 * @param {FrontGroup} group
 * @param {boolean} isOpen
 * @param {() => void} turn
 */
export function unfoldButton(name, group, isOpen, turn) {
  const [steps, alike] = [group.steps.length, group.alike.length];
  if (steps + alike < 2) return null;
  const texts = [steps > 1 ? `${steps} thresholds` : "", alike ? `${alike} no better` : ""].filter(Boolean);
  const said = `${texts.join(", ")}`;
  const attributes = { type: "button", class: "unfold", "aria-expanded": isOpen ? "true" : "false", onclick: turn };
  return element("button", { ...attributes, "aria-label": `${said}: ${name}` }, `${isOpen ? "▾" : "▸"} ${said}`);
}

/**
 * How many rows the table has, and what the others became.
 * @param {FrontGroup[]} groups
 */
export function foldedNote(groups) {
  const count = (/** @type {(group: FrontGroup) => number} */ of) => groups.reduce((sum, group) => sum + of(group), 0);
  const [steps, alike] = [count((group) => group.steps.length), count((group) => group.alike.length)];
  const rows = (/** @type {number} */ number) => number.toLocaleString("en");
  const led = `${rows(alike)} cost as much as one of these or more, and are not better by more than noise (McNemar)`;
  return `${rows(groups.length)} rows, one for each network, cut and bits, for ${rows(steps + alike)} listed points${alike ? `: ${led}` : ""}.`;
}
