// The commands that give the point a reader sees: one picks it, one deploys it.

import { shellWord } from "./format.js";

/** @type {Role[]} */
const ROLES = ["edge", "server", "link", "protocol"];

/** @param {number} number */
const plain = (number) => String(Number(number.toPrecision(15)));

/**
 * A bound as the page shows it: shares in per cent.
 * @param {Run} run
 * @param {string} column
 * @param {number} bound
 */
const boundWord = ({ metrics }, column, bound) =>
  metrics.some(({ name, isShare }) => name === column && isShare) ? `${plain(bound * 100)} %` : plain(bound);

/**
 * Words of the setting: devices, link, protocol, single numbers, deadline; none where all is as searched.
 * @param {SettingState} state
 */
function settingWords(state) {
  const words = ROLES.flatMap((role) => (state[role] ? [`--${role}`, state[role]] : []));
  for (const [path, value] of Object.entries(state.set)) words.push("--set", `${path}=${plain(value)}`);
  if (state.deadline) words.push("--deadline", `${plain(state.deadline)} s`);
  return words;
}

/**
 * How the chosen point is chosen, for a command line.
 * @param {Run} run
 * @param {ChoiceState} state
 */
function choiceWords(run, state) {
  const words = [];
  const own = Object.fromEntries(run.constraints.map(({ column, operator, bound }) => [column, { operator, bound }]));
  const kept = Object.entries(own).every(([name, limit]) => same(state.limits[name], limit));
  if (!kept) words.push("--relax");
  for (const [column, limit] of Object.entries(state.limits)) {
    if (!kept || !same(own[column], limit)) words.push("--where", `${column} ${limit.operator} ${boundWord(run, column, limit.bound)}`);
  }
  if (state.objectives.join() !== run.objectives.join()) words.push("--objectives", state.objectives.join(","));
  if (state.assured) words.push("--assured");
  if (state.fitsDevice !== run.fitsDevice) words.push(state.fitsDevice ? "--fit" : "--no-fit");
  if (state.full) words.push("--fully-trained");
  if (state.method === "ideal") words.push("--closest-to-ideal");
  else if (state.method === "weights")
    words.push("--weights", state.objectives.map((name) => `${name}=${plain(state.weights[name] ?? 1)}`).join(","));
  else if (state.method === "best")
    words.push(state.bestDirection === "maximize" ? "--maximize" : "--minimize", state.best);
  else words.push("--knee");
  return words;
}

/**
 * @param {Limit | undefined} a
 * @param {Limit | undefined} b
 */
const same = (a, b) => a !== undefined && b !== undefined && a.operator === b.operator && a.bound === b.bound;

/**
 * Words that choose a point; its id where it is not the one that the rules choose.
 * @param {Run} run
 * @param {ChoiceState} state
 * @param {string} id
 * @param {boolean} isChosen
 */
function pointWords(run, state, id, isChosen) {
  const words = isChosen ? choiceWords(run, state) : ["--id", id];
  return [run.run, ...[...words, ...settingWords(state)].map(shellWord)];
}

/**
 * What prints the point and writes what is known of it; arguments as of {@link pointWords}.
 * @param {Run} run
 * @param {ChoiceState} state
 * @param {string} id
 * @param {boolean} isChosen
 */
export function pickCommand(run, state, id, isChosen) {
  return ["python -m explorer.pick", ...pointWords(run, state, id, isChosen)].join(" ");
}

/**
 * What writes both halves of the point; by its id, so that it is this one whatever the rules.
 * @param {Run} run
 * @param {ChoiceState} state
 * @param {string} id
 */
export function deployCommand(run, state, id) {
  const code = id.endsWith(".int8") ? ["--c-code int8"] : [];
  return ["python -m explorer.deploy", ...pointWords(run, state, id, false), ...code, "--out bundle"].join(" ");
}
