// What the reader has chosen, and how it travels in the address: only what differs from the start, as values
// and point ids, never as pixels or places in a list.

/**
 * How a page begins; `run` is the decoded run.
 * @param {Run} run
 * @param {Map<string, Column>} columns
 * @returns {State}
 */
export function initialState(run, columns) {
  const objectives = run.objectives.filter((name) => columns.has(name));
  const [y, x] = objectives.length > 1 ? objectives : [objectives[0] || "accuracy", "edge_macs"];
  return {
    x: x === y ? "payload_bytes" : x,
    y,
    z: "",
    colour: objectives[2] || "backbone",
    size: "",
    logX: null,
    logY: null,
    fit: false,
    objectives,
    edge: "",
    server: "",
    link: "",
    protocol: "",
    set: {},
    deadline: 0,
    samplesPerDay: 1000,
    batteryWh: 10,
    cell: run.profiles.cells[0].name,
    limits: Object.fromEntries(run.constraints.map(({ column, operator, bound }) => [column, { operator, bound }])),
    method: "knee",
    weights: {},
    best: "energy_model_j",
    brushes: {},
    steps: [],
    search: "",
    list: "front",
    grouped: true,
    assured: false,
    fitsDevice: run.fitsDevice,
    full: false,
    axes: null,
    sort: objectives[0] || "accuracy",
    descending: null,
    shownColumns: null,
    selected: null,
    pinned: [],
    turn: [0.6, 0.4],
  };
}

/**
 * The state that an address's hash tells, laid over the initial one; a broken hash tells nothing.
 * @param {string} hash
 * @param {State} initial
 * @returns {State}
 */
export function readHash(hash, initial) {
  const first = /** @type {Record<string, unknown>} */ ({ ...initial });
  try {
    const told = JSON.parse(decodeURIComponent(hash.replace(/^#s=/, "")));
    const known = Object.entries(told).filter(([name, value]) => name in first && sameKind(value, first[name]));
    return { ...structuredClone(initial), ...Object.fromEntries(known) };
  } catch {
    return structuredClone(initial);
  }
}

/** @param {unknown} value */
const kind = (value) => (Array.isArray(value) ? "array" : typeof value);
/**
 * @param {unknown} value
 * @param {unknown} first
 */
const sameKind = (value, first) => first === null || value === null || kind(value) === kind(first);

/**
 * The hash of a state: "" where nothing differs from the initial one.
 * @param {State} state
 * @param {State} initial
 */
export function writeHash(state, initial) {
  const first = /** @type {Record<string, unknown>} */ ({ ...initial });
  const changed = Object.entries(state).filter(
    ([name, value]) => JSON.stringify(value) !== JSON.stringify(first[name]),
  );
  return changed.length ? `#s=${encodeURIComponent(JSON.stringify(Object.fromEntries(changed)))}` : "";
}
