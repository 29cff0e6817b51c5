// Which rows a filter lets through: brushes as values, a search text, single ids.

/**
 * Rows inside every brush, with the search text in their id or texts, and among `ids` where given.
 * @param {Model} model
 * @param {Filter} filter
 */
export function rowsInside(model, { brushes = {}, search = "", ids = null }) {
  const inside = new Uint8Array(model.size).fill(1);
  for (const [name, parts] of Object.entries(brushes)) {
    const column = model.columns.get(name);
    if (!column || !parts.length) continue;
    if (column.levels) {
      const wanted = new Set(parts.flatMap(({ levels }) => levels));
      const passes = column.levels.map((level) => wanted.has(level));
      for (let row = 0; row < model.size; row++) if (!passes[column.codes[row]]) inside[row] = 0;
    } else {
      const { values } = column;
      for (let row = 0; row < model.size; row++) {
        if (!inside[row]) continue;
        const value = values[row];
        const passes = Number.isNaN(value)
          ? parts.some((part) => part.missing)
          : parts.some((part) => holds(part, value));
        if (!passes) inside[row] = 0;
      }
    }
  }
  if (search) searchInto(model, inside, search.toLowerCase());
  if (ids) {
    const wanted = new Set(ids.map((id) => model.rowOf(id)));
    for (let row = 0; row < model.size; row++) if (!wanted.has(row)) inside[row] = 0;
  }
  return inside;
}

/**
 * Whether a range contains a value.
 * @param {Part} part
 * @param {number} value
 */
function holds({ low, high }, value) {
  return typeof low === "number" && typeof high === "number" && value >= low && value <= high;
}

/**
 * @param {Model} model
 * @param {Uint8Array} inside
 * @param {string} text
 */
function searchInto(model, inside, text) {
  const columns = [...model.columns.values()].filter((column) => column.levels !== undefined);
  const hits = columns.map((column) => column.levels.map((level) => level.toLowerCase().includes(text)));
  const named = new Set(model.references.filter(({ names }) => names.includes(text)).map(({ row }) => row));
  for (let row = 0; row < model.size; row++) {
    if (!inside[row] || named.has(row)) continue;
    if (columns.some((column, place) => hits[place][column.codes[row]])) continue;
    if (!text.includes(".") || !model.id(row).toLowerCase().includes(text)) inside[row] = 0;
  }
}
