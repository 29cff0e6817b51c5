// From the run and the reader's state to what every view shows: columns, feasible points, front, choice, filter.

import { depths, factorize, isDeployable, pointId, rowOf } from "./columns.js";
import { countedColumns, INT8, modelledColumns } from "./cost.js";
import { memoryLimits, misfit } from "./fit.js";
import { unitFor } from "./format.js";
import { cheaperAlike, frontGroups } from "./groups.js";
import { Paired } from "./paired.js";
import {
  bestOf,
  byWeights,
  closestToIdeal,
  differenceInterval,
  knee,
  lossColumns,
  nonDominated,
  totalViolation,
} from "./pareto.js";
import { rowsInside } from "./selection.js";

const LEAST_VIOLATING = 10;

/** Everything about a run that no setting changes. */
export class Model {
  // What the state decides.
  /** @type {Setting} */
  setting;
  /** @type {Cell} */
  cell;
  /** @type {Constraint[]} that the reader sees as limits */
  constraints;
  /** @type {Constraint[]} what the edge device's memory holds */
  memoryLimits;
  /** @type {Constraint[]} of these, what points had to fit when the choice was made */
  fitted;
  /** @type {Float64Array} by row; 0 satisfies every constraint */
  violation;
  /** @type {Uint32Array} */
  feasible;
  /** @type {NumberColumn[]} */
  objectives;
  /** @type {Float64Array[]} */
  losses;
  /** @type {Uint32Array} */
  front;
  /** @type {number[]} rows listed where no point is feasible */
  nearest;
  /** @type {Uint8Array} by row */
  onFront;
  /** -1 for none */
  chosen = -1;
  /** @type {Uint8Array} by row, whether it passes the filter */
  left;
  numLeft = 0;
  /** @type {number[]} */
  listed;
  /** @type {Rows} what would be listed without a filter: colours and sizes span these, so that brushes move neither */
  shown;
  /** @type {string | null} */
  lastId = null;
  lastRow = -1;
  /** @type {FrontGroup[] | null} null until they are asked for */
  grouped = null;

  /** @param {Run} run */
  constructor(run) {
    this.run = run;
    this.size = run.numPoints;
    /** @type {Map<string, Column>} */
    this.columns = new Map();
    const counted = countedColumns(run);
    for (const metric of run.metrics) {
      if (counted[metric.name]) this.addNumbers(metric, counted[metric.name]);
      else if (metric.kind === "measured") this.addNumbers(metric, this.measured(metric.name));
      else this.addNumbers(metric, new Float64Array(this.size).fill(NaN));
    }
    this.intervals = { low: counted[`${run.quality}_ci95_low`], high: counted[`${run.quality}_ci95_high`] };
    this.paired = new Paired(run.classes);
    this.addConfiguration();
    this.deployable = Uint8Array.from({ length: this.size }, (_, row) => (isDeployable(run, row) ? 1 : 0));
    this.numDeployable = this.deployable.reduce((sum, own) => sum + own, 0);
    this.references = run.references.map(([row, names]) => ({ row, names: names.replaceAll(",", ", ") }));
  }

  /**
   * @param {Pick<Metric, "name" | "label"> & Partial<Metric>} about a metric of the run, or name and label of a
   * column of the configuration
   * @param {Float64Array} values
   */
  addNumbers({ name, label, unit = "", isShare = false, ...about }, values) {
    const own = isShare ? "%" : unit;
    const known = aboutConfiguration(label);
    this.columns.set(name, { ...known, ...about, name, label, unit: own, values, shown: unitFor(values, own) });
  }

  /**
   * @param {string} name
   * @param {string} label
   * @param {string[]} texts
   * @param {(row: number) => number} codeOf place of a row's text in `texts`
   * @param {((text: string) => number) | null} order places of the levels, by text; in order of the
   * texts themselves where not given
   */
  addTexts(name, label, texts, codeOf, order = null) {
    const { levels, codes } = factorize(texts, order);
    const own = new Uint32Array(this.size);
    for (let row = 0; row < this.size; row++) own[row] = codes[codeOf(row)];
    this.columns.set(name, { ...aboutConfiguration(label), name, label, unit: "", levels, codes: own });
  }

