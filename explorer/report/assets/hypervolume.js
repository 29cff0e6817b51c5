// Exact hypervolume of a front, as a share of the box from the ideal to the reference point.

/**
 * @param {number[][]} points rows of losses, every one to be minimised
 * @param {number[]} reference worst corner
 * @param {number[]} ideal best corner, below `reference` everywhere
 * @returns {number}
 */
export function hypervolumeShare(points, reference, ideal) {
  const scaled = points
    .filter((point) => point.every((loss, axis) => loss < reference[axis]))
    .map((point) => point.map((loss, axis) => (reference[axis] - loss) / (reference[axis] - ideal[axis])));
  return volume(scaled);
}

/**
 * Volume that boxes from the origin to each point cover together (WFG: While et al., IEEE TEC 2012).
 * @param {number[][]} points
 * @returns {number}
 */
function volume(points) {
  if (!points.length) return 0;
  if (points[0].length === 1) return Math.max(...points.map(([side]) => side));
  if (points[0].length === 2) return area(points);
  const order = [...points].sort((a, b) => b[b.length - 1] - a[a.length - 1]);
  return order.reduce((sum, point, place) => {
    const limited = order.slice(place + 1).map((other) => other.map((side, axis) => Math.min(side, point[axis])));
    const own = point.reduce((product, side) => product * side, 1);
    return sum + own - volume(largest(limited));
  }, 0);
}

/** @param {number[][]} points */
function area(points) {
  const order = [...points].sort((a, b) => b[0] - a[0]);
  let [sum, height] = [0, 0];
  for (const [wide, high] of order) {
    if (high <= height) continue;
    sum += wide * (high - height);
    height = high;
  }
  return sum;
}

/**
 * Points that no other one encloses; one of equal ones.
 * @param {number[][]} points
 */
function largest(points) {
  /** @type {number[][]} */
  const kept = [];
  for (const point of [...points].sort((a, b) => b.reduce((s, v) => s + v, 0) - a.reduce((s, v) => s + v, 0))) {
    if (!kept.some((other) => other.every((side, axis) => side >= point[axis]))) kept.push(point);
  }
  return kept;
}
