// What to do where devices, link or use were changed, and no objective of the front follows the change.

import { byId, element, redraw } from "./dom.js";
import { gaps } from "./whatif.js";

/** @type {[string, (keyof SettingState)[]][]} what a reader changes, and where the state keeps it */
const PARTS = [
  ["the edge device", ["edge"]],
  ["the server", ["server"]],
  ["the link", ["link"]],
  ["the protocol", ["protocol"]],
  ["the deadline", ["deadline"]],
  ["the use of the battery", ["samplesPerDay", "batteryWh", "cell"]],
];

/** @type {[string, string[]][]} what to choose by, and the columns that follow devices, link and use */
const OFFERS = [
  ["latency", ["latency_model_s"]],
  ["energy", ["energy_model_j"]],
  ["latency and energy", ["latency_model_s", "energy_model_j"]],
  ["answers that are late", ["deadline_missed"]],
];

/**
 * What differs from the search, in words.
 * @param {State} state
 * @param {State} initial
 */
export function changedParts(state, initial) {
  const roles = Object.keys(state.set).map((path) => path.split(".")[0]);
  return PARTS.filter(([, names]) =>
    names.some((name) => state[name] !== initial[name] || roles.includes(name)),
  ).map(([words]) => words);
}

/**
 * Objectives that follow the setting, beside the quality of answers; only those that have values.
 * @param {Model} model
 * @returns {[string, string[]][]}
 */
export function offers(model) {
  const known = OFFERS.filter(([, names]) => names.every((name) => model.hasValues(model.numbers(name))));
  return known.map(([words, names]) => [words, [model.run.quality, ...names]]);
}

/**
 * Say what the change leaves as it was, with one click for each way to let the choice follow it.
 * @param {Model} model
 * @param {State} state
 * @param {State} initial
 * @param {Change} change
 */
export function drawOffer(model, state, initial, change) {
  const holder = byId("offer");
  const changed = changedParts(state, initial);
  const isOther = state.objectives.join() !== initial.objectives.join();
  const isDeaf = changed.length > 0 && !model.dependsOnSetting(state);
  holder.hidden = !isDeaf && !isOther;
  if (holder.hidden) return;
  const named = model.objectives.map(({ shortLabel }) => shortLabel).join(", ");
  const text = isDeaf
    ? `You changed ${changed.join(" and ")}, and no objective of the front (${named}) depends on that: costs follow, the choice does not.`
    : `The objectives (${named}) are not those of the search.`;
  const lacks = isDeaf ? gaps(model.setting) : "";
  const choose = isDeaf ? `Choose by ${qualityName(model)} and:` : "";
  /**
   * @param {string} words
   * @param {Patch} patch
   */
  const button = (words, patch) => element("button", { type: "button", onclick: () => change(patch) }, words);
  const ways = offers(model).map(([words, objectives]) =>
    button(words, { objectives, method: "knee", x: objectives[1], y: objectives[0], logX: null, logY: null }),
  );
  const back = button("Objectives as searched", { objectives: initial.objectives, x: initial.x, y: initial.y });
  redraw(
    holder,
    element("p", {}, [text, lacks, choose].filter(Boolean).join(" ")),
    element("div", { class: "controls" }, isDeaf ? ways : [], isOther ? back : null),
  );
}

/** @param {Model} model */
const qualityName = (model) => model.numbers(model.run.quality).shortLabel.toLowerCase();
