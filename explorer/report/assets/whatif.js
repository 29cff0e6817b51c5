// What if the device, the server, the link, the protocol or the use were others: profiles to choose, numbers to drag.

import { latencyBasis } from "./cost.js";
import { byId, choices, element, fieldOf } from "./dom.js";
import { quantity } from "./format.js";
import { joulesPerBit, joulesPerMessage, keepaliveW, orNaN } from "./link.js";

const STEPS = 300;
/** @type {[Role, string][]} */
const ROLES = [
  ["edge", "Edge device"],
  ["server", "Server"],
  ["link", "Link"],
  ["protocol", "Protocol"],
];
// path in the setting or name in the state, label, unit, low, high, logarithmic
/** @type {Slider[]} */
const SLIDERS = [
  ["link.uplink_bits_per_s", "Uplink rate", "bit/s", 1e2, 1e9, true],
  ["link.rtt_s", "Round-trip time", "s", 1e-4, 10, true],
  ["link.loss", "Packet loss", "%", 0, 0.9, false],
  ["link.tx_joules_per_bit", "Energy per bit", "J/bit", 1e-11, 1e-3, true],
  ["link.message_energy_j", "Energy per message", "J", 1e-6, 100, true],
  ["deadline", "Deadline", "s", 1e-3, 1e4, true],
  ["samplesPerDay", "Samples per day", "", 1, 1e7, true],
  ["batteryWh", "Battery", "Wh", 0.1, 1000, true],
];

export class WhatIf {
  /** @type {State} */
  state;

  /**
   * @param {Run} run
   * @param {Change} change
   */
  constructor(run, change) {
    this.run = run;
    this.change = change;
    const { devices, links, protocols } = run.profiles;
    const names = { edge: devices, server: devices, link: links, protocol: protocols };
    for (const [role, label] of ROLES) {
      const own = run.profiles.run[role];
      /** @type {[string, string][]} */
      const options = names[role].map(({ name, description }) => [name, `${description || name} (${name})`]);
      /** @type {ChoiceGroups} */
      const groups = [
        ["as searched", [["", own ? `${own.description || own.name} (${own.name})` : label]]],
        [role === "protocol" ? "protocols" : "shipped profiles", options],
      ];
      for (const select of selectsOf(role)) {
        choices(select, groups, "");
        select.addEventListener("change", (event) => this.choose(role, fieldOf(event).value));
      }
    }
    choices(byId("what-cell"), [["cells", run.profiles.cells.map(({ name, description }) => [name, `${description} (${name})`])]], run.profiles.cells[0].name);
    byId("what-cell").addEventListener("change", (event) => change({ cell: fieldOf(event).value }));
    byId("sliders").replaceChildren(...SLIDERS.map((slider) => this.row(slider)));
    byId("reset-setting").addEventListener("click", () =>
      change({ edge: "", server: "", link: "", protocol: "", set: {}, deadline: 0, samplesPerDay: 1000, batteryWh: 10, cell: run.profiles.cells[0].name }),
    );
  }

  /**
   * Another profile brings its own numbers.
   * @param {Role} role
   * @param {string} name
   */
  choose(role, name) {
    const kept = Object.entries(this.state.set).filter(([path]) => !path.startsWith(`${role}.`));
    this.change({ [role]: name, set: Object.fromEntries(kept) });
  }

  /** @param {Slider} slider */
  row([path, label, , low, high, log]) {
    /** @param {number} step */
    const value = (step) => (log ? low * (high / low) ** (step / STEPS) : low + (high - low) * (step / STEPS));
    /** @param {Event} event */
    const slide = (event) => {
      const chosen = Number(value(Number(fieldOf(event).value)).toPrecision(3));
      this.change(path.includes(".") ? { set: { ...this.state.set, [path]: chosen } } : { [path]: chosen });
    };
    const id = `what-${path.replace(".", "-")}`;
    return element(
      "div",
      { class: "slider", "data-path": path },
      element("label", { for: id }, label),
      element("output", { for: id }),
      element("span"),
      element("input", { type: "range", id, min: 0, max: STEPS, oninput: slide }),
    );
  }

