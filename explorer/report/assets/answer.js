// What to deploy, and why, in words: the first thing on the page. explorer/report/sentences.py says the same of the
// choice that the page opens with; the tests hold both against each other.

import { shelfDays } from "./battery.js";
import { deployCommand, pickCommand } from "./command.js";
import { INT8, messageBytes, usesExit } from "./cost.js";
import { violated } from "./decide.js";
import { byId, copyText, element, say } from "./dom.js";
import { boundQuantity, limitText, numberText, quantity } from "./format.js";
import { pipelineOf } from "./pipeline.js";

const RULES = {
  knee: "the knee",
  ideal: "the point closest to the ideal",
  weights: "the smallest weighted sum of scaled objectives",
};

const COMMANDS = ["deploy", "pick"];

/**
 * The answer for the chosen point in words; the page as it is built holds the same of its first choice.
 * @param {Run} run
 * @param {Model} model
 * @param {State} state
 */
export function answerTexts(run, model, state) {
  const row = model.chosen;
  const kind = model.front.length ? "Deploy" : "Nearest miss";
  const rules = rulesText(run, model, state);
  if (row < 0) return { kind, name: "No operating point", lines: [], rules, deploy: "", pick: "" };
  const asked = { ...state, bestDirection: model.metric(state.best)?.direction };
  return {
    kind,
    name: model.name(row),
    lines: sentences(run, model, state, row),
    rules,
    deploy: deployCommand(run, asked, model.id(row)),
    pick: pickCommand(run, asked, model.id(row), model.front.length > 0),
  };
}

/**
 * Draw the answer for the chosen point: its name, commands, sentences, the cut. What is there stays, so that it is
 * neither painted nor read aloud again.
 * @param {Run} run
 * @param {Model} model
 * @param {State} state
 */
export function drawAnswer(run, model, state) {
  const { lines, ...texts } = answerTexts(run, model, state);
  for (const [name, text] of Object.entries(texts)) say(byId(`answer-${name}`), text);
  const list = byId("answer");
  if ([...list.children].map(({ textContent }) => textContent).join() !== lines.join())
    list.replaceChildren(...lines.map((line) => element("li", {}, line)));
  byId("answer-cut").replaceChildren(...(model.chosen < 0 ? [] : [pipelineOf(run, model.chosen)]));
  for (const id of COMMANDS) byId(`answer-${id}-command`).hidden = model.chosen < 0;
}

/** Let the answer's commands be copied. */
export function connectAnswer() {
  for (const id of COMMANDS) {
    const button = byId(`copy-answer-${id}`);
    button.addEventListener("click", () => copyText(byId(`answer-${id}`), button));
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
  const why = whySentence(model, state, row);
  const isMiss = !model.front.length; // what is missed comes first
  return [
    isMiss ? why : "",
    whatRuns(run, model, row),
    memorySentence(model, row),
    accuracySentence(model, row),
    costSentence(model, row),
    ...comparisons(run, model, row),
    isMiss ? "" : why,
    cheaperSentence(model, row),
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
  const inInt8 = run.points.edge_weight_bits?.[row] === INT8 ? " in int8" : "";
  if (run.splits.is_output[split])
    return `The whole network runs${inInt8} on the edge device (${edge.name}); nothing is sent.`;
  const [macs, exit] = [run.splits.edge_macs[split], run.splits.exit_macs[split]].map(
    (own) => `${quantity(own, "MAC")}${inInt8}`,
  );
  const computes = run.splits.edge_macs[split] ? `computes up to ${run.splitNames[split]} (${macs})` : "computes no layer";
  const bytes = quantity(messageBytes(run, row), "B");
  const bits = run.points.bits[row];
  const sends = `${bytes} of payload${bits ? ` at ${bits} bits` : ""} to ${server.name}`;
  if (!usesExit(run, row)) return `The edge device (${edge.name}) ${computes} and sends every sample on, ${sends}.`;
  const exitRate = model.numbers("exit_rate").values[row];
  if (exitRate === 1)
    return `The edge device (${edge.name}) ${computes}; its exit (${exit}) answers every sample there, so nothing is sent.`;
  const rate = quantity(exitRate, "%");
  return `The edge device (${edge.name}) ${computes}; its exit (${exit}) answers ${rate} of the samples there, and the others send ${sends}.`;
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
    ["latency_model_s", "a sample on average (modelled)"],
    ["energy_model_j", "of edge energy (modelled)"],
    ["battery_days", "of battery life"],
    ["deadline_missed", "of the answers late"],
  ];
  const known = parts.flatMap(([name, what]) => {
    const column = model.metric(name);
    const value = column?.values?.[row] ?? NaN;
    return column && !Number.isNaN(value) ? [`${quantity(value, column.unit)} ${what}`] : [];
  });
  const unknown = ["latency_model_s", "energy_model_j"].filter((name) => Number.isNaN(model.numbers(name).values[row]));
  const gaps = unknown.map((name) => model.numbers(name).shortLabel.toLowerCase()).join(" and ");
  const lacks = gaps ? `${gaps} unknown, because a profile lacks what it needs` : "";
  return [known.length ? `It takes ${known.join(", ")}` : "", lacks].filter(Boolean).join("; ").concat(".");
}

/**
 * What memory it takes on the edge device, and whether the device has it.
 * @param {Model} model
 * @param {number} row
 */
function memorySentence(model, row) {
  const { memoryLimits, setting } = model;
  const unfit = model.misfit(row);
  if (unfit) return `It ${unfit}.`;
  const bounds = Object.fromEntries(memoryLimits.map(({ column, bound }) => [column, bound]));
  const names = bounds.edge_memory_bytes ? ["edge_memory_bytes"] : ["edge_flash_bytes", "edge_ram_bytes"];
  const taken = names.map((name) => {
    const { values, shortLabel } = model.numbers(name);
    const whole = bounds[name] ? ` of ${boundQuantity(bounds[name], "B")}` : "";
    return `${shortLabel} ${quantity(values[row], "B")}${whole}`;
  });
  if (memoryLimits.length) return `It fits ${setting.edge.name}: ${taken.join(", ")}.`;
  return `${taken.join(", ")}; whether ${setting.edge.name} has that is not known.`;
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
    [named("all_edge"), "the dense network on the edge", "edge_macs", "fewer MACs on the edge"],
    [named("all_server"), "sending everything", "wire_bytes", "fewer bytes on the wire"],
  ];
  return rivals.flatMap(([other, what, name, fewer]) => {
    if (other < 0 || other === row) return [];
    /** @type {[string, string][]} */
    const columns = [
      [name, fewer],
      ["latency_model_s", "less latency"],
      ["energy_model_j", "less energy"],
    ];
    const costs = columns.map(([own, less]) => {
      const { values } = model.numbers(own);
      return lessOrMore(values[row], values[other], less);
    });
    const words = [...costs, accuracyAgainst(model, row, other)].filter(Boolean);
    return [`Than ${what} (${model.name(other)}): ${words.join(", ")}.`];
  });
}

