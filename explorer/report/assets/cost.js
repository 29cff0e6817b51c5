// Expected cost of every operating point, in closed form. The same formulas as explorer/costs/model.py and
// explorer/costs/latency.py, which the tests hold against these on every point.

const Z = 1.959963984540054; // 97.5 % quantile of the normal distribution
const FLOAT_BYTES = 4;
const JOULES_PER_WH = 3600;
const SECONDS_PER_DAY = 86400;
const DAYS_PER_YEAR = 365.25;
const LONGEST_SYMBOL_S = 16e-3; // of LoRa, without the low data rate optimisation
/** @param {number | null | undefined} value */
const orNaN = (value) => (value === null || value === undefined ? NaN : value);

/**
 * 95 % score interval of a share (Wilson 1927): [low, high].
 * @param {number} correct
 * @param {number} samples
 */
export function wilsonInterval(correct, samples) {
  const share = correct / samples;
  const centre = (share + Z ** 2 / (2 * samples)) / (1 + Z ** 2 / samples);
  const half = (Z / (1 + Z ** 2 / samples)) * Math.sqrt((share * (1 - share)) / samples + Z ** 2 / (4 * samples ** 2));
  return [centre - half, centre + half];
}

/**
 * Roofline time of one operator; limits that the profile lacks are left out.
 * @param {number} macs
 * @param {number} movedBytes
 * @param {DeviceProfile} device
 */
export function operatorTime(macs, movedBytes, device) {
  if (device.macs_per_s === null) return NaN;
  const computing = macs / device.macs_per_s;
  const moving = device.memory_bandwidth_bytes_per_s === null ? 0 : movedBytes / device.memory_bandwidth_bytes_per_s;
  return Math.max(computing, moving) + (device.call_overhead_s || 0);
}

/**
 * Air time of a message by LoRa, in whole symbols, as bytes at its modulation's rate; see explorer/costs/lora.py.
 * @param {number} message
 * @param {LinkProfile} link
 */
export function loraBytes(message, link) {
  const [factor, block, preamble] = [link.lora_spreading_factor, link.lora_block_symbols, link.lora_preamble_symbols];
  if (factor === null || block === null || preamble === null) return NaN;
  const symbolBytes = (factor * 4) / block / 8;
  const optimised = (8 * symbolBytes) / orNaN(link.uplink_bits_per_s) > LONGEST_SYMBOL_S ? 1 : 0;
  /** @param {number} bytes of a packet with its headers */
  const symbols = (bytes) => {
    const bits = 8 * bytes - 4 * factor + 28 + 16;
    return preamble + 4.25 + 8 + Math.max(Math.ceil(bits / (4 * (factor - 2 * optimised))), 0) * block;
  };
  const own = message + (link.header_bytes_per_message || 0);
  const header = link.header_bytes_per_packet || 0;
  const largest = link.packet_payload_bytes;
  const full = largest === null ? 0 : Math.floor(own / largest);
  const rest = own - full * (largest || 0);
  const last = rest > 0 ? symbols(rest + header) : 0;
  return (last + (full > 0 ? full * symbols((largest || 0) + header) : 0)) * symbolBytes;
}

/**
 * Message plus headers of the link, times the expected number of transmissions.
 * @param {number} message
 * @param {LinkProfile} link
 */
export function bytesOnAir(message, link) {
  if (message === 0) return 0;
  if (link.lora_spreading_factor !== null) return loraBytes(message, link) / (1 - (link.loss || 0));
  const packets = link.packet_payload_bytes === null ? 1 : Math.ceil(message / link.packet_payload_bytes);
  const headers = (link.header_bytes_per_message || 0) + packets * (link.header_bytes_per_packet || 0);
  return (message + headers) / (1 - (link.loss || 0));
}

/**
 * Seconds that a message occupies the link.
 * @param {number} message
 * @param {LinkProfile} link
 */
export function airTime(message, link) {
  const air = bytesOnAir(message, link);
  return air === 0 ? 0 : (8 * air) / orNaN(link.uplink_bits_per_s);
}

/**
 * Seconds for which a link's duty cycle keeps the packets of a message apart; 0 where no law limits the link.
 * @param {number} message
 * @param {LinkProfile} link
 */
