// One operating point, opened: what runs where, the threshold, every split point, neighbours, command, JSON.

import { barTable, thresholdChart } from "./charts.js";
import { pickCommand } from "./command.js";
import { byId, copyText, element, svg } from "./dom.js";
import { difference, numberText, quantity } from "./format.js";
import { shortLabel, violated } from "./decide.js";
import { short } from "./look.js";
import { neighbours } from "./pareto.js";
import { cellText, withinNoise } from "./table.js";

const NEIGHBOURS = 4;

export class NetworkCard {
  /** @param handlers {select(row, scroll)} */
  constructor(run, model, handlers) {
    Object.assign(this, { run, model, handlers });
    this.holder = byId("threshold");
    this.holder.addEventListener("pointerdown", (event) => {
      if (!this.seek || event.button) return;
      this.holder.setPointerCapture(event.pointerId);
      this.seek(event);
    });
    this.holder.addEventListener("pointermove", (event) => { if (event.buttons && this.seek) this.seek(event); });
    for (const id of ["command", "configuration"]) byId(`copy-${id}`).addEventListener("click", (event) => copyText(byId(id), event.target));
  }

  draw(state) {
    const { model } = this;
    const selected = model.rowOf(state.selected);
    const row = selected >= 0 ? selected : model.chosen;
    byId("network").hidden = row < 0;
    if (row < 0) return;
    Object.assign(this, { row, state, split: this.run.points.split[row], network: this.run.splits.network[this.run.points.split[row]] });
    byId("network-title").textContent = model.id(row);
    byId("network-why").textContent = selected >= 0 && selected !== model.chosen ? "The point you opened." : "The point chosen by the rules on the left.";
    byId("back-to-chosen").hidden = selected < 0 || selected === model.chosen;
    const missed = violated(model, row);
    byId("network-violates").textContent = missed.length ? `Violates ${missed.join("; ")}.` : "";
    this.drawFacts();
    this.drawPipeline();
    this.drawThreshold();
    this.drawSplits();
    this.drawNeighbours();
    byId("command").textContent = pickCommand(this.run, { ...state, bestDirection: model.columns.get(state.best)?.direction }, model.id(row), row === model.chosen);
    byId("configuration").textContent = JSON.stringify(this.record(), null, 1);
  }

  drawFacts() {
    const { model, row } = this;
    const { low, high } = model.accuracy(row);
    const names = [...model.columns.values()].filter((column) => column.values && column.direction && !Number.isNaN(column.values[row]));
    const facts = names.flatMap((column) => {
      const text = quantity(column.values[row], column.unit) + (column.name === "accuracy" ? ` (95 % interval ${quantity(low, "%")} to ${quantity(high, "%")})` : "");
      return [element("dt", {}, column.label), element("dd", {}, text)];
    });
    byId("network-facts").replaceChildren(...facts);
  }

  /** Blocks between split points, left to right; the cut, the exit, and which machine runs what. */
  drawPipeline() {
    const { run, network, split } = this;
    const { splits, networks } = run;
    const [first, end] = this.range();
    const densities = Object.entries(networks.densities[network]);
    const stages = [];
    for (let place = first + 1; place < end; place++) stages.push({ place, name: run.splitNames[place], macs: splits.edge_macs[place] - splits.edge_macs[place - 1], onEdge: place <= split });
    const [wide, high, gap] = [104, 66, 26];
    const parts = [pipelineText(4, 30, "input"), pipelineText(4, 46, `${numberText(splits.payload_elements[first])} values`)];
    const widths = 74;
    stages.forEach((stage, number) => {
      const x = widths + number * (wide + gap);
      parts.push(svg("line", { class: "flow", x1: x - gap, x2: x, y1: 33, y2: 33 }));
      parts.push(svg("rect", { class: stage.onEdge ? "block edge" : "block server", x, y: 4, width: wide, height: high - 8, rx: 5 }));
      parts.push(pipelineText(x + 6, 22, short(stage.name, 15)), pipelineText(x + 6, 38, quantity(stage.macs, "MAC")), pipelineText(x + 6, 53, stage.onEdge ? "edge" : "server", "soft"));
    });
    const cut = widths + (split - first) * (wide + gap) - gap / 2;
    const isOutput = splits.is_output[split];
    if (!isOutput) parts.push(svg("line", { class: "cut", x1: cut, x2: cut, y1: 0, y2: high + 30 }), pipelineText(cut + 5, high + 12, `split point ${short(run.splitNames[split], 18)}`), pipelineText(cut + 5, high + 27, `sends ${quantity(run.points.message_bytes[this.row], "B")} when unsure`, "soft"));
    const threshold = run.points.threshold[this.row];
    const exit = isOutput ? "everything runs on the edge" : Number.isNaN(threshold) ? "no exit classifier: every sample is sent" : `exit classifier: answers when confidence ≥ ${numberText(threshold)}`;
    parts.push(svg("text", { x: Math.max(cut - 8, 4), y: high + 12, "text-anchor": cut > 300 ? "end" : "start", transform: cut > 300 ? null : `translate(${isOutput ? 0 : 0} 34)` }, exit));
    const width = Math.max(widths + stages.length * (wide + gap), cut + 210);
    byId("pipeline").replaceChildren(svg("svg", { class: "chart", viewBox: `0 0 ${width} ${high + 54}`, style: `min-width:${Math.min(width, 900)}px;max-width:${width}px`, role: "img", "aria-label": `Network from left to right: ${stages.map(({ name, onEdge }) => `${name} on ${onEdge ? "edge" : "server"}`).join(", ")}` }, parts));
    const bars = densities.length ? densities.map(([path, density]) => element("span", { class: "density", title: `${path}: ${numberText(density * 100)} % of the connections are kept` }, element("span", { class: "density-bar" }, element("span", { style: `width:${(density * 100).toFixed(1)}%` })), ` ${path} ${numberText(density)}`)) : ["no sparse junction"];
    byId("densities").replaceChildren(element("b", {}, `${networks.backbone[network]}, pattern ${networks.pattern[network]}; density per junction: `), ...bars);
  }