  addConfiguration() {
    const { run } = this;
    const { networks, points, splits } = run;
    /** @param {number} row */
    const network = (row) => splits.network[points.split[row]];
    /** @param {(network: number) => number} valueOf */
    const perNetwork = (valueOf) => this.perSplit((split) => valueOf(splits.network[split]));
    this.addTexts("backbone", "Backbone", networks.backbone, network);
    this.addTexts("pattern", "Pattern", networks.pattern, network);
    this.addTexts("split_point", "Split point", run.splitNames, (row) => points.split[row], depths(run));
    this.addNumbers(
      { name: "payload_bits", label: "Payload bits" },
      this.perRow((row) => points.bits[row] || NaN),
    );
    const weightBits = points.edge_weight_bits;
    if (weightBits)
      this.addNumbers(
        { name: "edge_weight_bits", label: "Edge weight bits" },
        this.perRow((row) => weightBits[row]),
      );
    const threshold = this.perRow((row) => (splits.is_output[points.split[row]] ? NaN : points.threshold[row]));
    this.addNumbers({ name: "confidence_threshold", label: "Confidence threshold" }, threshold);
    const means = networks.densities.map((all) => {
      const shares = Object.values(all);
      return shares.length ? shares.reduce((sum, share) => sum + share, 0) / shares.length : 1;
    });
    this.addNumbers(
      { name: "mean_density", label: "Mean density" },
      perNetwork((place) => means[place]),
    );
    const junctions = new Set(networks.densities.flatMap((all) => Object.keys(all)));
    for (const path of junctions) {
      this.addNumbers(
        { name: `density:${path}`, label: `Density of ${path}` },
        perNetwork((place) => networks.densities[place][path] ?? NaN),
      );
    }
    const names = new Set(networks.arguments.flatMap((all) => Object.keys(all)));
    for (const name of names) {
      const texts = networks.arguments.map((all) => (name in all ? JSON.stringify(all[name]) : "n/a"));
      if (new Set(texts).size > 1) this.addTexts(`argument:${name}`, name, texts, network);
    }
    if (new Set(networks.epochs).size > 1)
      this.addNumbers(
        { name: "epochs", label: "Epochs trained" },
        perNetwork((place) => networks.epochs[place]),
      );
    this.addTexts("network", "Network", networks.key, network);
    this.partlyTrained = networks.epochs.some((epochs, place) => epochs < networks.epochsAsked[place]);
  }

  /** @param {(split: number) => number} valueOf */
  perSplit(valueOf) {
    const { split } = this.run.points;
    const values = Float64Array.from(this.run.splits.network, (_, place) => valueOf(place));
    return this.perRow((row) => values[split[row]]);
  }

  /**
   * A measured column: the same for all rows with one split point and payload bits.
   * @param {string} name
   */
  measured(name) {
    const { measured, points } = this.run;
    const place = measured.names.indexOf(name);
    /**
     * @param {number} split
     * @param {number} bits
     */
    const key = (split, bits) => 64 * split + bits;
    const known = new Map(measured.rows.map(([split, bits, ...values]) => [key(split, bits), values[place] ?? NaN]));
    /** @param {number} row */
    const onHost = (row) => points.edge_weight_bits?.[row] !== INT8; // int8 runs on a microcontroller
    return this.perRow((row) => (onHost(row) ? (known.get(key(points.split[row], points.bits[row])) ?? NaN) : NaN));
  }

  /** @param {(row: number) => number} valueOf */
  perRow(valueOf) {
    const values = new Float64Array(this.size);
    for (let row = 0; row < this.size; row++) values[row] = valueOf(row);
    return values;
  }

