// One operating point, opened: what runs where, the threshold, every split point, neighbours, command, JSON.

import { barTable, thresholdChart } from "./charts.js";
import { deployCommand, pickCommand } from "./command.js";
import { violated } from "./decide.js";
import { messageBytes } from "./cost.js";
import { drawClasses } from "./classes.js";
import { byId, copyText, element, redraw } from "./dom.js";
import { quantity } from "./format.js";
import { learningChart } from "./learning.js";
import { drawNeighbours } from "./neighbourhood.js";
import { drawPipeline } from "./pipeline.js";
import { siblingsOf, thresholdSteps } from "./siblings.js";

export class NetworkCard {
  /** @type {State} */
  state;
  /** Row that is shown, its split point and its network. */
  row = -1;
  split = -1;
  network = -1;
  /** @type {((event: MouseEvent) => void) | null} takes the pointer's place for a threshold */
  seek = null;

  /**
   * @param {Run} run
   * @param {Model} model
   * @param {{ select(row: number, scroll?: boolean): void }} handlers
   */
  constructor(run, model, handlers) {
    this.run = run;
    this.model = model;
    this.handlers = handlers;
    this.holder = byId("threshold");
    this.holder.addEventListener("pointerdown", (event) => {
      if (!this.seek || event.button) return;
      this.holder.setPointerCapture(event.pointerId);
      this.seek(event);
    });
    this.holder.addEventListener("pointermove", (event) => {
      if (event.buttons && this.seek) this.seek(event);
    });
    for (const id of ["command", "deploy-command", "configuration"]) {
      const button = byId(`copy-${id}`);
      button.addEventListener("click", () => copyText(byId(id), button));
    }
  }

  /** @param {State} state */
  draw(state) {
    const { model } = this;
    const selected = model.rowOf(state.selected);
    const row = selected >= 0 ? selected : model.chosen;
    byId("network").hidden = row < 0;
    if (row < 0) return;
    Object.assign(this, {
      row,
      state,
      split: this.run.points.split[row],
      network: this.networkOf(row),
    });
    byId("network-title").replaceChildren(model.name(row), element("small", {}, ` ${model.id(row)}`));
    byId("network-why").textContent =
      selected >= 0 && selected !== model.chosen
        ? "The point you opened."
        : "The point chosen by the rules on the left.";
    byId("back-to-chosen").hidden = selected < 0 || selected === model.chosen;
    const [missed, unfit] = [violated(model, row), model.misfit(row)];
    const texts = [missed.length ? `Violates ${missed.join("; ")}.` : "", unfit ? `It ${unfit}.` : ""];
    byId("network-violates").textContent = texts.filter(Boolean).join(" ");
    this.drawFacts();
    drawPipeline(this);
    this.drawThreshold();
    this.drawSplits();
    this.drawLearning();
    drawNeighbours(this);
    drawClasses(this.run, row);
    const asked = { ...state, bestDirection: model.metric(state.best)?.direction };
    byId("command").textContent = pickCommand(this.run, asked, model.id(row), model.front.length > 0 && row === model.chosen);
    byId("deploy-command").textContent = deployCommand(this.run, asked, model.id(row));
    byId("configuration").textContent = JSON.stringify(this.record(), null, 1);
  }

  drawFacts() {
    const { model, row } = this;
    const { low, high } = model.quality(row);
    const known = [...model.columns.values()]
      .filter((column) => column.values !== undefined)
      .filter((column) => column.direction && !Number.isNaN(column.values[row]));
    const facts = known.flatMap((column) => {
      const text =
        quantity(column.values[row], column.unit) +
        (column.name === this.run.quality ? ` (95 % interval ${quantity(low, "%")} to ${quantity(high, "%")})` : "");
      return [element("dt", {}, column.label), element("dd", {}, text)];
    });
    byId("network-facts").replaceChildren(...facts);
  }

  /** @param {number} row */
  networkOf(row) {
    return this.run.splits.network[this.run.points.split[row]];
  }

  range() {
    const { firstSplit } = this.run.networks;
    return [firstSplit[this.network], firstSplit[this.network + 1] ?? this.run.splits.network.length];
  }

