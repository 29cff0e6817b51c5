// One value of a column as a person reads it.

import { MISSING, numberText } from "./format.js";

/**
 * One value as a person reads it, in the column's unit.
 * @param {Column} column
 * @param {number} row
 */
export function cellText(column, row) {
  if (column.levels) return column.levels[column.codes[row]];
  const value = column.values[row];
  if (Number.isNaN(value)) return MISSING;
  return Number.isFinite(value) ? numberText(value / column.shown[0]) : "∞";
}
