// Expected cost of every operating point, in closed form. The same formulas as explorer/costs/model.py and
// explorer/costs/latency.py, which the tests hold against these on every point.

import { energyDays, shelfDays } from "./battery.js";
import { airTime, bytesOnAir, joulesPerBit, joulesPerMessage, lawfulWait, orNaN, requestBytes, SECONDS_PER_DAY } from "./link.js";

const Z = 1.959963984540054; // 97.5 % quantile of the normal distribution
const FLOAT_BYTES = 4;
export const INT8 = 8; // bits of the weights of an edge part in int8

/**
 * Score interval of a share (Wilson 1927): [low, high].
 * @param {number} correct
 * @param {number} samples
 * @param {number} z standard errors; 95 % unless said
 */
export function wilsonInterval(correct, samples, z = Z) {
  const share = correct / samples;
  const centre = (share + z ** 2 / (2 * samples)) / (1 + z ** 2 / samples);
  const half = (z / (1 + z ** 2 / samples)) * Math.sqrt((share * (1 - share)) / samples + z ** 2 / (4 * samples ** 2));
  return [centre - half, centre + half];
}

/**
 * By how much an accuracy is too high because it was chosen: between known places in a straight line; NaN where
 * that is not known.
 * @param {Run["optimism"]} optimism
 * @param {number} accuracy
 */
export function optimismAt(optimism, accuracy) {
  if (!optimism) return NaN;
  const { accuracies, amounts } = optimism;
  const above = accuracies.findIndex((own) => own > accuracy);
  if (above === 0) return amounts[0];
  if (above < 0) return amounts[amounts.length - 1];
  const slope = (amounts[above] - amounts[above - 1]) / (accuracies[above] - accuracies[above - 1]);
  return amounts[above - 1] + slope * (accuracy - accuracies[above - 1]);
}

/**
 * Time of one operator, from times of its kind where the profile has them; else a roofline, in which limits that
 * the profile lacks are left out.
 * @param {Partial<Operator> & Pick<Operator, "kind" | "macs" | "moved_bytes">} operator
 * @param {DeviceProfile} device
 */
export function operatorTime({ kind, macs, moved_bytes, groups = 1, added_macs = 0, added_bytes = 0 }, device) {
  if (device.operators) {
    const own = device.operators[kind] ?? device.operators.other;
    const working = own.s_per_mac * (macs + added_macs) + own.s_per_byte * (moved_bytes + added_bytes);
    return own.s_per_call + working + own.s_per_group * groups;
  }
  if (device.macs_per_s === null) return NaN;
  const computing = macs / device.macs_per_s;
  const moving = device.memory_bandwidth_bytes_per_s === null ? 0 : moved_bytes / device.memory_bandwidth_bytes_per_s;
  return Math.max(computing, moving) + (device.call_overhead_s || 0);
}

/**
 * Seconds of every operator that occurs in a run.
 * @param {Run["operators"]} operators
 * @param {DeviceProfile} device
 */
function operatorTimes({ kinds, kind, macs, moved_bytes, groups, added_macs, added_bytes }, device) {
  return Float64Array.from(kind, (code, place) =>
    operatorTime(
      {
        kind: kinds[code],
        macs: macs[place],
        moved_bytes: moved_bytes[place],
        groups: groups[place],
        added_macs: added_macs[place],
        added_bytes: added_bytes[place],
      },
      device,
    ),
  );
}

/**
 * Seconds of every split point's parts, with what running a part takes: edge part, exit classifier, server part.
 * @param {Pick<Run, "splits" | "operators">} run
 * @param {Setting} setting
 */
