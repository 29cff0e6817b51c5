// What fits the memory of an edge device. The same rules as explorer/space/fit.py, which the tests hold against these.

/** @type {Record<string, string>} */
const MEMORIES = { edge_flash_bytes: "flash", edge_ram_bytes: "RAM", edge_memory_bytes: "memory" };

/**
 * Constraints that keep an edge part to what a device holds; without flash, parameters lie in RAM.
 * @param {DeviceProfile} device
 * @returns {Constraint[]}
 */
export function memoryLimits({ flash_bytes: flash, ram_bytes: ram }) {
  /** @type {[string, number | null][]} */
  const bounds = [
    ["edge_flash_bytes", flash],
    [flash === null ? "edge_memory_bytes" : "edge_ram_bytes", ram],
  ];
  return bounds.flatMap(([column, bound]) => (bound === null ? [] : [{ column, operator: "<=", bound }]));
}

/**
 * What of an operating point does not fit, in words; empty where all does.
 * @param {(column: string) => number} valueOf
 * @param {Constraint[]} limits
 */
export function misfit(valueOf, limits) {
  const missed = limits.filter(({ column, bound }) => !(valueOf(column) <= bound));
  /** @param {number} bytes */
  const text = (bytes) => `${Math.round(bytes).toLocaleString("en")} B`;
  const texts = missed.map(
    ({ column, bound }) => `${text(valueOf(column))} of ${MEMORIES[column]}, device has ${text(bound)}`,
  );
  return texts.length ? `does not fit: ${texts.join("; ")}` : "";
}
