// The table: sort, choose columns, open, exclude, save. It lists what the other views show, a page at a time.

import { byId, element, redraw, saveFile } from "./dom.js";
import { csvField, MISSING, numberText, quantity } from "./format.js";
import { title } from "./look.js";
import { differenceInterval } from "./pareto.js";

const PAGE = 50;
const ALWAYS = ["split_point", "payload_bits", "confidence_threshold"];

export class Table {
  /** @type {State} */
  state;
  /** @type {Column[]} */
  columns;
  /** @type {Uint32Array} */
  rows;

  /**
   * @param {Model} model
   * @param {{ select(row: number): void, change: Change }} handlers
   */
  constructor(model, handlers) {
    this.model = model;
    this.handlers = handlers;
    this.pages = 1;
    byId("more").addEventListener("click", () => {
      this.pages++;
      this.drawBody();
    });
    this.runName = model.run.run.replace(/^.*[\\/]/, "");
    const name = `${this.runName}-points`;
    byId("save-csv").addEventListener("click", () => saveFile(`${name}.csv`, "text/csv", this.csv()));
    byId("save-json").addEventListener("click", () =>
      saveFile(`${name}.json`, "application/json", JSON.stringify(this.records(), null, 1)),
    );
  }

  /**
   * @param {Model} model
   * @param {string[]} objectives
   */
  static defaultColumns(model, objectives) {
    const also = ["edge_memory_bytes", "latency_model_s", "energy_model_j", "exit_rate"].filter(
      (name) => !objectives.includes(name) && model.hasValues(model.column(name)),
    );
    return [...objectives, ...also, "backbone", "mean_density", ...ALWAYS];
  }

  /** @param {State} state */
  draw(state) {
    this.state = state;
    this.columns = (state.shownColumns || Table.defaultColumns(this.model, state.objectives))
      .map((name) => this.model.column(name))
      .filter(Boolean);
    this.rows = this.sorted();
    this.pages = 1;
    this.drawHead();
    this.drawBody();
  }

  sorted() {
    const { model, state } = this;
    const column = model.columns.get(state.sort);
    const rows = Uint32Array.from(model.listed);
    if (!column) return rows;
    const descending = state.descending ?? column.direction === "maximize";
    const key = column.levels ? ranks(column) : column.values;
    const sign = descending ? -1 : 1;
    return rows.sort((a, b) => {
      const [x, y] = [key[a], key[b]];
      if (x !== x || y !== y) return Number(x !== x) - Number(y !== y) || a - b;
      return sign * (x - y) || a - b;
    });
  }

  drawHead() {
    const { state } = this;
    const cells = this.columns.map((column) => {
      const active = column.name === state.sort;
      const descending = state.descending ?? column.direction === "maximize";
      const turn = () => this.handlers.change({ sort: column.name, descending: active ? !descending : null });
      const sort = active ? (descending ? "descending" : "ascending") : null;
      return element(
        "th",
        { scope: "col", "data-column": column.name, "aria-sort": sort, class: column.levels ? "" : "number" },
        element("button", { type: "button", onclick: turn }, title(column), active ? (descending ? " ▼" : " ▲") : ""),
      );
    });
    const head = /** @type {HTMLElement} */ (byId("points").tHead);
    redraw(head, element("tr", {}, element("th", { scope: "col" }, "Operating point"), cells));
  }

  drawBody() {
    const rows = this.rows.slice(0, PAGE * this.pages);
    const compared = this.state.selected === null ? this.model.chosen : this.model.rowOf(this.state.selected);
    const own = compared >= 0 ? this.model.quality(compared) : null;
    redraw(byId("points").tBodies[0], ...Array.from(rows, (row) => this.line(row, row === compared, own)));
    byId("more").hidden = rows.length === this.rows.length;
    byId("table-note").textContent =
      `${numberText(rows.length)} of ${numberText(this.rows.length)} listed points shown.`;
  }

  /**
   * @param {number} row
   * @param {boolean} isCompared
   * @param {Interval | null} own accuracy to compare with
   */
  line(row, isCompared, own) {
    const id = this.model.id(row);
    const name = element("button", { type: "button", class: "link", title: id, onclick: () => this.handlers.select(row) }, this.model.name(row));
    const exclude = () => this.handlers.change({ steps: [...this.state.steps, { keep: false, ids: [id] }] });
    const head = element(
      "th",
      { scope: "row" },
      name,
      this.tags(row),
      element(
        "button",
        {
          type: "button",
          class: "quiet",
          title: "Exclude this point",
          "aria-label": `Exclude ${this.model.name(row)}`,
          onclick: exclude,
        },
        "×",
      ),
    );
    const cells = this.columns.map((column) => {
      const text = cellText(column, row);
      const cell = element(
        "td",
        { class: column.levels ? "" : "number", "data-value": column.levels ? text : column.values[row] },
        text,
      );
      if (column.name === this.model.run.quality) {
        const { low, high } = this.model.quality(row);
        cell.title = `95 % interval ${quantity(low, "%")} to ${quantity(high, "%")}`;
        if (own && !isCompared && withinNoise(own, this.model.quality(row)))
          cell.append(
            element("span", { class: "noise", title: "its difference to the highlighted point is within noise" }, " ≈"),
          );
      }
      return cell;
    });
    return element("tr", { "data-row": row, class: isCompared ? "selected" : null }, head, cells);
  }

  /** @param {number} row */
  tags(row) {
    const { model } = this;
    const tags = model.references.filter((reference) => reference.row === row).map(({ names }) => names);
    if (row === model.chosen) tags.push("chosen");
    if (model.violation[row] > 0) tags.push("infeasible");
    return tags.map((tag) => element("span", { class: "tag" }, tag));
  }

  records() {
    return Array.from(this.rows, (row) => {
      /** @type {Record<string, string | number | null>} */
      const record = { run: this.runName, point_id: this.model.id(row) };
      for (const column of this.model.columns.values()) {
        if (!this.model.hasValues(column)) continue;
        const value = column.levels ? column.levels[column.codes[row]] : column.values[row];
        record[column.name] = typeof value === "string" || Number.isFinite(value) ? value : null;
      }
      return record;
    });
  }

  csv() {
    const records = this.records();
    const names = records.length ? Object.keys(records[0]) : ["run", "point_id"];
    const lines = records.map((record) => names.map((name) => csvField(record[name] ?? NaN)).join(","));
    return `${[names.map(csvField).join(","), ...lines].join("\n")}\n`;
  }
}

/**
 * One value as a person reads it, in the column's unit.
 * @param {Column} column
 * @param {number} row
 */
export function cellText(column, row) {
  if (column.levels) return column.levels[column.codes[row]];
  const value = column.values[row];
  if (Number.isNaN(value)) return MISSING;
  return Number.isFinite(value) ? numberText(value / column.shown[0]) : "∞";
}

/**
 * Whether the interval of the difference of two accuracies contains 0.
 * @param {Interval} a
 * @param {Interval} b
 */
export function withinNoise(a, b) {
  const [low, high] = differenceInterval(a, b);
  return low <= 0 && high >= 0;
}

/** @param {TextColumn} column */
function ranks({ levels, codes }) {
  const order = levels
    .map((level, code) => ({ level, code }))
    .sort((a, b) => a.level.localeCompare(b.level, "en", { numeric: true }));
  const rank = new Float64Array(levels.length);
  for (const [place, { code }] of order.entries()) rank[code] = place;
  return Float64Array.from(codes, (code) => rank[code]);
}