  /** @param {number} row */
  id(row) {
    return pointId(this.run, row);
  }

  /**
   * What a person calls a row; the same words as explorer/space/names.py.
   * @param {number} row
   */
  name(row) {
    const { points, splits, networks, splitNames } = this.run;
    const split = points.split[row];
    const [what, density] = networks.words[splits.network[split]];
    return `${what} ${splits.is_output[split] ? "on the edge" : `at ${splitNames[split]}`}, ${density}`;
  }

  /** @param {string | null} id */
  rowOf(id) {
    if (id === null) return -1;
    if (this.lastId !== id) Object.assign(this, { lastId: id, lastRow: rowOf(this.run, id) });
    return this.lastRow;
  }

  /**
   * The column of a name, where there is one.
   * @param {string} name
   */
  metric(name) {
    return this.columns.get(name);
  }

  /**
   * A column that is known to exist.
   * @param {string} name
   */
  column(name) {
    return /** @type {Column} */ (this.columns.get(name));
  }

  /**
   * A column of numbers that is known to exist.
   * @param {string} name
   */
  numbers(name) {
    return /** @type {NumberColumn} */ (this.columns.get(name));
  }

  /**
   * A column of texts that is known to exist.
   * @param {string} name
   */
  texts(name) {
    return /** @type {TextColumn} */ (this.columns.get(name));
  }

  /** @param {Column} column */
  hasValues(column) {
    return column.levels ? column.levels.length > 0 : column.values.some((value) => !Number.isNaN(value));
  }

  /**
   * Accuracy, or the run's other quality, with its interval, for comparisons.
   * @param {number} row
   * @returns {Interval}
   */
  quality(row) {
    const { low, high } = this.intervals;
    return { share: this.numbers(this.run.quality).values[row], low: low[row], high: high[row] };
  }

  /**
   * Whether two rows differ by no more than noise: by the paired test where the answers of both are here, else by
   * the interval of the difference of two independent accuracies.
   * @param {number} first
   * @param {number} second
   */
  withinNoise(first, second) {
    const alike = this.paired.alike(first, second);
    if (alike !== null) return alike;
    const [low, high] = differenceInterval(this.quality(first), this.quality(second));
    return low <= 0 && high >= 0;
  }

  /** The front, one row for each network, cut and bits; without the answers of two points they count as different. */
  get groups() {
    const { front, losses, objectives, run, paired } = this;
    const isQuality = objectives.map(({ name }) => name === run.quality);
    this.grouped ??= frontGroups({
      front,
      losses,
      costs: losses.filter((_, axis) => !isQuality[axis]),
      quality: losses.find((_, axis) => isQuality[axis]) ?? null,
      cut: (row) => `${run.points.split[row]} ${run.points.bits[row]} ${run.points.edge_weight_bits?.[row]}`,
      threshold: (row) => this.numbers("confidence_threshold").values[row],
      isKnown: (row) => paired.places.has(row),
      alike: (first, second) => paired.alike(first, second) ?? false,
    });
    return this.grouped;
  }

  /** The cheapest point of the front that does not differ from the chosen one by the paired test; -1 for none. */
  get cheaperAlike() {
    const costs = this.losses.filter((_, axis) => this.objectives[axis].kind !== "learned");
    return cheaperAlike(this.chosen, this.front, costs, (first, second) => this.paired.alike(first, second) === true);
  }

  // ---- what the state decides, one stage after the other

  /**
   * Devices, link and protocol: the modelled columns.
   * @param {SettingState} state
   */
  applySetting(state) {
    this.setting = settingOf(this.run, state);
    this.memoryLimits = memoryLimits(this.setting.edge);
    const { cells } = this.run.profiles;
    this.cell = cells.find(({ name }) => name === state.cell) || cells[0];
    const { samplesPerDay, batteryWh } = state;
    const modelled = modelledColumns(this.run, this.setting, { samplesPerDay, batteryWh, cell: this.cell });
    for (const [name, values] of Object.entries(modelled)) {
      const column = this.numbers(name);
      Object.assign(column, { values, shown: unitFor(values, column.unit) });
    }
  }

