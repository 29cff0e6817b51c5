// Fronts, ways to choose, constraints. Losses: one array per objective, every one to be minimised.
// The same rules as explorer/front/pareto.py and explorer/front/select.py.

/** @type {WeakMap<Float64Array, Float64Array>} by column, so that a front computed anew does not negate anew */
const negated = new WeakMap();

/**
 * Loss columns of objectives: maximised columns negated.
 * @param {Record<string, Float64Array>} columns
 * @param {ColumnInfo[]} objectives
 */
export function lossColumns(columns, objectives) {
  return objectives.map(({ name, direction }) => {
    const values = columns[name];
    if (direction !== "maximize") return values;
    const known = negated.get(values) ?? values.map((value) => -value);
    negated.set(values, known);
    return known;
  });
}

const SAMPLE = 1500; // rows whose own front thins out the rest
const STRONG = 128; // of these, so many at most

/**
 * Rows of `rows` that no other dominates, ascending; of equal rows the first counts; NaN is on no front.
 * @param {Numbers[]} losses
 * @param {Rows} rows
 */
export function nonDominated(losses, rows) {
  const known = Uint32Array.from(rows).filter((row) => {
    for (const loss of losses) if (loss[row] !== loss[row]) return false;
    return true;
  });
  return swept(losses, thinnedOut(losses, known));
}

/**
 * Without the rows that the front of a sample dominates; again, as long as that takes many away.
 * @param {Numbers[]} losses
 * @param {Uint32Array} rows
 * @returns {Uint32Array}
 */
function thinnedOut(losses, rows) {
  if (rows.length <= SAMPLE) return rows;
  const strong = swept(losses, evenly(rows, SAMPLE));
  const kept = withoutDominated(losses, rows, evenly(strong, STRONG));
  return kept.length < 0.7 * rows.length ? thinnedOut(losses, kept) : kept;
}

/**
 * The front of `rows` by one sweep in order of the first objective.
 * @param {Numbers[]} losses
 * @param {Uint32Array} rows
 */
function swept(losses, rows) {
  const order = Uint32Array.from(rows).sort((a, b) => {
    for (const loss of losses) if (loss[a] !== loss[b]) return loss[a] - loss[b];
    return a - b;
  });
  if (losses.length === 1) return order.slice(0, 1);
  // In this order only an earlier row can dominate, and its first objective is no longer in question.
  const rest = losses.slice(1);
  const front = [];
  /** @type {number[]} */
  let archive = [];
  for (const row of order) {
    const place = archive.findIndex((other) => noWorse(rest, other, row));
    if (place >= 0) {
      toTheFore(archive, place);
      continue;
    }
    archive = archive.filter((other) => !noWorse(rest, row, other));
    archive.push(row);
    front.push(row);
  }
  return Uint32Array.from(front).sort();
}

/**
 * Rows that none of a few strong ones dominates: one pass, and most rows fall to the first ones asked.
 * @param {Numbers[]} losses
 * @param {Uint32Array} rows
 * @param {Uint32Array} strong
 */
function withoutDominated(losses, rows, strong) {
  const asked = [...strong];
  return rows.filter((row) => {
    for (let place = 0; place < asked.length; place++) {
      const other = asked[place];
      if (!noWorse(losses, other, row) || noWorse(losses, row, other)) continue;
      toTheFore(asked, place);
      return false;
    }
    return true;
  });
}

/**
 * Strong rows move to the fore, where they are asked first.
 * @param {number[]} rows
 * @param {number} place
 */
function toTheFore(rows, place) {
  [rows[place], rows[place >> 1]] = [rows[place >> 1], rows[place]];
}

/**
 * @param {Numbers[]} losses
 * @param {number} a
 * @param {number} b
 */
function noWorse(losses, a, b) {
  for (let axis = 0; axis < losses.length; axis++) if (losses[axis][a] > losses[axis][b]) return false;
  return true;
}

/**
 * @param {Uint32Array} rows
 * @param {number} count
 */
const evenly = (rows, count) => rows.filter((_, place) => place % Math.ceil(rows.length / count) === 0);

/**
 * Losses of `rows` scaled to their range over these rows, per objective.
 * @param {Numbers[]} losses
 * @param {Rows} rows
 */
export function scaledLosses(losses, rows) {
  return losses.map((loss) => {
    const low = lowest(loss, rows);
    const width = span(loss, rows);
    return Float64Array.from(rows, (row) => (loss[row] - low) / width);
  });
}

/**
 * @param {Numbers} loss
 * @param {Rows} rows
 */
