// Rows of one network, and what its thresholds lead to at one cut.

/**
 * Rows of the same network and weight bits that fit a test, in order; a network's rows lie together.
 * @param {Run} run
 * @param {number} row
 * @param {(row: number) => boolean} fits
 */
export function siblingsOf({ points, splits, numPoints }, row, fits) {
  const network = splits.network[points.split[row]];
  const weightBits = points.edge_weight_bits;
  /** @param {number} other */
  const isOwn = (other) => other >= 0 && other < numPoints && splits.network[points.split[other]] === network;
  let first = row;
  while (isOwn(first - 1)) first--;
  const rows = [];
  /** @param {number} other */
  const alike = (other) => !weightBits || weightBits[other] === weightBits[row];
  for (let other = first; isOwn(other); other++) if (alike(other) && fits(other)) rows.push(other);
  return rows;
}

/**
 * Rows with a row's cut and bits by rising threshold, and what each leads to; none at the output.
 * @param {Model} model
 * @param {number} row
 * @returns {{ rows: number[], steps: ThresholdStep[] }}
 */
export function thresholdSteps(model, row) {
  const { points, splits } = model.run;
  const [split, bits] = [points.split[row], points.bits[row]];
  const rows = splits.is_output[split]
    ? []
    : siblingsOf(model.run, row, (own) => points.split[own] === split && points.bits[own] === bits);
  // a row without exit classifier is what a threshold of 1 would be
  /** @param {number} own */
  const threshold = (own) => (Number.isNaN(points.threshold[own]) ? 1 : points.threshold[own]);
  rows.sort((a, b) => threshold(a) - threshold(b));
  const rate = model.numbers("exit_rate").values;
  const steps = rows.map((own) => {
    const { share, low, high } = model.quality(own);
    return { threshold: threshold(own), accuracy: share, low, high, exitRate: rate[own] };
  });
  return { rows, steps };
}
