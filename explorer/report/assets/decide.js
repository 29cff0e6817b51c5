// Constraints as sliders, objectives, and the named ways to choose one point of the front.

import { makeAxis } from "./axis.js";
import { byId, element, fieldOf, redraw } from "./dom.js";
import { boundQuantity, boundText, limitText, numberText, quantity, readBound } from "./format.js";

const STEPS = 400;
const MAX_OBJECTIVES = 4;
/** @type {Record<Method, [string, string]>} name and meaning */
const METHODS = {
  knee: [
    "Knee",
    "The point where the front bulges most: the smallest sum of the objectives, each scaled to its range on the front.",
  ],
  ideal: [
    "Closest to ideal",
    "The point nearest to an imaginary one that is best in every objective, in a straight line over scaled objectives.",
  ],
  weights: [
    "Weights",
    "The smallest weighted sum of the scaled objectives: a weight of 2 makes one objective count twice.",
  ],
  best: [
    "Best of one column",
    "The best value of one column among all feasible points; ties go to the smallest sum of scaled objectives.",
  ],
};

export class Decide {
  /** @type {State} */
  state;

  /**
   * @param {Model} model
   * @param {Run} run
   * @param {Change} change
   */
  constructor(model, run, change) {
    this.model = model;
    this.run = run;
    this.change = change;
    const sliders = [...model.columns.values()].filter(({ slider }) => slider).map(({ name }) => name);
    this.columns = sliders.concat(run.constraints.map(({ column }) => column)).filter(
      (name, place, all) => all.indexOf(name) === place && model.columns.has(name),
    );
    byId("limits").replaceChildren(...this.columns.map((name) => this.limitRow(name)));
    byId("answer-bound").addEventListener("change", (event) => this.type(run.quality, fieldOf(event).value));
    byId("reset-limits").addEventListener("click", () =>
      change({
        limits: Object.fromEntries(run.constraints.map(({ column, operator, bound }) => [column, { operator, bound }])),
      }),
    );
    const methods = /** @type {[Method, [string, string]][]} */ (Object.entries(METHODS));
    byId("methods").replaceChildren(
      ...methods.map(([key, [name]]) =>
        element(
          "label",
          { class: "option" },
          element("input", { type: "radio", name: "method", value: key, onchange: () => change({ method: key }) }),
          ` ${name}`,
        ),
      ),
    );
    this.objectiveBoxes();
    byId("assured").addEventListener("change", (event) => change({ assured: fieldOf(event).checked }));
    byId("fits").addEventListener("change", (event) => change({ fitsDevice: fieldOf(event).checked }));
    byId("full-row").hidden = !model.partlyTrained;
    byId("full").addEventListener("change", (event) => change({ full: fieldOf(event).checked }));
  }

  /** @param {string} name */
  limitRow(name) {
    const column = this.model.numbers(name);
    const slider = element("input", {
      type: "range",
      min: 0,
      max: STEPS,
      id: `limit-${name}`,
      "aria-label": column.label,
      oninput: (event) => this.slide(name, Number(fieldOf(event).value)),
    });
    const field = element("input", {
      type: "text",
      class: "bound",
      inputmode: "decimal",
      id: `bound-${name}`,
      "aria-label": `${column.label}, bound`,
      placeholder: "none",
      onchange: (event) => this.type(name, fieldOf(event).value),
    });
    const sign = column.direction === "maximize" ? "≥" : "≤";
    return element(
      "div",
      { class: "slider", id: `row-${name}` },
      element("label", { for: `limit-${name}` }, `${column.shortLabel} ${sign}`),
      field,
      element("span", { class: "unit", id: `unit-${name}` }),
      slider,
    );
  }

  objectiveBoxes() {
    const known = [...this.model.columns.values()].filter(
      (column) => column.direction && column.values && column.kind !== "measured",
    );
    byId("objectives").replaceChildren(
      ...known.map((column) =>
        element(
          "label",
          { class: "option" },
          element("input", { type: "checkbox", value: column.name, onchange: () => this.chooseObjectives() }),
          ` ${column.shortLabel}`,
        ),
      ),
    );
  }