function lowest(loss, rows) {
  let low = Infinity;
  for (const row of rows) if (loss[row] < low) low = loss[row];
  return low;
}

/**
 * Range of a loss over rows; 1 where it does not vary, so that one can divide by it.
 * @param {Numbers} loss
 * @param {Rows} rows
 */
function span(loss, rows) {
  let high = -Infinity;
  for (const row of rows) if (loss[row] > high) high = loss[row];
  return high - lowest(loss, rows) || 1;
}

/** @param {Float64Array} values */
const argmin = (values) => values.reduce((best, value, place) => (value < values[best] ? place : best), 0);
/**
 * @param {Float64Array[]} scaled
 * @param {(loss: number, axis: number) => number} term
 */
const sums = (scaled, term) =>
  Float64Array.from(scaled[0], (_, place) => scaled.reduce((sum, loss, axis) => sum + term(loss[place], axis), 0));

/**
 * Row where the front bulges most (Das 1999): the smallest sum of scaled losses; -1 for no rows.
 * @param {Numbers[]} losses
 * @param {Rows} rows
 */
export function knee(losses, rows) {
  return rows.length ? rows[argmin(sums(scaledLosses(losses, rows), (loss) => loss))] : -1;
}

/**
 * Row nearest to the best value of every objective, in scaled losses.
 * @param {Numbers[]} losses
 * @param {Rows} rows
 */
export function closestToIdeal(losses, rows) {
  return rows.length ? rows[argmin(sums(scaledLosses(losses, rows), (loss) => loss * loss))] : -1;
}

/**
 * Row with the smallest weighted sum of scaled losses.
 * @param {Numbers[]} losses
 * @param {Rows} rows
 * @param {number[]} weights
 */
export function byWeights(losses, rows, weights) {
  return rows.length ? rows[argmin(sums(scaledLosses(losses, rows), (loss, axis) => weights[axis] * loss))] : -1;
}

/**
 * Row with the best value of one column; ties go to the smallest sum of scaled losses.
 * @param {Numbers} loss
 * @param {Numbers[]} losses
 * @param {Rows} rows
 */
export function bestOf(loss, losses, rows) {
  const best = lowest(loss, rows);
  const tied = rows.filter((row) => loss[row] === best && losses.every((own) => !Number.isNaN(own[row])));
  return knee(losses, tied);
}

/**
 * How far a value misses a bound, relative to it; <= 0 is satisfied, a missing value violates.
 * @param {number} value
 * @param {Limit} limit
 */
export function violation(value, { operator, bound }) {
  if (Number.isNaN(value)) return Infinity;
  const excess = operator === "<=" ? value - bound : bound - value;
  return bound ? excess / Math.abs(bound) : excess;
}

/**
 * Per row the sum of what it misses over all constraints; 0 is feasible.
 * @param {Record<string, Float64Array>} columns
 * @param {Constraint[]} constraints
 * @param {number} numRows
 */
export function totalViolation(columns, constraints, numRows) {
  const total = new Float64Array(numRows);
  for (const constraint of constraints) {
    const values = columns[constraint.column];
    for (let row = 0; row < numRows; row++) {
      const missed = violation(values[row], constraint);
      if (missed > 0) total[row] += missed;
    }
  }
  return total;
}

/**
 * Of each other network the row of `front` nearest to `row` in scaled losses, nearest first.
 * @param {Numbers[]} losses
 * @param {Uint32Array} front
 * @param {number} row
 * @param {number} count
 * @param {(row: number) => number} network
 */
export function neighbours(losses, front, row, count, network) {
  const others = front.filter((other) => other !== row);
  const spans = losses.map((loss) => (others.length ? span(loss, others) : 1));
  /** @param {number} other */
  const distance = (other) =>
    losses.reduce((sum, loss, axis) => sum + ((loss[other] - loss[row]) / spans[axis]) ** 2, 0);
  const seen = new Set([network(row)]);
  return Array.from(others, (other) => ({ other, far: distance(other) }))
    .sort((a, b) => a.far - b.far)
    .filter(({ other }) => !seen.has(network(other)) && seen.add(network(other)))
    .slice(0, count)
    .map(({ other }) => other);
}

/**
 * 95 % interval of the difference of two accuracies (Newcombe 1998, method 10); both as {share, low, high}.
 * @param {Interval} a
 * @param {Interval} b
 */
export function differenceInterval(a, b) {
  const difference = a.share - b.share;
  return [
    difference - Math.hypot(a.share - a.low, b.high - b.share),
    difference + Math.hypot(a.high - a.share, b.share - b.low),
  ];
}
