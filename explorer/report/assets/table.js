// The table: sort, choose columns, open, exclude, save. It lists what the other views show, a page at a time.

import { cellText } from "./cells.js";
import { pinButton } from "./compare.js";
import { byId, element, fieldOf, redraw, saveFile } from "./dom.js";
import { foldedNote, hiddenRows, listedGroups, rangeText, unfoldButton } from "./folded.js";
import { csvField, numberText, quantity } from "./format.js";
import { title } from "./look.js";

const PAGE = 50;
const ALWAYS = ["split_point", "payload_bits", "confidence_threshold"];

export class Table {
  /** @type {State} */
  state;
  /** @type {Column[]} */
  columns;
  /** @type {Uint32Array} what is listed, sorted */
  rows;
  /** @type {Uint32Array} of these, what has a line of its own */
  heads;
  /** @type {Map<number, FrontGroup>} what the heads stand for; empty where the table is not grouped */
  groups;
  /** @type {Set<string>} ids of heads that are unfolded */
  unfolded = new Set();

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
    byId("grouped").addEventListener("change", (event) => handlers.change({ grouped: fieldOf(event).checked }));
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
    const weights = model.metric("edge_weight_bits") ? ["edge_weight_bits"] : [];
    return [...objectives, ...also, "backbone", "mean_density", ...ALWAYS, ...weights];
  }

  /** @param {State} state */
  draw(state) {
    this.state = state;
    this.columns = (state.shownColumns || Table.defaultColumns(this.model, state.objectives))
      .map((name) => this.model.column(name))
      .filter(Boolean);
    const { model } = this;
    const canGroup = state.list === "front" && model.front.length > 0;
    byId("grouped-row").hidden = !canGroup;
    byId("grouped").checked = state.grouped;
    this.groups = canGroup && state.grouped ? listedGroups(model) : new Map();
    this.rows = this.sorted(model.listed);
    this.heads = this.groups.size ? this.sorted([...this.groups.keys()]) : this.rows;
    this.pages = 1;
    this.drawHead();
    this.drawBody();
  }

  /** @param {Rows} unsorted */
  sorted(unsorted) {
    const { model, state } = this;
    const column = model.columns.get(state.sort);
    const rows = Uint32Array.from(unsorted);
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
    const heads = this.heads.slice(0, PAGE * this.pages);
    const compared = this.state.selected === null ? this.model.chosen : this.model.rowOf(this.state.selected);
    const lines = Array.from(heads).flatMap((row) => {
      const group = this.groups.get(row);
      const below = group && this.unfolded.has(this.model.id(row)) ? hiddenRows(group) : [];
      return [this.line(row, compared, group), ...below.map((own) => this.line(own, compared))];
    });
    redraw(byId("points").tBodies[0], ...lines);
    byId("more").hidden = heads.length === this.heads.length;
    byId("table-note").textContent = this.groups.size
      ? foldedNote([...this.groups.values()])
      : `${numberText(heads.length)} of ${numberText(this.rows.length)} listed points shown.`;
  }

  /** @param {number} head */
  unfold(head) {
    const id = this.model.id(head);
    if (!this.unfolded.delete(id)) this.unfolded.add(id);
    this.drawBody();
  }

  /**
   * @param {number} row
   * @param {number} compared the row whose accuracy the others' are compared with
   * @param {FrontGroup} [group] what the line stands for
   */
  line(row, compared, group) {
    const { model } = this;
    const id = model.id(row);
    const name = element("button", { type: "button", class: "link", title: id, onclick: () => this.handlers.select(row) }, model.name(row));
    const exclude = () => this.handlers.change({ steps: [...this.state.steps, { keep: false, ids: [id] }] });
    const head = element(
      "th",
      { scope: "row" },
      name,
      this.tags(row),
      pinButton(this.state, id, model.name(row), this.handlers.change),
      group ? this.inside(group) : null,
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
      group ? unfoldButton(model.name(row), group, this.unfolded.has(id), () => this.unfold(row)) : null,
    );
    const cells = this.columns.map((column) => {
      const text = cellText(column, row);
      const cell = element(
        "td",
        { class: column.levels ? "" : "number", "data-value": column.levels ? text : column.values[row] },
        text,
      );
      const range = group ? rangeText(column, group) : "";
      if (range) cell.append(element("span", { class: "range" }, range));
      if (column.name === model.run.quality) {
        const { low, high } = model.quality(row);
        cell.title = `95 % interval ${quantity(low, "%")} to ${quantity(high, "%")}`;
        if (compared >= 0 && row !== compared && model.withinNoise(compared, row))
          cell.append(
            element("span", { class: "noise", title: "its difference to the highlighted point is within noise" }, " ≈"),
          );
      }
      return cell;
    });
    const isBelow = this.groups.size > 0 && !group;
    const kinds = [row === compared ? "selected" : "", isBelow ? "below" : ""].filter(Boolean).join(" ");
    return element("tr", { "data-row": row, class: kinds || null }, head, cells);
  }

  /** @param {number} row */
  tags(row) {
    const { model } = this;
    const tags = model.references.filter((reference) => reference.row === row).map(({ names }) => names);
    if (row === model.chosen) tags.push("chosen");
    if (model.violation[row] > 0) tags.push("infeasible");
    return tags.map((tag) => element("span", { class: "tag" }, tag));
  }

  /**
   * Tags of what a line stands for.
   * @param {FrontGroup} group
   */
  inside(group) {
    const found = hiddenRows(group).flatMap((row) => this.tags(row).map(({ textContent }) => textContent));
    return [...new Set(found)].map((text) => element("span", { class: "tag" }, `below: ${text}`));
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

/** @param {TextColumn} column */
function ranks({ levels, codes }) {
  const order = levels
    .map((level, code) => ({ level, code }))
    .sort((a, b) => a.level.localeCompare(b.level, "en", { numeric: true }));
  const rank = new Float64Array(levels.length);
  for (const [place, { code }] of order.entries()) rank[code] = place;
  return Float64Array.from(codes, (code) => rank[code]);
}
