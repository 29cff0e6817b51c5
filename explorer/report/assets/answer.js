// What to deploy, and why, in words: the first thing on the page.

import { shelfDays } from "./battery.js";
import { deployCommand, pickCommand } from "./command.js";
import { messageBytes, usesExit } from "./cost.js";
import { byId, copyText, element } from "./dom.js";
import { numberText, quantity } from "./format.js";
import { pipelineOf } from "./pipeline.js";
import { withinNoise } from "./table.js";

const RULES = {
  knee: "the knee",
  ideal: "the point closest to the ideal",
  weights: "the smallest weighted sum of scaled objectives",
};

/**
 * Draw the answer for the chosen point: its name, sentences, the cut.
 * @param {Run} run
 * @param {Model} model
 * @param {State} state
 */
export function drawAnswer(run, model, state) {
  const row = model.chosen;
  const none = row < 0;
  byId("answer-name").textContent = none ? "No operating point" : model.name(row);
  byId("answer-cut").replaceChildren(...(none ? [] : [pipelineOf(run, row)]));
  const lines = none ? [] : sentences(run, model, state, row);
  byId("answer").replaceChildren(...lines.map((line) => element("li", {}, line)));
  byId("answer-commands").hidden = none;
  if (none) return;
  const asked = { ...state, bestDirection: model.metric(state.best)?.direction };
  byId("answer-deploy").textContent = deployCommand(run, asked, model.id(row));
  byId("answer-pick").textContent = pickCommand(run, asked, model.id(row), true);
}

/** Let the answer's commands be copied. */
export function connectAnswer() {
  for (const id of ["answer-deploy", "answer-pick"]) {
    const button = byId(`copy-${id}`);
    button.addEventListener("click", () => copyText(byId(id), button));
  }
}

/**
 * One sentence a line.
 * @param {Run} run
 * @param {Model} model
 * @param {State} state
 * @param {number} row
 */
function sentences(run, model, state, row) {
  return [
    whatRuns(run, model, row),
    accuracySentence(model, row),
    costSentence(model, row),
    ...comparisons(run, model, row),
    whySentence(model, state),
    ...reservations(model, state, row),
  ].filter(Boolean);
}

/**
 * What the edge computes, what it answers, what the rest sends.
 * @param {Run} run
 * @param {Model} model
 * @param {number} row
 */
function whatRuns(run, model, row) {
  const { edge, server } = model.setting;
  const split = run.points.split[row];
  if (run.splits.is_output[split]) return `The whole network runs on the edge device (${edge.name}); nothing is sent.`;
  const macs = quantity(run.splits.edge_macs[split], "MAC");
  const computes = run.splits.edge_macs[split] ? `computes up to ${run.splitNames[split]} (${macs})` : "computes no layer";
  const bytes = quantity(messageBytes(run, row), "B");
  const bits = run.points.bits[row];
  const sends = `${bytes} of payload${bits ? ` at ${bits} bits` : ""} to ${server.name}`;
  if (!usesExit(run, row)) return `The edge device (${edge.name}) ${computes} and sends every sample on, ${sends}.`;
  const rate = quantity(model.numbers("exit_rate").values[row], "%");
  return `The edge device (${edge.name}) ${computes}; its exit answers ${rate} of the samples there, and the others send ${sends}.`;
}

/**
 * @param {Model} model
 * @param {number} row
 */
function accuracySentence(model, row) {
  /** @param {string} name */
  const value = (name) => model.metric(name)?.values?.[row] ?? NaN;
  const { quality } = model.run;
  const isKnown = !Number.isNaN(value(`${quality}_corrected`));
  const name = isKnown ? `${quality}_corrected` : quality;
  const ends = [`${name}_ci95_low`, `${name}_ci95_high`].map((own) => quantity(value(own), "%"));
  const how = isKnown
    ? `corrected for having been chosen; ${quantity(value(quality), "%")} as validated`
    : "on the validation subset";
  return `${model.numbers(quality).shortLabel} ${quantity(value(name), "%")}, 95 % interval ${ends.join(" to ")} (${how}).`;
}

/**
 * What it costs on the devices and the link.
 * @param {Model} model
 * @param {number} row
 */