  chooseObjectives() {
    const boxes = inputs("objectives").flatMap((box) => (box.checked ? [box.value] : []));
    const kept = this.state.objectives.filter((name) => boxes.includes(name));
    const objectives = [...kept, ...boxes.filter((name) => !kept.includes(name))].slice(0, MAX_OBJECTIVES);
    this.change({ objectives: objectives.length ? objectives : this.state.objectives });
  }

  /**
   * An axis over every value of a column; the loosest end of the slider is no constraint.
   * @param {string} name
   */
  axis(name) {
    return makeAxis(this.model.numbers(name));
  }

  /**
   * @param {string} name
   * @param {number} step
   */
  slide(name, step) {
    const { direction } = this.model.numbers(name);
    const loosest = direction === "maximize" ? 0 : STEPS;
    const { [name]: _, ...others } = this.state.limits;
    if (step === loosest) {
      this.change({ limits: others });
      return;
    }
    const bound = Number(Math.max(this.axis(name).valueAt(step / STEPS), 0).toPrecision(3));
    this.change({ limits: { ...others, [name]: { operator: direction === "maximize" ? ">=" : "<=", bound } } });
  }

  /**
   * @param {string} name
   * @param {string} text
   */
  type(name, text) {
    const column = this.model.numbers(name);
    const { [name]: _, ...others } = this.state.limits;
    const isLeast = column.direction === "maximize";
    const shown = boundText(this.state.limits[name]?.bound ?? NaN, column)[1];
    const read = readBound(text, column.unit, shown);
    if (Number.isNaN(read)) {
      this.change({ limits: others });
      return;
    }
    // 0.95 is how commands write 95 %, and nobody asks for an accuracy of less than 1 %
    const isFraction = column.unit === "%" && isLeast && !text.includes("%") && Number(text) <= 1;
    const bound = Number((isFraction ? Number(text) : read).toPrecision(12));
    this.change({ limits: { ...others, [name]: { operator: column.direction === "maximize" ? ">=" : "<=", bound } } });
  }

  /** @param {State} state */
  draw(state) {
    this.state = state;
    for (const name of this.columns) this.drawLimit(name, state.limits[name]);
    for (const box of inputs("objectives")) {
      box.checked = state.objectives.includes(box.value);
      box.disabled = !box.checked && state.objectives.length >= MAX_OBJECTIVES;
    }
    for (const radio of inputs("methods")) radio.checked = radio.value === state.method;
    byId("assured").checked = state.assured;
    byId("fits").checked = state.fitsDevice;
    byId("fits-what").textContent = memoryText(this.model);
    byId("full").checked = state.full;
    byId("method-meaning").textContent = METHODS[state.method][1];
    this.drawMethod(state);
    this.drawCounts();
  }

  /**
   * @param {string} name
   * @param {Limit | undefined} limit
   */
  drawLimit(name, limit) {
    const column = this.model.numbers(name);
    const [slider, field] = [byId(`limit-${name}`), byId(`bound-${name}`)];
    const loosest = column.direction === "maximize" ? 0 : STEPS;
    if (document.activeElement !== slider)
      slider.value = String(limit ? Math.round(this.axis(name).placeValue(limit.bound) * STEPS) : loosest);
    slider.setAttribute("aria-valuetext", limit ? boundQuantity(limit.bound, column.unit) : "none");
    const [text, unit] = boundText(limit?.bound ?? NaN, column);
    const fields = name === this.run.quality ? [field, byId("answer-bound")] : [field];
    for (const own of fields) own.value = text;
    byId(`unit-${name}`).textContent = unit;
    byId(`row-${name}`).classList.toggle("active", Boolean(limit));
    byId(`row-${name}`).hidden = !this.model.hasValues(column);
  }