export function lawfulWait(message, link) {
  if (link.duty_cycle === null || message === 0) return 0;
  const largest = link.packet_payload_bytes;
  const before = largest === null ? 0 : Math.max(Math.ceil(message / largest) - 1, 0) * Math.min(largest, message);
  const once = airTime(message - before, link) * (1 - (link.loss || 0));
  return (1 / link.duty_cycle - 1) * (airTime(message, link) - once);
}

/**
 * Bytes of the message that carries a payload, what the protocol puts around it included.
 * @param {number} payload
 * @param {WireProtocol} protocol
 */
export function requestBytes(payload, protocol) {
  return payload === 0 ? 0 : payload + protocol.overhead_bytes;
}

/**
 * Joules per bit on air; NaN when the profile has no energy model.
 * @param {LinkProfile} link
 */
export function joulesPerBit(link) {
  if (link.tx_joules_per_bit !== null) return link.tx_joules_per_bit;
  const { tx_alpha_w_per_bit_per_s: alpha, tx_beta_w: beta, uplink_bits_per_s: rate } = link;
  return alpha === null || beta === null || rate === null ? NaN : (alpha * rate + beta) / rate;
}

/**
 * Joules of an isolated message beyond its bits; NaN when the profile knows neither form of it.
 * @param {LinkProfile} link
 */
export function joulesPerMessage(link) {
  if (link.message_energy_j !== null) return link.message_energy_j;
  const { promotion_j: raising, tail_s: time, tail_w: power } = link;
  return raising === null || time === null || power === null ? NaN : raising + time * power;
}

/**
 * Mean watts of keeping the connection; NaN when the profile does not know them.
 * @param {LinkProfile} link
 */
export function keepaliveW(link) {
  return link.keepalive_j === 0 ? 0 : orNaN(link.keepalive_j) / orNaN(link.keepalive_s);
}

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

/**
 * Seconds of every split point's parts: edge part, exit classifier, server part.
 * @param {Run["splits"]} splits
 * @param {Setting} setting
 */
export function splitTimes(splits, setting) {
  const count = splits.network.length;
  /**
   * @param {Numbers} macs
   * @param {Numbers} bytes
   * @param {number} start
   * @param {number} end
   * @param {DeviceProfile} device
   */
  const sum = (macs, bytes, start, end, device) => {
    if (device.macs_per_s === null) return NaN;
    let seconds = 0;
    for (let place = start; place < end; place++) seconds += operatorTime(macs[place], bytes[place], device);
    return seconds;
  };
  const times = { edge: new Float64Array(count), exit: new Float64Array(count), server: new Float64Array(count) };
  for (let first = 0; first < count;) {
    let last = first;
    let edge = 0;
    let done = 0;
    for (; last < count && splits.network[last] === splits.network[first]; last++) {
      /** @type {[TypedArray, TypedArray, number, number]} */
      const stage = [
        splits.operator_macs,
        splits.operator_bytes,
        splits.operator_start[last],
        splits.operator_start[last + 1],
      ];
      /** @type {[TypedArray, TypedArray, number, number]} */
      const exit = [
        splits.exit_operator_macs,
        splits.exit_operator_bytes,
        splits.exit_start[last],
        splits.exit_start[last + 1],
      ];
      edge += sum(...stage, setting.edge);
      done += sum(...stage, setting.server);
      times.edge[last] = edge;
      times.exit[last] = sum(...exit, setting.edge);
      times.server[last] = done; // of all stages so far; turned round below
    }
    for (let split = first; split < last; split++) times.server[split] = done - times.server[split];
    first = last;
  }
  return times;
}

/**
 * Columns that follow from structure and validation outcomes; no device or link changes them.
 * @param {Run} run
 */
