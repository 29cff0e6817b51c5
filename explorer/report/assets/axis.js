// One axis of a plot: from values to places in [0, 1] and back, with ticks a person reads.
// A logarithmic axis has a slot for 0, every axis with missing values one for "n/a"; both lie below the rest.

import { MISSING, numberText } from "./format.js";

const LOG_RATIO = 50; // a cost that spans more than this reads better on a logarithmic axis
const SLOT = 0.09;
const MAX_LEVELS = 4; // so few values are ticks themselves

/** @type {WeakMap<Numbers, Extent>} of whole columns */
const extents = new WeakMap();

/**
 * Range, smallest positive value and what is missing, over the rows given; null for all.
 * @param {Numbers} values
 * @param {Rows | null} rows
 * @returns {Extent}
 */
export function extent(values, rows) {
  if (rows) return extentOf(values, rows);
  const known = extents.get(values) ?? extentOf(values, null);
  extents.set(values, known);
  return known;
}

/**
 * @param {Numbers} values
 * @param {Rows | null} rows
 * @returns {Extent}
 */
function extentOf(values, rows) {
  const found = { low: Infinity, high: -Infinity, positive: Infinity, missing: false };
  /** @param {number} value */
  const see = (value) => {
    if (Number.isNaN(value)) found.missing = true;
    else if (Number.isFinite(value)) {
      if (value < found.low) found.low = value;
      if (value > found.high) found.high = value;
      if (value > 0 && value < found.positive) found.positive = value;
    }
  };
  if (rows) for (const row of rows) see(values[row]);
  else for (let row = 0; row < values.length; row++) see(values[row]);
  return found;
}

/**
 * Whether a number column suits a logarithmic axis.
 * @param {Extent} extent
 * @param {string} unit
 */
export const suitsLog = ({ low, high, positive }, unit) =>
  unit !== "%" && low >= 0 && positive < Infinity && high / positive > LOG_RATIO;

/**
 * @overload
 * @param {NumberColumn} column
 * @param {Rows | null} [rows] rows whose values must fit; null for all
 * @param {boolean | null} [log] null to decide by the values
 * @returns {NumberAxis}
 */
/**
 * @overload
 * @param {Column} column
 * @param {Rows | null} [rows]
 * @param {boolean | null} [log]
 * @returns {Axis}
 */
/**
 * @param {Column} column
 * @param {Rows | null} rows
 * @param {boolean | null} log
 */
export function makeAxis(column, rows = null, log = null) {
  if (column.levels) return levelAxis(column);
  const range = extent(column.values, rows);
  const useLog = (log === null ? suitsLog(range, column.unit) : log) && range.positive < Infinity && range.low >= 0;
  return numberAxis(column, range, useLog);
}

/**
 * @param {TextColumn} column
 * @returns {Axis}
 */
function levelAxis({ levels, codes }) {
  const step = 1 / Math.max(levels.length, 1);
  /** @param {number} code */
  const place = (code) => (code + 0.5) * step;
  return {
    log: false,
    place: (row) => place(codes[row]),
    ticks: levels.map((text, code) => ({ at: place(code), text })),
    /** Levels whose middle lies between two places. */
    between: (a, b) => ({ levels: levels.filter((_, code) => place(code) >= a && place(code) <= b) }),
    span: (/** @type {LevelsPart} */ brush) => {
      const chosen = brush.levels.map((level) => levels.indexOf(level)).filter((code) => code >= 0);
      return chosen.map((code) => [code * step, (code + 1) * step]);
    },
  };
}

/**
 * @param {NumberColumn} column
 * @param {Extent} range
 * @param {boolean} log
 * @returns {NumberAxis}
 */