/**
 * @param {number} own
 * @param {number} other
 * @param {string} fewer "fewer" or "less", and of what; nothing is said of what is not known
 */
function lessOrMore(own, other, fewer) {
  const unit = fewer.slice(fewer.indexOf(" ") + 1);
  if (Number.isNaN(own) || !(other > 0)) return own > 0 && other === 0 ? `${unit} where it has none` : "";
  const share = own / other - 1;
  if (Math.abs(share) < 0.005) return `the same ${unit}`;
  return share < 0 ? `${Math.round(-share * 100)} % ${fewer}` : `${numberText(own / other)} times the ${unit}`;
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
  const noise = model.withinNoise(row, other) ? " (within noise)" : "";
  return `${points} ${points === "1" ? "point" : "points"} ${own.share > theirs.share ? "more" : "less"} ${name}${noise}`;
}

/**
 * By which rule it was chosen.
 * @param {Model} model
 * @param {State} state
 * @param {number} row
 */
function whySentence(model, state, row) {
  if (!model.front.length)
    return `No point satisfies every constraint. This one misses them by least: ${violated(model, row).join("; ") || "it fits no memory"}.`;
  const best = state.method === "best" ? `the best ${model.column(state.best).shortLabel.toLowerCase()}` : "";
  const rule = best || RULES[/** @type {keyof typeof RULES} */ (state.method)];
  const [from, what] = best ? [model.feasible.length, "feasible points"] : [model.front.length, "points on the front"];
  const objectives = model.objectives.map(({ shortLabel }) => shortLabel).join(", ");
  return `Chosen as ${rule} of ${from.toLocaleString("en")} ${what} (${objectives}).`;
}

/**
 * The cheaper point that the paired test does not tell from it, as `explorer pick --indifferent` finds it.
 * @param {Model} model
 * @param {number} row
 */
function cheaperSentence(model, row) {
  const other = model.front.length ? model.cheaperAlike : -1;
  if (other < 0) return "";
  const saved = model.objectives.flatMap(({ values, shortLabel, unit, kind }) => {
    if (kind === "learned" || values[other] === values[row]) return [];
    return [`${shortLabel} ${quantity(values[other], unit)} instead of ${quantity(values[row], unit)}`];
  });
  const name = model.numbers(model.run.quality).shortLabel.toLowerCase();
  return `${model.name(other)} (${model.id(other)}) costs less and does not differ from it in ${name} by the paired test: ${saved.join(", ")}.`;
}

/**
 * Constraints, rule and setting in one line, for paper and for who comes back.
 * @param {Run} run
 * @param {Model} model
 * @param {State} state
 */
function rulesText(run, model, state) {
  const { edge, server, link, protocol, deadline_s } = model.setting;
  const limits = model.constraints.map(({ column, ...limit }) => {
    const { shortLabel, unit } = model.numbers(column);
    return `${shortLabel} ${limitText(limit, unit)}`;
  });
  if (model.fitted.length) limits.push(`fits ${edge.name}`);
  if (state.full) limits.push("fully trained");
  const names = `edge ${edge.name}, link ${link.name}, server ${server.name}, protocol ${protocol.name}`;
  const changed = Object.entries(state.set).map(([path, value]) => `${path} ${numberText(value)}`);
  const deadline = deadline_s === null ? "no deadline" : `deadline ${quantity(deadline_s, "s")}`;
  return `Constraints: ${limits.join(", ") || "none"}. Setting: ${[names, ...changed, deadline].join(", ")}. Run ${run.run}.`;
}

/**
 * What the battery's cell and the link's law say against the point's battery life.
 * @param {Model} model
 * @param {State} state
 * @param {number} row
 */
function reservations(model, state, row) {
  const { cell } = model;
  const lines = [];
  if (model.numbers("battery_days").values[row] >= shelfDays(cell))
    lines.push(`Battery life ends with the shelf life of ${cell.name}, ${cell.shelf_life_years} years; its energy alone would last longer.`);
  const allowed = model.numbers("max_samples_per_day").values[row];
  if (allowed < state.samplesPerDay)
    lines.push(
      `The link's duty cycle allows ${Math.floor(allowed).toLocaleString("en")} samples a day, not ${state.samplesPerDay.toLocaleString("en")}.`,
    );
  return lines;
}