export function countedColumns(run) {
  const { points, splits, networks, numPoints } = run;
  const learned = run.metrics.filter(({ credit }) => credit);
  const earned = /** @type {Record<string, TypedArray>} */ (/** @type {unknown} */ (points));
  const names = ["accuracy_ci95_low", "accuracy_ci95_high", "exit_rate", "edge_macs", "edge_macs_dense"];
  names.push(...learned.map(({ name }) => name), "server_macs", "edge_param_bytes", "edge_memory_bytes", "payload_bytes");
  const columns = Object.fromEntries(names.map((name) => [name, new Float64Array(numPoints)]));
  for (let row = 0; row < numPoints; row++) {
    const split = points.split[row];
    const samples = networks.samples[splits.network[split]];
    const hasExit = usesExit(run, row);
    const offload = 1 - points.exited[row] / samples;
    const [low, high] = wilsonInterval(points.correct[row], samples);
    const peak = hasExit
      ? Math.max(splits.peak_activation_bytes[split], splits.exit_peak_bytes[split])
      : splits.peak_activation_bytes[split];
    for (const { name, credit } of learned) columns[name][row] = earned[credit][row] / samples;
    columns.accuracy_ci95_low[row] = low;
    columns.accuracy_ci95_high[row] = high;
    columns.exit_rate[row] = points.exited[row] / samples;
    columns.edge_macs[row] = splits.edge_macs[split] + hasExit * splits.exit_macs[split];
    columns.edge_macs_dense[row] = splits.edge_macs_dense[split] + hasExit * splits.exit_macs[split];
    columns.server_macs[row] = offload * splits.server_macs[split];
    const hasRange = points.bits[row] > 0 && points.bits[row] <= 8 ? 1 : 0;
    columns.edge_param_bytes[row] =
      splits.edge_param_bytes[split] + hasExit * splits.exit_param_bytes[split] + hasRange * splits.range_bytes[split];
    columns.edge_memory_bytes[row] = columns.edge_param_bytes[row] + peak;
    columns.payload_bytes[row] = points.sent_bytes[row] / samples;
  }
  return columns;
}

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
 * Columns that devices, link and protocol decide: bytes on the wire, latency, edge energy, battery life.
 * @param {Run} run
 * @param {Setting} setting
 * @param {BatteryUse} use
 * @returns {Record<string, Float64Array>}
 */
export function modelledColumns(run, setting, use) {
  const { points, splits, numPoints } = run;
  const times = splitTimes(splits, setting);
  const { link, protocol } = setting;
  const [rtt, active, idle] = [orNaN(link.rtt_s), orNaN(setting.edge.active_w), orNaN(setting.edge.idle_w)];
  const [perBit, perMessage] = [joulesPerBit(link), joulesPerMessage(link)];
  const silentPower = setting.edge.sleep_w === null ? idle : setting.edge.sleep_w;
  const begin = (link.promotion_s || 0) + rtt;
  const answer = airTime(protocol.answer_bytes, link);
  const wire = new Float64Array(numPoints);
  const latency = new Float64Array(numPoints);
  const energy = new Float64Array(numPoints);
  const samples = new Float64Array(numPoints);
  const battery = new Float64Array(numPoints);
  const { offload, perSample, message, codecMacs, codecBytes, hasExit } = transfersOf(run);
  for (let row = 0; row < numPoints; row++) {
    const split = points.split[row];
    const edge = times.edge[split] + (hasExit[row] ? times.exit[split] : 0);
    wire[row] = perSample[row] + offload[row] * protocol.overhead_bytes;
    latency[row] = edge;
    energy[row] = edge * active;
    if (offload[row] > 0) {
      const encode = operatorTime(codecMacs[row], codecBytes[row], setting.edge);
      const decode = operatorTime(codecMacs[row], codecBytes[row], setting.server);
      const request = requestBytes(message[row], protocol);
      const air = bytesOnAir(request, link);
      const silent = lawfulWait(request, link);
      const wait = begin + airTime(request, link) + answer + decode + times.server[split];
      const transmit = air === 0 ? 0 : 8 * air * perBit + perMessage;
      latency[row] += offload[row] * (encode + silent + wait);
      energy[row] += offload[row] * (encode * active + transmit + silent * silentPower + wait * idle);
    }
    const onAir = offload[row] * airTime(requestBytes(message[row], protocol), link);
    samples[row] = Math.min((SECONDS_PER_DAY * orNaN(link.duty_cycle)) / onAir, SECONDS_PER_DAY / latency[row]);
    const point = { energy: energy[row], latency: latency[row], offload: offload[row] };
    battery[row] = Math.min(energyDays(point, setting, use), shelfDays(use.cell));
  }
  const modelled = { latency_model_s: latency, max_samples_per_day: samples, energy_model_j: energy };
  return { wire_bytes: wire, ...modelled, battery_days: battery };
}