  /**
   * @param {State} state
   * @param {Setting} setting
   */
  draw(state, setting) {
    this.state = state;
    for (const [role] of ROLES) for (const select of selectsOf(role)) select.value = state[role];
    byId("what-cell").value = state.cell;
    for (const [path, , unit, low, high, log] of SLIDERS) {
      const value = current(path, state, setting);
      const row = /** @type {HTMLElement} */ (document.querySelector(`[data-path="${path}"]`));
      const output = /** @type {HTMLOutputElement} */ (row.querySelector("output"));
      const input = /** @type {HTMLInputElement} */ (row.querySelector("input"));
      const none = path === "deadline" ? "none" : "unknown";
      output.textContent = Number.isNaN(value) ? none : quantity(value, unit);
      input.setAttribute("aria-valuetext", output.textContent);
      row.classList.toggle("active", path in state.set || (path === "deadline" && state.deadline > 0));
      if (document.activeElement === input || Number.isNaN(value)) continue;
      const share = log ? Math.log(Math.max(value, low) / low) / Math.log(high / low) : (value - low) / (high - low);
      input.value = String(Math.round(Math.min(Math.max(share, 0), 1) * STEPS));
    }
    byId("setting-gaps").textContent = `${basis(setting)} ${gaps(setting)}`.trim();
  }
}

/**
 * Beside the answer, and where everything can be changed.
 * @param {Role} role
 * @returns {NodeListOf<HTMLSelectElement>}
 */
const selectsOf = (role) => document.querySelectorAll(`select[data-role="${role}"]`);

/**
 * @param {Slider[0]} path
 * @param {State} state
 * @param {Setting} setting
 * @returns {number}
 */
function current(path, state, setting) {
  if (path === "samplesPerDay" || path === "batteryWh") return state[path];
  if (path === "deadline") return orNaN(setting.deadline_s);
  const quantityName = /** @type {LinkQuantity} */ (path.replace("link.", ""));
  if (quantityName === "tx_joules_per_bit") return joulesPerBit(setting.link);
  if (quantityName === "message_energy_j") return joulesPerMessage(setting.link);
  return setting.link[quantityName] ?? (quantityName === "loss" ? 0 : NaN);
}

/**
 * What modelled times rest on.
 * @param {Setting} setting
 */
function basis({ edge, server }) {
  const [own, other] = [latencyBasis(edge), latencyBasis(server)];
  return `Latency is modelled from: ${own === other ? `edge and server: ${own}` : `edge: ${own}; server: ${other}`}.`;
}

/**
 * What the profiles do not know, and what therefore has no value.
 * @param {Setting} setting
 */
export function gaps({ edge, server, link }) {
  const lacks = [];
  /** @param {DeviceProfile} device */
  const computes = (device) => device.operators !== null || device.macs_per_s !== null;
  if (!computes(edge) || !computes(server)) lacks.push("a rate of multiply-adds");
  if (link.uplink_bits_per_s === null) lacks.push("an uplink rate");
  if (link.rtt_s === null) lacks.push("a round-trip time");
  const noLatency = lacks.length > 0;
  if (edge.active_w === null) lacks.push("the edge device's active power");
  if (edge.idle_w === null) lacks.push("its idle power");
  if (Number.isNaN(joulesPerBit(link))) lacks.push("an energy per bit");
  if (Number.isNaN(joulesPerMessage(link))) lacks.push("an energy per message");
  const noEnergy = lacks.length > 0;
  if (edge.sleep_w === null) lacks.push("the edge device's power asleep");
  if (Number.isNaN(keepaliveW(link))) lacks.push("the energy that keeps the link");
  if (!lacks.length) return "";
  const empty = noLatency ? "latency, energy and battery life have" : noEnergy ? "energy and battery life have" : "battery life has";
  return `The profiles lack ${lacks.join(", ")}; ${empty} no value where a term needs it. Nothing is guessed.`;
}