  /**
   * Rows of the same network that fit a test, in order.
   * @param {(row: number) => boolean} fits
   */
  siblings(fits) {
    return siblingsOf(this.run, this.row, fits);
  }

  drawThreshold() {
    const { rows, steps } = thresholdSteps(this.model, this.row);
    byId("threshold-part").hidden = rows.length < 2;
    this.seek = null;
    if (rows.length < 2) {
      this.holder.replaceChildren();
      return;
    }
    /** @param {number} place */
    const dragged = (place) => {
      if (rows[place] !== this.row) this.handlers.select(rows[place], false);
    };
    const focused = document.activeElement?.id === "threshold-handle";
    const name = this.model.numbers(this.run.quality).shortLabel.toLowerCase();
    const { chart, seek } = thresholdChart(steps, rows.indexOf(this.row), dragged, name);
    this.seek = seek;
    this.holder.replaceChildren(chart);
    if (focused) byId("threshold-handle").focus();
  }

  drawSplits() {
    const { run, model } = this;
    const bits = run.points.bits[this.row] || 32;
    /** @type {Map<number, { row: number, payload: number }>} by split point: most accurate row, largest payload */
    const best = new Map();
    const accuracy = model.numbers(run.quality).values;
    for (const row of this.siblings(
      (own) => run.points.bits[own] === bits || run.splits.is_output[run.points.split[own]] === 1,
    )) {
      const split = run.points.split[row];
      const known = best.get(split) ?? { row, payload: 0 };
      best.set(split, {
        row: accuracy[row] > accuracy[known.row] ? row : known.row,
        payload: Math.max(known.payload, messageBytes(run, row)),
      });
    }
    const places = [...best].sort(([a], [b]) => a - b).map(([split, own]) => ({ split, ...own }));
    const values = [
      places.map(({ payload }) => payload),
      places.map(({ row }) => model.numbers("edge_macs").values[row]),
      places.map(({ row }) => accuracy[row]),
    ];
    const units = ["B", "MAC", "%"];
    const titles = ["Payload of a message", "Edge MACs with exit", run.quality === "accuracy" ? "Best accuracy" : "Best quality"];
    const series = values.map((own, place) => ({
      title: titles[place],
      values: own,
      texts: own.map((value) => (value || place < 2 ? quantity(value, units[place]) : "0 %")),
      highest: units[place] === "%" ? 1 : Math.max(...own),
    }));
    redraw(
      byId("splits"),
      barTable(
        "Split point",
        places.map(({ split }) => run.splitNames[split]),
        series,
        places.findIndex(({ split }) => split === this.split),
        (line) => this.handlers.select(places[line].row, false),
      ),
    );
  }

  drawLearning() {
    const { run, network } = this;
    const curve = run.curves[network];
    byId("learning-part").hidden = !curve;
    if (!curve) return;
    const names = curve.places.map((place) => run.splitNames[run.networks.firstSplit[network] + place]);
    byId("learning").replaceChildren(learningChart(curve, names));
  }

  record() {
    const { model, row, run, network } = this;
    const { points, networks } = run;
    /** @type {Record<string, unknown>} */
    const record = {
      point_id: model.id(row),
      run: run.run,
      backbone: networks.backbone[network],
      arguments: networks.arguments[network],
      pattern: networks.pattern[network],
      densities: networks.densities[network],
      split_point: run.splitNames[this.split],
    };
    record.confidence_threshold =
      run.splits.is_output[this.split] || Number.isNaN(points.threshold[row]) ? null : points.threshold[row];
    record.payload_bits = points.bits[row] || null;
    if (points.edge_weight_bits) record.edge_weight_bits = points.edge_weight_bits[row];
    for (const column of model.columns.values())
      if (column.direction && column.values && Number.isFinite(column.values[row]))
        record[column.name] = column.values[row];
    const { deadline_s, ...roles } = model.setting;
    const names = Object.fromEntries(Object.entries(roles).map(([role, { name }]) => [role, name]));
    record.setting = { ...names, deadline_s };
    if (Object.keys(this.state.set).length) record.changed = this.state.set;
    return record;
  }
}
