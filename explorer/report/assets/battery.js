// How long a battery lasts. The same formulas as explorer/costs/battery.py, which the tests hold against these.

import { keepaliveW, orNaN, SECONDS_PER_DAY } from "./link.js";

const JOULES_PER_WH = 3600;
const DAYS_PER_YEAR = 365.25;

/**
 * Days until a battery is empty, however long its cell may lie; NaN where a power of sleeping is not known.
 * @param {{energy: number, latency: number, offload: number}} point
 * @param {Setting} setting
 * @param {BatteryUse} use
 */
export function energyDays({ energy, latency, offload }, { edge, link }, { samplesPerDay, batteryWh, cell }) {
  const battery = batteryWh * JOULES_PER_WH;
  const asleep = Math.max(SECONDS_PER_DAY - samplesPerDay * latency, 0);
  const kept = offload > 0 ? SECONDS_PER_DAY * keepaliveW(link) : 0;
  const lost = (battery * cell.self_discharge_per_year) / DAYS_PER_YEAR;
  return battery / (samplesPerDay * energy + asleep * orNaN(edge.sleep_w) + kept + lost);
}

/** @param {Cell} cell */
export const shelfDays = (cell) => cell.shelf_life_years * DAYS_PER_YEAR;