  /**
   * Whether devices and link change what is feasible, on the front or chosen.
   * @param {State} state
   */
  dependsOnSetting({ limits, objectives, method, best, fitsDevice }) {
    if (fitsDevice && JSON.stringify(this.memoryLimits) !== JSON.stringify(this.fitted)) return true;
    const named = [...Object.keys(limits), ...objectives, ...(method === "best" ? [best] : [])];
    return named.some((name) => this.metric(name)?.kind === "modelled");
  }

  /**
   * Constraints and objectives: feasible points, the front, the point chosen.
   * @param {State} state
   */
  applyChoice(state) {
    /** @type {Record<string, Float64Array>} */
    const values = {};
    for (const [name, column] of this.columns) if (column.values) values[name] = column.values;
    this.constraints = Object.entries(state.limits)
      .filter(([name]) => values[name])
      .map(([column, limit]) => ({ column, ...limit }))
      .map((constraint) => (state.assured ? assured(constraint, this.run) : constraint));
    this.fitted = state.fitsDevice ? this.memoryLimits : [];
    this.violation = totalViolation(values, this.constraints.concat(this.fitted), this.size);
    const eligible = this.eligible(state);
    const rows = new Uint32Array(this.size);
    let count = 0;
    for (let row = 0; row < this.size; row++)
      if (this.violation[row] === 0 && eligible[row]) rows[count++] = row;
    this.feasible = rows.subarray(0, count);
    this.objectives = state.objectives.map((name) => this.numbers(name)).filter(Boolean);
    this.losses = lossColumns(values, this.objectives);
    this.front = this.objectives.length ? nonDominated(this.losses, this.feasible) : new Uint32Array();
    this.grouped = null;
    this.onFront = new Uint8Array(this.size);
    for (const row of this.front) this.onFront[row] = 1;
    this.nearest = this.feasible.length ? [] : this.leastViolating();
    for (const row of this.nearest) this.onFront[row] = 1;
    this.chosen = this.choose(state, values);
  }

  /**
   * What of a point does not fit the edge device's memory, in words; empty where all does.
   * @param {number} row
   */
  misfit(row) {
    return misfit((column) => this.numbers(column).values[row], this.memoryLimits);
  }

  /** Of each network the row that misses the constraints by least; so many networks at most. */
  leastViolating() {
    const rows = Uint32Array.from({ length: this.size }, (_, row) => row);
    const first = this.losses[0] || this.violation;
    /**
     * @param {number} a
     * @param {number} b
     */
    const compare = (a, b) => this.violation[a] - this.violation[b] || first[a] - first[b] || a - b;
    const own = rows.filter((row) => this.deployable[row]);
    const finite = own.filter((row) => this.violation[row] < Infinity);
    /** @type {Map<number, number>} by network, in order of what is missed */
    const best = new Map();
    for (const row of (finite.length ? finite : own).sort(compare)) {
      const network = this.run.splits.network[this.run.points.split[row]];
      if (!best.has(network)) best.set(network, row);
      if (best.size === LEAST_VIOLATING) break;
    }
    return [...best.values()];
  }

  /**
   * @param {State} state
   * @param {Record<string, Float64Array>} values
   */
  choose(state, values) {
    if (!this.front.length) return this.nearest.length ? this.nearest[0] : -1;
    if (state.method === "ideal") return closestToIdeal(this.losses, this.front);
    if (state.method === "weights")
      return byWeights(
        this.losses,
        this.front,
        this.objectives.map(({ name }) => state.weights[name] ?? 1),
      );
    if (state.method === "best" && values[state.best]) {
      const [loss] = lossColumns(values, [this.numbers(state.best)]);
      return bestOf(loss, this.losses, this.feasible);
    }
    return knee(this.losses, this.front);
  }

