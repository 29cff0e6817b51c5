// McNemar's exact test of two points on the samples that both answered; the same as explorer/front/paired.py.

const LEVEL = 0.05; // below it two points differ
const ONES = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll("0", "").length);

/**
 * How often so uneven a share, or a more uneven one, comes about where both points are equally good.
 * @param {number} onlyFirst samples on which the first alone is right
 * @param {number} onlySecond
 */
export function pValue(onlyFirst, onlySecond) {
  const count = onlyFirst + onlySecond;
  const uneven = Math.min(onlyFirst, onlySecond);
  let [term, tail, half] = [1, 0, 0]; // binomial coefficients, as multiples of the largest
  for (let place = count >> 1; place >= 0 && term > 0; place--) {
    if (place <= uneven) tail += term;
    half += place === count / 2 ? term / 2 : term;
    term *= place / (count - place + 1);
  }
  return Math.min(1, tail / half);
}

export class Paired {
  /** @type {Map<number, number>} place of a row among those whose answers are here */
  places = new Map();
  /** @type {Map<number, number>} chances that were asked for, by both places */
  known = new Map();

  /** @param {Classes<TypedArray>} classes */
  constructor({ rows, answers }) {
    if (!answers) return;
    rows.forEach((row, place) => this.places.set(row, place));
    this.answers = answers;
    this.width = answers.length / rows.length;
  }

  /**
   * Chance that two equally good points differ as much as these rows; null where answers of one are not here.
   * @param {number} first
   * @param {number} second
   * @returns {number | null}
   */
  chance(first, second) {
    const places = [this.places.get(first), this.places.get(second)];
    const [low, high] = places.sort((a, b) => Number(a) - Number(b));
    if (low === undefined || high === undefined) return null;
    const key = low * this.places.size + high;
    const found = this.known.get(key) ?? pValue(...this.differing(low, high));
    this.known.set(key, found);
    return found;
  }

  /**
   * Whether two rows do not differ; null where that is not known.
   * @param {number} first
   * @param {number} second
   */
  alike(first, second) {
    const chance = this.chance(first, second);
    return chance === null ? null : chance >= LEVEL;
  }

  /**
   * Samples on which the first alone is right, and the second alone.
   * @param {number} first place among the rows whose answers are here
   * @param {number} second
   * @returns {[number, number]}
   */
  differing(first, second) {
    const answers = /** @type {TypedArray} */ (this.answers);
    const width = /** @type {number} */ (this.width);
    let [onlyFirst, onlySecond] = [0, 0];
    for (let byte = 0; byte < width; byte++) {
      const [a, b] = [answers[first * width + byte], answers[second * width + byte]];
      onlyFirst += ONES[a & ~b];
      onlySecond += ONES[b & ~a];
    }
    return [onlyFirst, onlySecond];
  }
}