function costSentence(model, row) {
  /** @type {[string, string][]} */
  const parts = [
    ["edge_flash_bytes", "of flash"],
    ["edge_ram_bytes", "of RAM on the edge"],
    ["latency_model_s", "a sample on average (modelled)"],
    ["energy_model_j", "of edge energy (modelled)"],
    ["battery_days", "of battery life"],
  ];
  const known = parts.flatMap(([name, what]) => {
    const column = model.metric(name);
    const value = column?.values?.[row] ?? NaN;
    return column && !Number.isNaN(value) ? [`${quantity(value, column.unit)} ${what}`] : [];
  });
  return `It takes ${known.join(", ")}.`;
}

/**
 * Against the dense network on the edge, and against sending everything.
 * @param {Run} run
 * @param {Model} model
 * @param {number} row
 */
function comparisons(run, model, row) {
  const backbone = model.texts("backbone");
  /** @param {string} name the reference of this backbone, or any */
  const named = (name) => {
    const own = model.references.filter(({ names }) => names.split(", ").includes(name));
    return (own.find(({ row: other }) => backbone.codes[other] === backbone.codes[row]) ?? own[0])?.row ?? -1;
  };
  /** @type {[number, string, string, string][]} */
  const rivals = [
    [named("all_edge"), "the dense network on the edge", "edge_macs", "MACs on the edge"],
    [named("all_server"), "sending everything", "wire_bytes", "bytes on the wire"],
  ];
  return rivals.flatMap(([other, what, name, unit]) => {
    if (other < 0 || other === row) return [];
    const values = model.numbers(name).values;
    const words = [lessOrMore(values[row], values[other], unit), accuracyAgainst(model, row, other)].filter(Boolean);
    return [`Than ${what} (${model.name(other)}): ${words.join(", ")}.`];
  });
}

/**
 * @param {number} own
 * @param {number} other
 * @param {string} unit
 */
function lessOrMore(own, other, unit) {
  if (!(other > 0)) return own > 0 ? `${unit} where it has none` : "";
  const share = own / other - 1;
  if (Math.abs(share) < 0.005) return `as many ${unit}`;
  return share < 0 ? `${Math.round(-share * 100)} % fewer ${unit}` : `${numberText(own / other)} times the ${unit}`;
}

/**
 * @param {Model} model
 * @param {number} row
 * @param {number} other
 */
function accuracyAgainst(model, row, other) {
  const [own, theirs] = [model.quality(row), model.quality(other)];
  const name = model.numbers(model.run.quality).shortLabel.toLowerCase();
  const points = numberText(Math.abs(own.share - theirs.share) * 100);
  if (own.share === theirs.share) return `the same ${name}`;
  const noise = withinNoise(own, theirs) ? " (within noise)" : "";
  return `${points} points ${own.share > theirs.share ? "more" : "less"} ${name}${noise}`;
}

/**
 * By which rule it was chosen.
 * @param {Model} model
 * @param {State} state
 */
function whySentence(model, state) {
  if (!model.front.length) return "No point satisfies every constraint; this one misses them by least.";
  const best = state.method === "best" ? `the best ${model.column(state.best).shortLabel.toLowerCase()}` : "";
  const rule = best || RULES[/** @type {keyof typeof RULES} */ (state.method)];
  const [from, what] = best ? [model.feasible.length, "feasible points"] : [model.front.length, "points on the front"];
  const objectives = model.objectives.map(({ shortLabel }) => shortLabel).join(", ");
  return `Chosen as ${rule} of ${from.toLocaleString("en")} ${what} (${objectives}).`;
}

/**
 * What the battery's cell and the link's law say against the point's battery life.
 * @param {Model} model
 * @param {State} state
 * @param {number} row
 */
function reservations(model, state, row) {
  const { cell } = model;
  const unfit = model.misfit(row);
  const lines = unfit ? [`It ${unfit}.`] : [];
  if (model.numbers("battery_days").values[row] >= shelfDays(cell))
    lines.push(`Battery life ends with the shelf life of ${cell.name}, ${cell.shelf_life_years} years; its energy alone would last longer.`);
  const allowed = model.numbers("max_samples_per_day").values[row];
  if (allowed < state.samplesPerDay)
    lines.push(
      `The link's duty cycle allows ${Math.floor(allowed).toLocaleString("en")} samples a day, not ${state.samplesPerDay.toLocaleString("en")}.`,
    );
  return lines;
}
