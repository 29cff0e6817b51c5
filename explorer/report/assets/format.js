// Numbers and units as a person reads them.

export const MISSING = "n/a";
const PREFIXES = {
  B: [
    [1e9, "GB"],
    [1e6, "MB"],
    [1e3, "kB"],
    [1, "B"],
  ],
  MAC: [
    [1e9, "G MACs"],
    [1e6, "M MACs"],
    [1e3, "k MACs"],
    [1, "MACs"],
  ],
  s: [
    [1, "s"],
    [1e-3, "ms"],
    [1e-6, "µs"],
  ],
  J: [
    [1e3, "kJ"],
    [1, "J"],
    [1e-3, "mJ"],
    [1e-6, "µJ"],
  ],
  d: [
    [365.25, "years"],
    [1, "d"],
  ],
  "bit/s": [
    [1e9, "Gbit/s"],
    [1e6, "Mbit/s"],
    [1e3, "kbit/s"],
    [1, "bit/s"],
  ],
  "J/bit": [
    [1e-3, "mJ/bit"],
    [1e-6, "µJ/bit"],
    [1e-9, "nJ/bit"],
    [1e-12, "pJ/bit"],
  ],
};
const NUMBER = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });

/** At most four significant digits, thousands separated. */
export const numberText = (value) => (Number.isFinite(value) ? NUMBER.format(value) : MISSING);

/** [scale, unit] in which the median magnitude of `values` reads as a number of 1 to 999. */
export function unitFor(values, unit) {
  if (unit === "%") return [0.01, "%"];
  const prefixes = PREFIXES[unit];
  if (!prefixes) return [1, unit];
  const sample = Float64Array.from({ length: Math.min(values.length, 2001) }, (_, place) =>
    Math.abs(values[Math.floor((place * values.length) / Math.min(values.length, 2001))]),
  );
  const known = sample.filter((value) => value > 0 && Number.isFinite(value)).sort();
  if (!known.length) return prefixes.find(([scale]) => scale === 1) || prefixes[0];
  const typical = known[known.length >> 1];
  return prefixes.find(([scale]) => typical >= scale) || prefixes[prefixes.length - 1];
}

/** One value with the prefix that suits it: 1500 B is "1.5 kB". */
export function quantity(value, unit) {
  if (value === null || Number.isNaN(value)) return MISSING;
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const [scale, shown] = unitFor([value], unit);
  return `${numberText(value / scale)} ${shown}`.trimEnd();
}

/** A difference with its sign. */
export function difference(value, unit) {
  if (Number.isNaN(value)) return MISSING;
  if (unit === "%") return `${value < 0 ? "−" : "+"}${numberText(Math.abs(value) * 100)} points`;
  return `${value < 0 ? "−" : "+"}${quantity(Math.abs(value), unit)}`;
}

/** A text as one word of a shell command. */
export const shellWord = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replace(/'/g, `'"'"'`)}'`);

/** One field of a CSV line; texts that a spreadsheet would run as a formula are disarmed. */
export function csvField(value) {
  if (typeof value === "number") return Number.isNaN(value) ? "" : String(value);
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
  return /[",\n\r]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}
