// Numbers and units as a person reads them.

export const MISSING = "n/a";
/** @type {Record<string, Prefix[]>} by SI unit, largest first */
const prefixes = {};

/**
 * Take the table of explorer/utils/units.py, which comes with the page's data.
 * @param {Record<string, Prefix[]>} table
 */
export const usePrefixes = (table) => Object.assign(prefixes, table);

/** @type {Prefix} */
const PERCENT = [0.01, "%"];
/** @type {Prefix} */
const NONE = [1, ""];
const NUMBER = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });

/**
 * At most four significant digits, thousands separated.
 * @param {number} value
 */
export const numberText = (value) => (Number.isFinite(value) ? NUMBER.format(value) : MISSING);

/**
 * [scale, unit] in which the median magnitude of `values` reads as a number of 1 to 999.
 * @param {Numbers} values
 * @param {string} unit
 * @returns {Prefix}
 */
export function unitFor(values, unit) {
  if (unit === "%") return PERCENT;
  const own = prefixes[unit];
  if (!own) return [1, unit];
  const sample = Float64Array.from({ length: Math.min(values.length, 2001) }, (_, place) =>
    Math.abs(values[Math.floor((place * values.length) / Math.min(values.length, 2001))]),
  );
  const known = sample.filter((value) => value > 0 && Number.isFinite(value)).sort();
  if (!known.length) return own.find(([scale]) => scale === 1) || own[0];
  const typical = known[known.length >> 1];
  return own.find(([scale]) => typical >= scale) || own[own.length - 1];
}

/**
 * One value with the prefix that suits it: 1500 B is "1.5 kB".
 * @param {number} value
 * @param {string} unit
 */
export function quantity(value, unit) {
  if (value === null || Number.isNaN(value)) return MISSING;
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const [scale, shown] = unitFor([value], unit);
  return `${numberText(value / scale)} ${shown}`.trimEnd();
}

/** @type {Prefix[]} that people and vendors write for memory */
const BINARY = [
  [2 ** 30, "GiB"],
  [2 ** 20, "MiB"],
  [2 ** 10, "KiB"],
];

/**
 * The binary prefix in which a bound on bytes is a whole number, where it is none of a decimal one.
 * @param {number} bound
 * @param {string} unit
 */
const binaryPrefix = (bound, unit) =>
  unit === "B" && bound % 1000 !== 0 ? BINARY.find(([scale]) => bound >= scale && bound % scale === 0) : undefined;

/**
 * A bound as its field shows it, and the unit beside it; no text for NaN.
 * @param {number} bound
 * @param {{ unit: string, shown: Prefix }} column
 * @returns {[string, string]}
 */
export function boundText(bound, { unit, shown }) {
  const [scale, name] = binaryPrefix(bound, unit) ?? shown;
  return [Number.isNaN(bound) ? "" : String(Number((bound / scale).toPrecision(6))), name];
}

/**
 * A bound with the prefix that suits it: 131072 B is "128 KiB".
 * @param {number} bound
 * @param {string} unit
 */
export function boundQuantity(bound, unit) {
  const binary = binaryPrefix(bound, unit);
  return binary ? `${numberText(bound / binary[0])} ${binary[1]}` : quantity(bound, unit);
}

/**
 * @param {Limit} limit
 * @param {string} unit
 */
export const limitText = ({ operator, bound }, unit) => `${operator === "<=" ? "≤" : "≥"} ${boundQuantity(bound, unit)}`;

/**
 * A bound as a reader types it: "64 KiB", "20 ms", "95 %", or a number in the unit that stands beside the field.
 * NaN for what is none.
 * @param {string} text
 * @param {string} unit
 * @param {string} beside
 */
export function readBound(text, unit, beside) {
  const found = /^\s*([-+]?[\d.]+(?:e[-+]?\d+)?)\s*(.*?)\s*$/i.exec(text.replaceAll(",", ""));
  const known = [...(prefixes[unit] ?? []), ...(unit === "B" ? BINARY : []), unit === "%" ? PERCENT : NONE];
  const wanted = found?.[2] || beside;
  const own = known.find(([, name]) => name === wanted);
  return found && own ? Number(found[1]) * own[0] : NaN;
}

/**
 * A difference with its sign.
 * @param {number} value
 * @param {string} unit
 */
export function difference(value, unit) {
  if (Number.isNaN(value)) return MISSING;
  if (unit === "%") return `${value < 0 ? "−" : "+"}${numberText(Math.abs(value) * 100)} points`;
  return `${value < 0 ? "−" : "+"}${quantity(Math.abs(value), unit)}`;
}

/**
 * A text as one word of a shell command.
 * @param {string} text
 */
export const shellWord = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replace(/'/g, `'"'"'`)}'`);

/**
 * One field of a CSV line; texts that a spreadsheet would run as a formula are disarmed.
 * @param {string | number} value
 */
export function csvField(value) {
  if (typeof value === "number") return Number.isNaN(value) ? "" : String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\n\r]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}
