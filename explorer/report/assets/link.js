// What messages take on a link: bytes on air, seconds, silence by law, joules. The same formulas as
// explorer/costs/latency.py and explorer/costs/lora.py, which the tests hold against these.

export const SECONDS_PER_DAY = 86400;
const LONGEST_SYMBOL_S = 16e-3; // of LoRa, without the low data rate optimisation
/** @param {number | null | undefined} value */
export const orNaN = (value) => (value === null || value === undefined ? NaN : value);

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
