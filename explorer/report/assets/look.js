// How points look by one column, the legend that explains it, and titles of columns.

import { makeAxis } from "./axis.js";
import { element, svg } from "./dom.js";
import { groupColour, rampColour, RAMP_STOPS, SHAPES } from "./palette.js";

/**
 * Label and unit of a column; modelled and measured ones say so.
 * @param {ColumnInfo & { shown?: Prefix }} column
 */
export const title = ({ label, unit, shown, group, kind }) => {
  const source = /^(modelled|measured)$/.test(kind) && !label.includes(kind) ? `, ${group}` : "";
  return `${label}${source}${shown && shown[1] ? ` [${shown[1]}]` : unit && !shown ? ` [${unit}]` : ""}`;
};

/**
 * A text cut to a length.
 * @param {string} text
 * @param {number} length
 */
export const short = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);

/** @type {CanvasRenderingContext2D | null} */
let measuring = null;

/**
 * Width of a text in the plots, in pixels.
 * @param {string} text
 * @param {boolean} bold as titles of axes are
 */
export function textWidth(text, bold = false) {
  measuring ??= element("canvas").getContext("2d");
  if (!measuring) return text.length * 7;
  measuring.font = `${bold ? "600 12.5px" : "12px"} system-ui, sans-serif`;
  return measuring.measureText(text).width;
}

/**
 * Title of an axis in so many pixels: the short label, then a cut one, where the whole is too long.
 * @param {Column} column
 * @param {number} width
 * @param {string} after what always follows
 */
export function axisTitle(column, width, after = "") {
  const texts = [title(column), title({ ...column, label: column.shortLabel })];
  const fitting = texts.find((text) => textWidth(text + after, true) <= width);
  if (fitting) return fitting + after;
  let length = texts[1].length;
  while (length > 4 && textWidth(short(texts[1], length) + after, true) > width) length--;
  return short(texts[1], length) + after;
}

/**
 * Colour and shape of each row by one column, and the legend that explains them.
 * @param {Column} column
 * @param {Rows} rows
 * @returns {Look}
 */
export function lookOf(column, rows) {
  if (column.levels) {
    /**
     * @param {number} row
     * @returns {Mark}
     */
    const of = (row) => ({
      colour: groupColour(column.codes[row]),
      shape: SHAPES[column.codes[row] % SHAPES.length],
      hollow: false,
    });
    return { of, column };
  }
  const axis = makeAxis(column, rows.length ? rows : null);
  /**
   * @param {number} row
   * @returns {Mark}
   */
  const of = (row) => {
    const missing = Number.isNaN(column.values[row]);
    return { colour: missing ? "#7f7f7f" : rampColour(axis.place(row)), shape: "circle", hollow: missing };
  };
  return { of, column, axis };
}

/**
 * A legend: swatches for texts, a ramp with its ticks for numbers.
 * @param {Look} look
 * @param {Set<number>} used
 */
export function legend({ column, axis }, used) {
  if (!axis) {
    const entries = column.levels
      .map((level, code) => ({ level, code }))
      .filter(({ code }) => used.has(code))
      .slice(0, 12);
    return entries.map(({ level, code }) =>
      element(
        "span",
        { class: "swatch" },
        svg(
          "svg",
          { viewBox: "-7 -7 14 14", width: 14, height: 14, "aria-hidden": "true" },
          mark(SHAPES[code % SHAPES.length], groupColour(code)),
        ),
        level,
      ),
    );
  }
  const ticks = axis.ticks.filter((_, place) => place % 2 === 0 || axis.ticks.length < 5);
  const bar = element("span", { class: "ramp", style: `background:linear-gradient(90deg,${RAMP_STOPS.join(",")})` });
  const marks = ticks.map(({ at, text }) =>
    element("span", { class: "ramp-tick", style: `left:${(at * 100).toFixed(1)}%` }, text),
  );
  return [element("span", {}, title(column)), element("span", { class: "ramp-holder" }, bar, marks)];
}

/**
 * @param {Shape} shape
 * @param {string} colour
 */
function mark(shape, colour) {
  const paths = {
    circle: "M5 0A5 5 0 1 1 5 -0.01Z",
    square: "M-4.5-4.5h9v9h-9z",
    triangle: "M0-6L5.5 4h-11z",
    diamond: "M0-6.5L6.5 0L0 6.5L-6.5 0z",
    cross: "M-2-5.5h4v3.5h3.5v4H2v3.5h-4V2h-3.5v-4H-2z",
  };
  return svg("path", { d: paths[shape], fill: colour });
}