  /** @param {State} state */
  drawMethod(state) {
    const holder = byId("method-options");
    const key = `${state.method} ${state.objectives}`;
    if (holder.dataset.key === key) return; // keep the slider that is being dragged
    holder.dataset.key = key;
    if (state.method === "weights") {
      holder.replaceChildren(
        ...state.objectives.map((name) => {
          const column = this.model.numbers(name);
          const value = state.weights[name] ?? 1;
          const said = element("span", { class: "unit" }, numberText(value));
          /** @param {Event} event */
          const slide = (event) => {
            said.textContent = numberText(Number(fieldOf(event).value));
            this.change({ weights: { ...this.state.weights, [name]: Number(fieldOf(event).value) } });
          };
          return element(
            "div",
            { class: "slider" },
            element("label", { for: `weight-${name}` }, column.shortLabel),
            said,
            element("span"),
            element("input", { type: "range", id: `weight-${name}`, min: 0, max: 5, step: 0.1, value, oninput: slide }),
          );
        }),
      );
    } else if (state.method === "best") {
      const columns = [...this.model.columns.values()].filter(
        (column) => column.direction && column.values && column.name !== "battery_days" && this.model.hasValues(column),
      );
      const select = element(
        "select",
        { id: "best", "aria-label": "Column", onchange: (event) => this.change({ best: fieldOf(event).value }) },
        columns.map((column) =>
          element("option", { value: column.name, selected: column.name === state.best }, column.shortLabel),
        ),
      );
      holder.replaceChildren(select);
    } else holder.replaceChildren();
  }

  drawCounts() {
    const { model } = this;
    const [total, feasible, front] = [model.numDeployable, model.feasible.length, model.front.length];
    const chosen = model.chosen < 0 ? "" : ` ${front ? "Chosen" : "Nearest miss"}: ${model.name(model.chosen)}.`;
    byId("counts").textContent =
      `${numberText0(feasible)} of ${numberText0(total)} operating points are feasible, ${numberText0(front)} on the front, ${numberText0(model.numLeft)} pass the filter.${chosen}`;
    const banner = byId("infeasible");
    banner.hidden = feasible > 0 || !total;
    if (banner.hidden) return;
    const items = model.nearest.map((row) => {
      const open = () => this.change({ selected: model.id(row) });
      const name = element("button", { type: "button", class: "link", onclick: open }, model.name(row));
      return element("li", {}, name, ` ${missed(model, row)}`);
    });
    redraw(
      banner,
      element("p", {}, element("b", {}, "Nearest miss"), ": no operating point satisfies every constraint. What of each network misses by least is listed instead of a front:"),
      element("ul", {}, items),
    );
  }
}

/**
 * What a point violates, and by how much.
 * @param {Model} model
 * @param {number} row
 */
export function violated(model, row) {
  return model.constraints.flatMap(({ column, operator, bound }) => {
    const { values, unit, label } = model.numbers(column);
    const value = values[row];
    const missed = operator === "<=" ? !(value <= bound) : !(value >= bound);
    return missed
      ? [`${label} ${limitText({ operator, bound }, unit)} (is ${quantity(value, unit)})`]
      : [];
  });
}

/**
 * All that a point misses.
 * @param {Model} model
 * @param {number} row
 */
function missed(model, row) {
  const limits = violated(model, row);
  const texts = [limits.length ? `violates ${limits.join("; ")}` : "", model.fitted.length ? model.misfit(row) : ""];
  return texts.filter(Boolean).join("; ");
}

/**
 * What the memory of the edge device holds.
 * @param {Model} model
 */
function memoryText({ memoryLimits, setting, columns }) {
  const texts = memoryLimits.map(
    ({ column, bound }) => `${columns.get(column)?.shortLabel} ${boundQuantity(bound, "B")}`,
  );
  return `only what fits ${setting.edge.name} (${texts.join(", ") || "no memory known"})`;
}

/** @param {number} value */
const numberText0 = (value) => value.toLocaleString("en");

/**
 * Boxes or radio buttons of a group.
 * @param {string} id
 */
const inputs = (id) => [...byId(id).querySelectorAll("input")];