export function splitTimes({ splits, operators }, setting) {
  const count = splits.network.length;
  const onEdge = operatorTimes(operators, setting.edge);
  const onServer = operatorTimes(operators, setting.server);
  const [edgeCall, serverCall] = [setting.edge.part_overhead_s || 0, setting.server.part_overhead_s || 0];
  const edgeUnknown = !setting.edge.operators && setting.edge.macs_per_s === null;
  const serverUnknown = !setting.server.operators && setting.server.macs_per_s === null;
  /**
   * @param {TypedArray} starts
   * @param {TypedArray} places
   * @param {number} split
   * @param {Float64Array} times
   */
  const sum = (starts, places, split, times) => {
    let seconds = 0;
    for (let place = starts[split]; place < starts[split + 1]; place++) seconds += times[places[place]];
    return seconds;
  };
  const times = { edge: new Float64Array(count), exit: new Float64Array(count), server: new Float64Array(count) };
  for (let first = 0; first < count;) {
    let last = first;
    let edge = edgeUnknown ? NaN : 0;
    let done = serverUnknown ? NaN : 0;
    for (; last < count && splits.network[last] === splits.network[first]; last++) {
      edge += sum(splits.operator_start, splits.operator, last, onEdge);
      done += sum(splits.operator_start, splits.operator, last, onServer);
      times.edge[last] = edge + edgeCall;
      times.exit[last] = edgeUnknown ? NaN : sum(splits.exit_start, splits.exit_operator, last, onEdge);
      times.server[last] = done; // of all stages so far; turned round below
    }
    for (let split = first; split < last; split++) {
      times.server[split] = done - times.server[split] + (splits.is_output[split] ? 0 : serverCall);
    }
    first = last;
  }
  return times;
}

/**
 * The device as parts of a network find it whose values have 8 bits, see DeviceProfile.for_int8 in
 * explorer/devices/profiles.py.
 * @param {DeviceProfile} device
 * @returns {DeviceProfile}
 */
export function forInt8(device) {
  const bandwidth = device.memory_bandwidth_bytes_per_s;
  const quarter = bandwidth === null ? null : 4 * bandwidth;
  return { ...device, macs_per_s: device.macs_per_s_int8, memory_bandwidth_bytes_per_s: quarter, operators: null };
}

/**
 * What modelled times of a device rest on, see DeviceProfile.latency_basis in explorer/devices/profiles.py.
 * @param {DeviceProfile} device
 */
export function latencyBasis(device) {
  if (device.operators) return "operators";
  return device.call_overhead_s === null || device.part_overhead_s === null ? "roofline, lower bound" : "roofline";
}

/**
 * Columns that follow from structure and validation outcomes; no device or link changes them.
 * @param {Run} run
 */
export function countedColumns(run) {
  const { points, splits, networks, numPoints } = run;
  const learned = run.metrics.filter(({ credit }) => credit);
  const earned = /** @type {Record<string, TypedArray>} */ (/** @type {unknown} */ (points));
  const ends = run.metrics.filter(({ margin }) => margin);
  const names = ["accuracy_ci95_low", "accuracy_ci95_high", "exit_rate", "edge_macs", "edge_macs_dense"];
  names.push(...learned.map(({ name }) => name), "server_macs", "edge_param_bytes", "payload_bytes");
  names.push("edge_flash_bytes", "edge_ram_bytes", "edge_memory_bytes");
  names.push(...ends.map(({ name }) => name));
  const columns = Object.fromEntries(names.map((name) => [name, new Float64Array(numPoints)]));
  const { code_constant_bytes: constants, code_flash_bytes: flash, code_ram_bytes: ram } = points;
  for (let row = 0; row < numPoints; row++) {
    const split = points.split[row];
    const samples = networks.samples[splits.network[split]];
    const hasExit = usesExit(run, row);
    const offload = 1 - points.exited[row] / samples;
    const [low, high] = wilsonInterval(points.correct[row], samples);
    for (const { name, credit } of learned) columns[name][row] = earned[credit][row] / samples;
    columns.accuracy_ci95_low[row] = low;
    columns.accuracy_ci95_high[row] = high;
    for (const { name, bounds, margin } of ends) {
      const side = margin === "margin_below" ? -1 : 1;
      columns[name][row] = earned[bounds][row] / samples + side * earned[margin][row];
    }
    columns.exit_rate[row] = points.exited[row] / samples;
    columns.edge_macs[row] = splits.edge_macs[split] + hasExit * splits.exit_macs[split];
    columns.edge_macs_dense[row] = splits.edge_macs_dense[split] + hasExit * splits.exit_macs[split];
    columns.server_macs[row] = offload * splits.server_macs[split];
    const hasRange = points.bits[row] > 0 && points.bits[row] <= 8 ? 1 : 0;
    columns.edge_param_bytes[row] =
      splits.edge_param_bytes[split] + hasExit * splits.exit_param_bytes[split] + hasRange * splits.range_bytes[split];
    columns.edge_flash_bytes[row] = columns.edge_param_bytes[row] + splits.edge_index_bytes[split];
    columns.edge_ram_bytes[row] = Math.max(splits.edge_ram_bytes[split], hasExit * splits.exit_ram_bytes[split]);
    if (constants && flash && ram) {
      columns.edge_param_bytes[row] = constants[row];
      columns.edge_flash_bytes[row] = flash[row];
      columns.edge_ram_bytes[row] = ram[row];
    }
    columns.edge_memory_bytes[row] = columns.edge_flash_bytes[row] + columns.edge_ram_bytes[row];
    columns.payload_bytes[row] = points.sent_bytes[row] / samples;
  }
  return { ...columns, ...correctedColumns(run, columns[run.quality]) };
}