  range() {
    const { firstSplit } = this.run.networks;
    return [firstSplit[this.network], firstSplit[this.network + 1] ?? this.run.splits.network.length];
  }

  /** Rows of the same network that fit a test, in order; a network's rows lie together. */
  siblings(fits) {
    const { points, splits, numPoints } = this.run;
    const isOwn = (row) => row >= 0 && row < numPoints && splits.network[points.split[row]] === this.network;
    let first = this.row;
    while (isOwn(first - 1)) first--;
    const rows = [];
    for (let row = first; isOwn(row); row++) if (fits(row)) rows.push(row);
    return rows;
  }

  drawThreshold() {
    const { points, splits } = this.run;
    const bits = points.bits[this.row];
    const rows = splits.is_output[this.split] ? [] : this.siblings((row) => points.split[row] === this.split && points.bits[row] === bits);
    // a row without exit classifier is what a threshold of 1 would be
    const threshold = (row) => (Number.isNaN(points.threshold[row]) ? 1 : points.threshold[row]);
    rows.sort((a, b) => threshold(a) - threshold(b));
    byId("threshold-part").hidden = rows.length < 2;
    this.seek = null;
    if (rows.length < 2) return this.holder.replaceChildren();
    const rate = this.model.columns.get("exit_rate").values;
    const steps = rows.map((row) => ({ threshold: threshold(row), ...this.model.accuracy(row), accuracy: this.model.accuracy(row).share, exitRate: rate[row] }));
    const dragged = (place) => { if (rows[place] !== this.row) this.handlers.select(rows[place], false); };
    const focused = document.activeElement?.id === "threshold-handle";
    const { chart, seek } = thresholdChart(steps, rows.indexOf(this.row), dragged);
    this.seek = seek;
    this.holder.replaceChildren(chart);
    if (focused) byId("threshold-handle").focus();
  }

  drawSplits() {
    const { run, model } = this;
    const [first, end] = this.range();
    const bits = run.points.bits[this.row] || 32;
    const best = new Map();
    const payload = new Map();
    const accuracy = model.columns.get("accuracy").values;
    for (const row of this.siblings((own) => run.points.bits[own] === bits || run.splits.is_output[run.points.split[own]])) {
      const split = run.points.split[row];
      payload.set(split, run.points.message_bytes[row]);
      if (!best.has(split) || accuracy[row] > accuracy[best.get(split)]) best.set(split, row);
    }
    const places = [];
    for (let split = first; split < end; split++) if (best.has(split)) places.push(split);
    const values = [places.map((split) => payload.get(split)), places.map((split) => run.splits.edge_macs[split]), places.map((split) => accuracy[best.get(split)])];
    const units = ["B", "MAC", "%"];
    const titles = ["Bytes per message", "Edge MACs", "Best accuracy"];
    const series = values.map((own, place) => ({ title: titles[place], values: own, texts: own.map((value) => (value || place < 2 ? quantity(value, units[place]) : "0 %")), highest: units[place] === "%" ? 1 : Math.max(...own) }));
    byId("splits").replaceChildren(barTable(places.map((split) => run.splitNames[split]), series, places.indexOf(this.split), (line) => this.handlers.select(best.get(places[line]), false)));
  }