  /**
   * Rows that may be chosen: no baselines and, where that is asked for, nothing partly trained.
   * @param {State} state
   */
  eligible({ full }) {
    if (!full) return this.deployable.slice();
    const { networks, splits, points } = this.run;
    const done = networks.epochs.map((epochs, place) => epochs >= networks.epochsAsked[place]);
    return this.deployable.map((own, row) => (own && done[splits.network[points.split[row]]] ? 1 : 0));
  }

  /**
   * Brushes, kept and excluded steps, search text: which rows are left, and which of these are listed.
   * @param {State} state
   */
  applyFilter(state) {
    this.left = this.eligible(state);
    const everyone = () => Uint32Array.from(this.left.keys()).filter((row) => this.left[row]);
    const front = this.front.length ? this.front : this.nearest;
    this.shown = state.list === "all" ? everyone() : state.list === "feasible" && front === this.front ? this.feasible : front;
    for (const step of state.steps) {
      const inside = rowsInside(this, step);
      for (let row = 0; row < this.size; row++) if (Boolean(inside[row]) !== step.keep) this.left[row] = 0;
    }
    const inside = rowsInside(this, state);
    this.listed = [];
    this.numLeft = 0;
    /** @param {number} row */
    const feasible = (row) => this.violation[row] === 0;
    for (let row = 0; row < this.size; row++) {
      if (!(this.left[row] &&= inside[row])) continue;
      this.numLeft++;
      if (state.list === "all" || this.onFront[row] || (state.list === "feasible" && feasible(row)))
        this.listed.push(row);
    }
  }
}

/**
 * A constraint on the lower end of the interval, corrected where that is known, where it asks for an accuracy of
 * any kind.
 * @param {Constraint} constraint
 * @param {Run} run
 * @returns {Constraint}
 */
const assured = (constraint, { optimism, metrics }) => {
  const { column, operator } = constraint;
  const plain = `${column}_ci95_low`;
  if (operator !== ">=" || !metrics.some(({ name, bounds }) => name === plain && bounds)) return constraint;
  return { ...constraint, column: optimism?.column === column ? `${column}_corrected_ci95_low` : plain };
};

/**
 * What columns of the configuration have in common.
 * @param {string} label
 * @returns {Omit<ColumnInfo, "name" | "label" | "unit">}
 */
const aboutConfiguration = (label) => ({
  shortLabel: label,
  direction: "",
  group: "configuration",
  kind: "configuration",
  slider: false,
});

/**
 * Profiles and protocol in force: the run's own, those chosen instead, and single numbers changed.
 * @param {Run} run
 * @param {SettingState} state
 * @returns {Setting}
 */
export function settingOf(run, state) {
  /**
   * @template {{ name: string }} Profile
   * @param {Profile} own
   * @param {Profile[]} all
   * @param {string} name
   */
  const pick = (own, all, name) => ({ ...(all.find((profile) => profile.name === name) || own) });
  const { devices, links, protocols } = run.profiles;
  const setting = {
    edge: pick(run.profiles.run.edge, devices, state.edge),
    server: pick(run.profiles.run.server, devices, state.server),
    link: pick(run.profiles.run.link, links, state.link),
  };
  for (const [path, value] of Object.entries(state.set)) {
    const [role, quantity] = path.split(".");
    const profile = Object.entries(setting).find(([name]) => name === role)?.[1];
    if (!profile || !(quantity in profile)) continue;
    Object.assign(profile, { [quantity]: value });
    if (quantity === "tx_joules_per_bit")
      Object.assign(profile, { tx_alpha_w_per_bit_per_s: null, tx_beta_w: null });
    if (quantity === "message_energy_j") Object.assign(profile, { promotion_j: null, tail_w: null });
  }
  return {
    ...setting,
    protocol: pick(run.profiles.run.protocol, protocols, state.protocol),
    deadline_s: state.deadline || run.profiles.run.deadline_s,
  };
}
