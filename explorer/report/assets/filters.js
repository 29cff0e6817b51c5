// The filter in words: what is brushed, kept and excluded, as chips; a form that does what brushing does.

import { byId, choices, element, fieldOf, redraw } from "./dom.js";
import { MISSING, numberText } from "./format.js";

const OPEN = 1e300; // an open end of a range: beyond every value, and JSON has no infinity

/**
 * Columns by group, for a <select>.
 * @param {Model} model
 * @param {(column: Column) => boolean} keep
 * @returns {ChoiceGroups}
 */
export function columnGroups(model, keep) {
  /** @type {Map<string, [string, string][]>} */
  const groups = new Map();
  for (const column of model.columns.values()) {
    if (!keep(column) || !model.hasValues(column)) continue;
    const own = groups.get(column.group) ?? [];
    own.push([column.name, column.label]);
    groups.set(column.group, own);
  }
  const order = [...model.run.groups, "configuration"];
  return order.flatMap((group) => {
    const own = groups.get(group);
    return own ? [[group, own]] : [];
  });
}

/**
 * One brush in words.
 * @param {Column} column
 * @param {Part} part
 */
export function partText(column, part) {
  if (part.levels || column.levels) return (part.levels ?? []).join(" or ");
  const [scale, unit] = column.shown;
  const texts = [];
  if (part.low !== null && part.high !== null) {
    const [low, high] = [part.low, part.high].map((value) => numberText(value / scale));
    if (part.low <= -OPEN) texts.push(`at most ${high} ${unit}`.trimEnd());
    else if (part.high >= OPEN) texts.push(`at least ${low} ${unit}`.trimEnd());
    else texts.push(`${low} to ${high} ${unit}`.trimEnd());
  }
  if (part.missing) texts.push(MISSING);
  return texts.join(" or ");
}

export class Filters {
  /** @type {State} */
  state;

  /**
   * @param {Model} model
   * @param {Change} change
   */
  constructor(model, change) {
    this.model = model;
    this.change = change;
    choices(
      byId("filter-column"),
      columnGroups(model, () => true),
      "backbone",
    );
    byId("filter-column").addEventListener("change", () => this.drawForm());
    byId("filter-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.add();
    });
    byId("search").addEventListener("input", (event) => change({ search: fieldOf(event).value }));
    byId("keep").addEventListener("click", () => this.step(true));
    byId("exclude").addEventListener("click", () => this.step(false));
    byId("undo").addEventListener("click", () => change({ steps: this.state.steps.slice(0, -1) }));
    byId("clear").addEventListener("click", () => change({ brushes: {}, search: "", steps: [] }));
    this.drawForm();
  }

  drawForm() {
    const column = this.model.column(byId("filter-column").value);
    const fields = byId("filter-fields");
    if (column.levels) {
      const select = element("select", {
        id: "filter-levels",
        multiple: true,
        size: Math.min(column.levels.length, 5),
        "aria-label": "Values",
      });
      select.append(...column.levels.map((level) => element("option", { value: level }, level)));
      fields.replaceChildren(select);
      return;
    }
    const unit = column.shown[1];
    /**
     * @param {string} id
     * @param {string} label
     */
    const field = (id, label) =>
      element("label", {}, `${label} `, element("input", { id, type: "number", step: "any" }), unit ? ` ${unit}` : "");
    fields.replaceChildren(
      field("filter-low", "from"),
      field("filter-high", "to"),
      element("label", {}, element("input", { id: "filter-missing", type: "checkbox" }), " n/a"),
    );
  }

  add() {
    const column = this.model.column(byId("filter-column").value);
    /** @type {Part} */
    let part;
    if (column.levels) {
      const levels = [...byId("filter-levels").selectedOptions].map((option) => option.value);
      if (!levels.length) return;
      part = { levels };
    } else {
      const [low, high] = [byId("filter-low").value, byId("filter-high").value];
      const missing = byId("filter-missing").checked;
      const only = missing && low === "" && high === "";
      const [scale] = column.shown;
      part = {
        low: only ? null : low === "" ? -OPEN : Number(low) * scale,
        high: only ? null : high === "" ? OPEN : Number(high) * scale,
        missing,
      };
    }
    this.change({
      brushes: { ...this.state.brushes, [column.name]: [...(this.state.brushes[column.name] || []), part] },
    });
  }

  /** @param {boolean} keep */
  step(keep) {
    const { brushes, search, steps } = this.state;
    if (!Object.keys(brushes).length && !search) return;
    this.change({ steps: [...steps, { keep, brushes, search }], brushes: {}, search: "" });
  }

  /** @param {State} state */
  draw(state) {
    this.state = state;
    if (byId("search").value !== state.search) byId("search").value = state.search;
    const chips = Object.entries(state.brushes).flatMap(([name, parts]) => {
      const column = this.model.column(name);
      return parts.map((part, place) => {
        const remove = () =>
          this.change({
            brushes: withPart(
              state.brushes,
              name,
              parts.filter((_, other) => other !== place),
            ),
          });
        return chip(`${column.label}: ${partText(column, part)}`, remove);
      });
    });
    for (const [place, { keep, brushes, search, ids }] of state.steps.entries()) {
      const what = [
        ...Object.keys(brushes || {}).map((name) => this.model.columns.get(name)?.label || name),
        search ? `“${search}”` : "",
        ids ? ids.join(", ") : "",
      ].filter(Boolean);
      chips.push(
        chip(`${keep ? "kept" : "excluded"}: ${what.join(", ")}`, () =>
          this.change({ steps: state.steps.filter((_, other) => other !== place) }),
        ),
      );
    }
    redraw(byId("chips"), ...chips);
    const empty = !Object.keys(state.brushes).length && !state.search;
    byId("keep").disabled = byId("exclude").disabled = empty;
    byId("undo").disabled = !state.steps.length;
    byId("clear").disabled = empty && !state.steps.length;
  }
}

/**
 * Brushes with one column's parts replaced; no parts, no entry.
 * @param {Brushes} brushes
 * @param {string} name
 * @param {Part[]} parts
 * @returns {Brushes}
 */
export function withPart(brushes, name, parts) {
  const { [name]: _, ...others } = brushes;
  return parts.length ? { ...others, [name]: parts } : others;
}

/**
 * @param {string} text
 * @param {() => void} remove
 */
const chip = (text, remove) =>
  element(
    "span",
    { class: "chip" },
    text,
    element("button", { type: "button", "aria-label": `Remove ${text}`, onclick: remove }, "×"),
  );