  drawNeighbours() {
    const { model, row } = this;
    const near = neighbours(model.losses, model.front, row, NEIGHBOURS);
    const lines = near.map((other) => this.neighbourLine(other, changes(model, row, other)));
    const single = this.variants().map(([other, what]) => this.neighbourLine(other, what));
    const head = element("tr", {}, ["Point", "What differs", ...model.objectives.map(shortLabel)].map((text) => element("th", { scope: "col" }, text)));
    byId("neighbours").replaceChildren(element("thead", {}, head), element("tbody", {}, lines), element("tbody", {}, single.length ? element("tr", {}, element("th", { colspan: 2 + model.objectives.length, scope: "rowgroup" }, "Change one thing only")) : null, single));
  }

  neighbourLine(other, what) {
    const { model, row } = this;
    const cells = model.objectives.map((column) => {
      const change = column.values[other] - column.values[row];
      const noise = column.name === "accuracy" && withinNoise(model.accuracy(other), model.accuracy(row));
      const better = change === 0 ? "" : (change > 0) === (column.direction === "maximize") ? "better" : "worse";
      return element("td", { class: `number ${noise ? "noise" : better}` }, change === 0 ? "same" : difference(change, column.unit), noise && change !== 0 ? " ≈ within noise" : "");
    });
    return element("tr", {}, element("th", { scope: "row" }, element("button", { type: "button", class: "link", onclick: () => this.handlers.select(other) }, model.id(other))), element("td", {}, what), cells);
  }

  /** Per split point and per bits the row of the same network with the nearest exit rate. */
  variants() {
    const { points } = this.run;
    const rate = this.model.columns.get("exit_rate").values;
    const nearest = (rows) => rows.reduce((best, row) => (best < 0 || Math.abs(rate[row] - rate[this.row]) < Math.abs(rate[best] - rate[this.row]) ? row : best), -1);
    const [own, bits] = [this.split, points.bits[this.row]];
    const found = [];
    for (const other of new Set(this.siblings((row) => points.split[row] === own && points.bits[row] !== bits).map((row) => points.bits[row]))) {
      found.push([nearest(this.siblings((row) => points.split[row] === own && points.bits[row] === other)), `${other} bits per value`]);
    }
    for (const step of [-1, 1]) {
      const rows = this.siblings((row) => points.split[row] === own + step && (points.bits[row] === bits || !points.bits[row] || !bits));
      if (rows.length) found.push([nearest(rows), `cut ${step < 0 ? "one earlier" : "one later"}, ${this.run.splitNames[own + step]}`]);
    }
    return found;
  }

  record() {
    const { model, row, run, network } = this;
    const { points, networks } = run;
    const record = { point_id: model.id(row), run: run.run, backbone: networks.backbone[network], arguments: networks.arguments[network], pattern: networks.pattern[network], densities: networks.densities[network], split_point: run.splitNames[this.split] };
    record.confidence_threshold = run.splits.is_output[this.split] || Number.isNaN(points.threshold[row]) ? null : points.threshold[row];
    record.payload_bits = points.bits[row] || null;
    for (const column of model.columns.values()) if (column.direction && column.values && Number.isFinite(column.values[row])) record[column.name] = column.values[row];
    record.setting = Object.fromEntries(Object.entries(model.setting).map(([role, { name }]) => [role, name]));
    if (Object.keys(this.state.set).length) record.changed = this.state.set;
    return record;
  }
}

const pipelineText = (x, y, text, kind = "") => svg("text", { x, y, class: kind }, text);

/** In which parts of the configuration two rows differ. */
function changes(model, row, other) {
  const names = ["backbone", "network", "split_point", "payload_bits", "confidence_threshold"];
  const differing = names.map((name) => model.columns.get(name)).filter((column) => cellText(column, row) !== cellText(column, other));
  const densities = [...model.columns.values()].filter(({ name }) => name.startsWith("density:")).some((column) => cellText(column, row) !== cellText(column, other));
  const words = differing.filter(({ name }) => name !== "network").map((column) => `${column.label.toLowerCase()} ${short(cellText(column, other), 22)}`);
  if (densities) words.unshift("densities");
  else if (differing.some(({ name }) => name === "network")) words.unshift("network");
  return words.join(", ") || "equal configuration";
}