/**
 * The quality without its optimism, and the ends of its interval: Wilson's about an accuracy, of the width that it
 * has for another quality.
 * @param {Run} run
 * @param {Float64Array} shown
 */
function correctedColumns(run, shown) {
  const { points, splits, networks, numPoints, quality } = run;
  const margins = /** @type {Record<string, TypedArray>} */ (/** @type {unknown} */ (points));
  const [corrected, low, high] = [0, 1, 2].map(() => new Float64Array(numPoints));
  for (let row = 0; row < numPoints; row++) {
    const samples = networks.samples[splits.network[points.split[row]]];
    const own = clipped(shown[row] - optimismAt(run.optimism, shown[row]));
    corrected[row] = own;
    [low[row], high[row]] =
      quality === "accuracy"
        ? wilsonInterval(own * samples, samples)
        : [clipped(own - margins.margin_below[row]), clipped(own + margins.margin_above[row])];
  }
  const name = `${quality}_corrected`;
  return { [name]: corrected, [`${name}_ci95_low`]: low, [`${name}_ci95_high`]: high };
}

/** @param {number} share */
const clipped = (share) => Math.min(Math.max(share, 0), 1);

/**
 * Mean bytes of the payloads that a row sends; 0 where it sends none.
 * @param {Run} run
 * @param {number} row
 */
export function messageBytes({ points, splits, networks }, row) {
  const samples = networks.samples[splits.network[points.split[row]]];
  return points.sent_bytes[row] / Math.max(samples - points.exited[row], 1);
}

/**
 * 1 where the row has an exit classifier, else 0: not at `output`, not without a threshold.
 * @param {Run} run
 * @param {number} row
 */
export function usesExit({ points, splits }, row) {
  return Number.isNaN(points.threshold[row]) || splits.is_output[points.split[row]] ? 0 : 1;
}

/** @type {WeakMap<Run, Transfers>} */
const transfers = new WeakMap();

/**
 * What a row sends, how often, and what encoding takes; computed once, since no device or link changes it.
 * @param {Run} run
 * @returns {Transfers}
 */
function transfersOf(run) {
  const known = transfers.get(run);
  if (known) return known;
  const { points, splits, networks, numPoints } = run;
  const own = {
    offload: new Float64Array(numPoints),
    perSample: new Float64Array(numPoints),
    message: new Float64Array(numPoints),
    codecMacs: new Float64Array(numPoints),
    codecBytes: new Float64Array(numPoints),
    hasExit: Uint8Array.from({ length: numPoints }, (_, row) => usesExit(run, row)),
  };
  for (let row = 0; row < numPoints; row++) {
    const split = points.split[row];
    const bits = points.bits[row];
    own.message[row] = messageBytes(run, row);
    own.perSample[row] = points.sent_bytes[row] / networks.samples[splits.network[split]];
    own.offload[row] = 1 - points.exited[row] / networks.samples[splits.network[split]];
    own.codecMacs[row] = bits > 0 && bits < 32 ? splits.payload_elements[split] : 0;
    own.codecBytes[row] = FLOAT_BYTES * splits.payload_elements[split] + own.message[row];
  }
  transfers.set(run, own);
  return own;
}

/**
 * Share of samples that are answered after the deadline; NaN without one, or where a latency is not known.
 * @param {[number, number]} latencies of a sample that exits, of one that is sent
 * @param {number} exited
 * @param {number} samples
 * @param {number | null} deadline
 */
