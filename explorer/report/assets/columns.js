// Columns of the run: typed arrays from base64, and texts as codes into levels.

const ARRAYS = { u8: Uint8Array, u16: Uint16Array, u32: Uint32Array, f64: Float64Array };

/**
 * A typed array from {type, data}, data being base64 of little-endian numbers.
 * @param {EncodedColumn} column
 */
export function decodeColumn({ type, data }) {
  const text = atob(data);
  const bytes = new Uint8Array(text.length);
  for (let place = 0; place < text.length; place++) bytes[place] = text.charCodeAt(place);
  return new ARRAYS[type](bytes.buffer);
}

/**
 * @template {Record<keyof Columns, EncodedColumn>} Columns
 * @param {Columns} columns
 * @returns {Record<keyof Columns, TypedArray>}
 */
function decodeAll(columns) {
  const decoded = Object.entries(columns).map(([name, column]) => [name, decodeColumn(column)]);
  return Object.fromEntries(decoded);
}

/**
 * The embedded run with its columns decoded.
 * @param {EmbeddedRun} embedded
 * @returns {Run}
 */
export function decodeRun(embedded) {
  return {
    ...embedded,
    networks: { ...embedded.networks, samples: decodeColumn(embedded.networks.samples) },
    splits: decodeAll(embedded.splits),
    operators: { kinds: embedded.operators.kinds, ...decodeAll(columnsOf(embedded.operators)) },
    points: decodeAll(/** @type {Required<Points<EncodedColumn>>} */ (embedded.points)),
    classes: decodedClasses(embedded.classes),
    numPoints: embedded.numPoints,
  };
}

/** @param {EmbeddedRun["operators"]} operators */
function columnsOf({ kinds, ...columns }) {
  return columns;
}

/**
 * @param {Classes<EncodedColumn>} classes
 * @returns {Classes<TypedArray>}
 */
function decodedClasses(classes) {
  const { right, macroF1, confusion, answers, ...rest } = classes;
  return {
    ...rest,
    right: decodeColumn(right),
    macroF1: decodeColumn(macroF1),
    confusion: confusion && decodeColumn(confusion),
    answers: answers && decodeColumn(answers),
  };
}

/**
 * Codes of arbitrary texts: {levels, codes}; levels by `order` (a number per text), else as numbers and words sort.
 * @param {string[]} texts
 * @param {((text: string) => number) | null} order
 */
export function factorize(texts, order = null) {
  /**
   * @param {string} a
   * @param {string} b
   */
  const byText = (a, b) => a.localeCompare(b, "en", { numeric: true });
  const levels = [...new Set(texts)].sort(order ? (a, b) => order(a) - order(b) || byText(a, b) : byText);
  const places = new Map(levels.map((level, place) => [level, place]));
  return { levels, codes: Uint32Array.from(texts, (text) => /** @type {number} */ (places.get(text))) };
}

/**
 * Whether a row is an operating point; the others are baselines, to compare with.
 * @param {Pick<Run, "points" | "splits">} run
 * @param {number} row
 */
export function isDeployable({ points, splits }, row) {
  return points.bits[row] > 0 || splits.is_output[points.split[row]] === 1;
}

/**
 * The id of a row, as explorer.runs.results builds it: network key, place of the split point, bits, exits,
 * and int8 where the edge part is. A baseline's has its name for the bits.
 * @param {Run} run
 * @param {number} row
 */
export function pointId(run, row) {
  const { split, bits, exited, threshold, edge_weight_bits: weightBits } = run.points;
  const network = run.splits.network[split[row]];
  const place = split[row] - run.networks.firstSplit[network];
  const how = isDeployable(run, row) ? bits[row] : new Map(run.references).get(row);
  const inInt8 = weightBits?.[row] === 8 ? ".int8" : "";
  return `${run.networks.key[network]}.${place}.${how}.${Number.isNaN(threshold[row]) ? "n" : exited[row]}${inInt8}`;
}

/**
 * Row of a point id, -1 where there is none.
 * @param {Run} run
 * @param {string} id
 */
export function rowOf(run, id) {
  for (let row = 0; row < run.numPoints; row++) {
    const network = run.splits.network[run.points.split[row]];
    if (id.startsWith(run.networks.key[network]) && pointId(run, row) === id) return row;
  }
  return -1;
}

/**
 * Mean relative depth of every split point's name, so that shallow ones come first.
 * @param {Run} run
 */
export function depths({ splits, splitNames, networks }) {
  /** @type {Map<string, [number, number]>} */
  const found = new Map();
  splitNames.forEach((name, split) => {
    const network = splits.network[split];
    const first = networks.firstSplit[network];
    const count = (networks.firstSplit[network + 1] ?? splitNames.length) - first;
    const own = found.get(name) || [0, 0];
    found.set(name, [own[0] + (split - first) / Math.max(count - 1, 1), own[1] + 1]);
  });
  return (/** @type {string} */ name) => {
    const [sum, count] = found.get(name) ?? [NaN, NaN];
    return sum / count;
  };
}