function numberAxis({ values, shown: [scale] }, range, log) {
  /** @type {(value: number) => number} */
  const turn = log ? Math.log10 : (value) => value;
  /** @type {(value: number) => number} */
  const back = log ? (value) => 10 ** value : (value) => value;
  const empty = range.low > range.high;
  const [low, high] = empty ? [0, 1] : padded(turn(log ? range.positive : range.low), turn(range.high));
  const hasZero = log && range.low === 0;
  const base = (hasZero ? SLOT : 0) + (range.missing ? SLOT : 0);
  const [missingAt, zeroAt] = [SLOT / 2, (range.missing ? SLOT : 0) + SLOT / 2];
  /** @param {number} value */
  const placeValue = (value) => {
    if (Number.isNaN(value)) return missingAt;
    if (log && value <= 0) return zeroAt;
    return base + ((turn(value) - low) / (high - low)) * (1 - base);
  };
  /** @param {number} place */
  const valueAt = (place) => back(low + ((place - base) / (1 - base)) * (high - low));
  const own = distinct(values);
  const numbers = own
    ? own.map((value) => value / scale)
    : (log ? logTicks : linearTicks)(back(low) / scale, back(high) / scale);
  const ticks = numbers.map((tick) => ({ at: placeValue(tick * scale), text: numberText(tick) }));
  const kept = ticks.filter(({ at }) => at >= base - 1e-9 && at <= 1 + 1e-9);
  if (hasZero) kept.unshift({ at: zeroAt, text: "0" });
  if (range.missing) kept.unshift({ at: missingAt, text: MISSING });
  return {
    log,
    place: (row) => placeValue(values[row]),
    placeValue,
    valueAt,
    ticks: kept,
    /** What lies between two places, as values, never as pixels. */
    between: (a, b) => {
      const zero = hasZero && a <= zeroAt && b >= zeroAt;
      const numbers = b > base || zero;
      return {
        low: !numbers ? null : zero ? 0 : a <= base && !hasZero ? back(low) : valueAt(Math.max(a, base)),
        high: !numbers ? null : b <= base ? 0 : valueAt(b),
        missing: range.missing && a <= missingAt && b >= missingAt,
      };
    },
    span: (/** @type {RangePart} */ brush) => {
      const spans = brush.low === null || brush.high === null ? [] : [[placeValue(brush.low), placeValue(brush.high)]];
      if (brush.missing) spans.push([0, SLOT]);
      return spans.map(([a, b]) => [clamp(a), clamp(b)]).filter(([a, b]) => b > a);
    },
  };
}

/**
 * The values themselves where there are only a few round ones, such as payload bits; else null.
 * @param {Numbers} values
 * @returns {number[] | null}
 */
function distinct(values) {
  const known = few.get(values);
  if (known !== undefined) return known;
  const found = fewOf(values);
  few.set(values, found);
  return found;
}

/** @type {WeakMap<Numbers, number[] | null>} */
const few = new WeakMap();

/** @param {Numbers} values */
function fewOf(values) {
  const found = new Set();
  for (let row = 0; row < values.length && found.size <= MAX_LEVELS; row++)
    if (Number.isFinite(values[row])) found.add(values[row]);
  const own = [...found].sort((a, b) => a - b);
  return own.length && own.length <= MAX_LEVELS && own.every(isRound) ? own : null;
}

/** @param {number} value */
const isRound = (value) => Number(value.toPrecision(3)) === value;

/** @param {number} place */
const clamp = (place) => Math.min(Math.max(place, 0), 1);

/**
 * @param {number} low
 * @param {number} high
 */
function padded(low, high) {
  const pad = high > low ? 0.03 * (high - low) : Math.abs(low) * 0.05 || 0.5;
  return [low - pad, high + pad];
}

/**
 * Round numbers between two others, about as many as asked.
 * @param {number} low
 * @param {number} high
 * @param {number} target
 */
export function linearTicks(low, high, target = 6) {
  const rough = (high - low) / target;
  const magnitude = 10 ** Math.floor(Math.log10(rough));
  const sizes = [1, 2, 2.5, 5, 10].map((factor) => factor * magnitude);
  const step = sizes.find((size) => size >= rough * (1 - 1e-9)) ?? NaN;
  const ticks = [];
  for (let place = Math.ceil(low / step); place <= Math.floor(high / step); place++)
    ticks.push(Number((place * step).toPrecision(12)));
  return ticks;
}

/**
 * @param {number} low
 * @param {number} high
 */
function logTicks(low, high) {
  /**
   * @param {number[]} factors
   * @param {number} stride
   */
  const ticks = (factors, stride) => {
    const found = [];
    for (let decade = Math.floor(Math.log10(low)); decade <= Math.ceil(Math.log10(high)); decade++) {
      if (decade % stride) continue;
      for (const factor of factors)
        if (factor * 10 ** decade >= low && factor * 10 ** decade <= high)
          found.push(Number((factor * 10 ** decade).toPrecision(12)));
    }
    return found;
  };
  const fine = ticks([1, 2, 5], 1);
  if (fine.length <= 7) return fine;
  const decades = ticks([1], 1);
  return decades.length <= 9 ? decades : ticks([1], Math.ceil(decades.length / 8));
}