function lateShare([exit, sent], exited, samples, deadline) {
  if (deadline === null) return NaN;
  /**
   * @param {number} seconds
   * @param {number} count
   */
  const late = (seconds, count) => (count === 0 ? 0 : Number.isNaN(seconds) ? NaN : seconds > deadline ? count : 0);
  return (late(exit, exited) + late(sent, samples - exited)) / samples;
}

/**
 * Columns that devices, link and protocol decide: bytes on the wire, latency, edge energy, battery life.
 * @param {Run} run
 * @param {Setting} setting
 * @param {BatteryUse} use
 * @returns {Record<string, Float64Array>}
 */
export function modelledColumns(run, setting, use) {
  const { points, networks, splits, numPoints } = run;
  const times = splitTimes(run, setting);
  const { edge_weight_bits: weightBits } = points;
  const int8 = weightBits ? splitTimes(run, { ...setting, edge: forInt8(setting.edge) }) : times;
  const { link, protocol } = setting;
  const [rtt, active, idle] = [orNaN(link.rtt_s), orNaN(setting.edge.active_w), orNaN(setting.edge.idle_w)];
  const [perBit, perMessage] = [joulesPerBit(link), joulesPerMessage(link)];
  const silentPower = setting.edge.sleep_w === null ? idle : setting.edge.sleep_w;
  const begin = (link.promotion_s || 0) + rtt;
  const answer = airTime(protocol.answer_bytes, link);
  const wire = new Float64Array(numPoints);
  const latency = new Float64Array(numPoints);
  const [exitLatency, sentLatency] = [new Float64Array(numPoints).fill(NaN), new Float64Array(numPoints).fill(NaN)];
  const late = new Float64Array(numPoints).fill(NaN);
  const energy = new Float64Array(numPoints);
  const samples = new Float64Array(numPoints);
  const battery = new Float64Array(numPoints);
  const { offload, perSample, message, codecMacs, codecBytes, hasExit } = transfersOf(run);
  for (let row = 0; row < numPoints; row++) {
    const split = points.split[row];
    const { edge: ofPart, exit: ofExit } = weightBits?.[row] === INT8 ? int8 : times;
    const edge = ofPart[split] + (hasExit[row] ? ofExit[split] : 0);
    wire[row] = perSample[row] + offload[row] * protocol.overhead_bytes;
    latency[row] = edge;
    energy[row] = edge * active;
    if (points.exited[row] > 0) exitLatency[row] = edge;
    if (offload[row] > 0) {
      const codec = { macs: codecMacs[row], moved_bytes: codecBytes[row] };
      const coded = codecMacs[row] > 0 ? "" : "_floats";
      const encode = operatorTime({ kind: `encode${coded}`, ...codec }, setting.edge);
      const decode = operatorTime({ kind: `decode${coded}`, ...codec }, setting.server);
      const request = requestBytes(message[row], protocol);
      const air = bytesOnAir(request, link);
      const silent = lawfulWait(request, link);
      const wait = begin + airTime(request, link) + answer + decode + times.server[split];
      const transmit = air === 0 ? 0 : 8 * air * perBit + perMessage;
      latency[row] += offload[row] * (encode + silent + wait);
      sentLatency[row] = edge + (encode + silent + wait);
      energy[row] += offload[row] * (encode * active + transmit + silent * silentPower + wait * idle);
    }
    const own = networks.samples[splits.network[split]];
    late[row] = lateShare([exitLatency[row], sentLatency[row]], points.exited[row], own, setting.deadline_s);
    const onAir = offload[row] * airTime(requestBytes(message[row], protocol), link);
    samples[row] = Math.min((SECONDS_PER_DAY * orNaN(link.duty_cycle)) / onAir, SECONDS_PER_DAY / latency[row]);
    const point = { energy: energy[row], latency: latency[row], offload: offload[row] };
    battery[row] = Math.min(energyDays(point, setting, use), shelfDays(use.cell));
  }
  const latencies = { latency_model_s: latency, latency_exit_s: exitLatency, latency_offload_s: sentLatency };
  const modelled = { ...latencies, deadline_missed: late, max_samples_per_day: samples, energy_model_j: energy };
  return { wire_bytes: wire, ...modelled, battery_days: battery };
}
