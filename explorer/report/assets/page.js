"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const front = data.front;
  const columns = Object.fromEntries(data.columns.map((column) => [column.name, column]));
  const allRows = Array.from({ length: data.numPoints }, (_, row) => row);
  const narrow = window.innerWidth < 600;
  const number = new Intl.NumberFormat("en", { maximumSignificantDigits: 4 });
  const FIRST_TABLE_ROWS = 300;
  const FADED = 0.1;
  let keptRows = null; // what the parallel coordinates keep; null for everything
  let selectedRow = null;

  // ---- values and texts

  function valueOf(name, row) {
    const values = data.values[name];
    const value = values.levels ? values.levels[values.codes[row]] : values[row];
    return value === undefined ? null : value;
  }

  function textOf(name, row, withUnit) {
    const { numeric, scale, unit } = columns[name];
    const value = valueOf(name, row);
    if (value === null) return "n/a";
    if (!numeric) return value;
    return number.format(value / scale) + (withUnit && unit ? ` ${unit}` : "");
  }

  const tagsOf = (row) =>
    [valueOf("role", row).replace("_", " "), valueOf("reference", row), valueOf("knee", row) ? "knee" : ""].filter(Boolean);

  function element(tag, text, attributes = {}) {
    const made = document.createElement(tag);
    if (text !== null) made.textContent = text;
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  }

  // plotly reads a few HTML tags in its labels
  const plain = (text) => String(text).replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");

  function hoverText(row) {
    const lines = data.columns.map(({ name, label }) => `${label}: ${textOf(name, row, true)}`);
    if (valueOf("violated", row)) lines.push(`violates ${valueOf("violated", row)}`);
    const wrapped = lines.flatMap((line) => line.match(/.{1,64}(?:\s|$)|\S{64,}/g) || [line]);
    return [`<b>${plain(valueOf("point_id", row))}</b>`, ...wrapped.map(plain)].join("<br>");
  }

  // ---- scatter plot

  const hoverTexts = front ? allRows.map(hoverText) : [];
  const fade = (rows) => rows.map((row) => (keptRows === null || keptRows.has(row) ? 1 : FADED));

  function placed(axis, rows) {
    const { name, scale, zero_slot: slot } = columns[byId(`axis-${axis}`).value];
    const zero = byId(`log-${axis}`).checked && slot !== null ? slot : 0;
    return rows.map((row) => (valueOf(name, row) === null ? null : valueOf(name, row) / scale || zero));
  }

  function pointsTrace(role, rows, marker, name) {
    const template = front.roles[role];
    return {
      type: "scatter", mode: "markers", hoverinfo: "text", ...template,
      name: plain(name || template.name),
      marker: { ...template.marker, ...marker },
      x: placed("x", rows), y: placed("y", rows), customdata: rows, hovertext: rows.map((row) => hoverTexts[row]),
    };
  }

  function colouredTraces(role, rows) {
    const { name, title, label, numeric, scale } = columns[byId("axis-colour").value];
    if (!numeric) {
      return data.values[name].levels.map((level, place) => {
        const members = rows.filter((row) => valueOf(name, row) === level);
        const color = front.palette[place % front.palette.length];
        const symbol = front.symbols[place % front.symbols.length];
        return pointsTrace(role, members, { color, symbol, opacity: fade(members) }, level);
      });
    }
    const [known, unknown] = [false, true].map((missing) => rows.filter((row) => (valueOf(name, row) === null) === missing));
    const side = narrow ? { orientation: "h", y: -0.2, yanchor: "top", thickness: 12 } : { thickness: 16 };
    const colorbar = { title: { text: plain(title), side: narrow ? "bottom" : "right" }, ...side };
    const color = known.map((row) => valueOf(name, row) / scale);
    const coloured = { color, colorscale: front.colourScale, showscale: true, colorbar, opacity: fade(known) };
    const hollow = { symbol: "circle-open", color: "#1f2933", line: { width: 1.5 }, opacity: fade(unknown) };
    return [pointsTrace(role, known, coloured), pointsTrace(role, unknown, hollow, `no ${label.toLowerCase()}`)];
  }

  function frontTraces() {
    const traces = front.groups.flatMap(({ role, rows, labels, places, coloured }) =>
      coloured ? colouredTraces(role, rows) : [{ ...pointsTrace(role, rows), text: narrow && labels.length > 4 ? [] : labels.map(plain), textposition: places }],
    );
    if (selectedRow !== null) {
      const ring = { symbol: "circle-open", size: 22, color: "#d55e00", line: { width: 3 } };
      traces.push({ ...pointsTrace("front", [selectedRow], ring, "selected"), hoverinfo: "skip" });
    }
    // Of overlapping markers plotly's hover takes the smallest, then the last: keep it off the grey ones.
    const targets = front.groups.filter(({ grey }) => !grey).flatMap(({ rows }) => rows);
    traces.push({ ...pointsTrace("front", targets, { size: 1, opacity: 0 }), showlegend: false });
    return traces.filter((trace) => trace.x.length);
  }

  function drawFront() {
    const layout = structuredClone(front.layout);
    const notes = [];
    layout.annotations = [];
    layout.uirevision = "";
    for (const axis of ["x", "y"]) {
      const { name, title, label, zero_slot: slot } = columns[byId(`axis-${axis}`).value];
      const log = byId(`log-${axis}`).checked;
      Object.assign(layout[`${axis}axis`], { title: { text: plain(title) }, type: log ? "log" : "linear" });
      layout.uirevision += `${name} ${log} `; // new axes forget the zoom, a new colour keeps it
      const missing = allRows.filter((row) => valueOf(name, row) === null).length;
      if (missing) notes.push(`${number.format(missing)} points have no value for ${label} and are not drawn.`);
      if (!log || slot === null) continue;
      const place = axis === "x" ? { x: Math.log10(slot), y: 0, yref: "paper", yanchor: "top" } : { y: Math.log10(slot), x: 0, xref: "paper", xanchor: "right" };
      layout.annotations.push({ text: "<b>0</b>", showarrow: false, ...place });
      notes.push(`Points whose ${label} is 0 stand at the mark 0; a logarithmic axis has no zero of its own.`);
    }
    if (narrow) Object.assign(layout, { height: 600, margin: { l: 50, r: 10, t: 20, b: 50 } });
    byId("front-note").textContent = notes.join(" ");
    Plotly.react("front-figure", frontTraces(), layout, data.config);
  }

  // ---- one point

  const quote = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replace(/'/g, `'"'"'`)}'`);

  function select(row) {
    selectedRow = row;
    const title = element("h3", valueOf("point_id", row));
    tagsOf(row).forEach((tag) => title.append(element("span", tag, { class: "tag" })));
    const groups = element("div", null, { class: "groups" });
    for (const group of new Set(data.columns.map((column) => column.group))) {
      const list = element("dl", null);
      for (const { name, label } of data.columns.filter((column) => column.group === group)) {
        list.append(element("dt", label), element("dd", textOf(name, row, true)));
      }
      groups.append(element("div", null));
      groups.lastChild.append(element("h4", group), list);
    }
    const command = `python -m explorer.pick ${data.run} --id ${quote(valueOf("point_id", row))}`;
    byId("card").replaceChildren(title, groups, element("p", "Choose this point:", { class: "note" }), element("code", command));
    if (valueOf("violated", row)) title.after(element("p", `Violates ${valueOf("violated", row)}`));
    byId("card").hidden = false;
    document.querySelectorAll("#points tbody tr").forEach((line) => line.classList.toggle("selected", Number(line.dataset.row) === row));
    drawFront();
  }

  // ---- parallel coordinates

  function rowsInRanges(dimensions) {
    const ranged = dimensions.filter(({ constraintrange }) => constraintrange && constraintrange.length);
    if (!ranged.length) return null;
    const inside = ({ constraintrange, values }, place) =>
      (Array.isArray(constraintrange[0]) ? constraintrange : [constraintrange]).some(
        ([low, high]) => values[place] >= low && values[place] <= high,
      );
    const drawn = data.tableRows.slice(0, dimensions[0].values.length);
    return new Set(drawn.filter((_, place) => ranged.every((dimension) => inside(dimension, place))));
  }

  function keep(rows) {
    keptRows = rows;
    const total = data.tableRows.length;
    if (byId("kept")) byId("kept").textContent = `${number.format(rows === null ? total : rows.size)} of ${number.format(total)} points kept.`;
    if (front) drawFront();
    if (headers.length) drawTable();
  }

  function drawParallel() {
    const { data: traces, layout } = structuredClone(data.figures["parallel-figure"]);
    Plotly.react("parallel-figure", traces, layout, data.config);
  }

  // ---- table

  const table = { column: null, descending: false, all: false };
  const headers = [...document.querySelectorAll("#points th[data-column]")];
  const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b);

  function tableLine(row) {
    const line = element("tr", null, { "data-row": row, class: row === selectedRow ? "selected" : "" });
    const head = element("th", null, { scope: "row" });
    head.append(element("button", valueOf("point_id", row), { type: "button" }));
    head.firstChild.addEventListener("click", () => { select(row); byId("card").scrollIntoView({ block: "center" }); });
    tagsOf(row).slice(1).forEach((tag) => head.append(element("span", tag, { class: "tag" })));
    line.append(head);
    for (const header of headers.slice(1)) {
      const name = header.dataset.column;
      const attributes = { "data-value": valueOf(name, row) ?? "", class: columns[name].numeric ? "number" : "" };
      line.append(element("td", textOf(name, row, false), attributes));
    }
    return line;
  }

  function drawTable() {
    const rows = data.tableRows.filter((row) => keptRows === null || keptRows.has(row));
    const sign = table.descending ? -1 : 1;
    rows.sort((a, b) => {
      const [first, second] = [valueOf(table.column, a), valueOf(table.column, b)];
      if (first === null || second === null) return (first === null) - (second === null);
      return sign * compare(first, second);
    });
    const drawn = table.all ? rows : rows.slice(0, FIRST_TABLE_ROWS);
    document.querySelector("#points tbody").replaceChildren(...drawn.map(tableLine));
    byId("table-note").textContent = `${number.format(drawn.length)} of ${number.format(data.tableRows.length)} points listed.`;
    byId("show-all").hidden = drawn.length === rows.length;
    byId("show-all").textContent = `List all ${number.format(rows.length)} points`;
  }

  function sortBy(name, descending) {
    Object.assign(table, { column: name, descending });
    headers.forEach((header) => header.removeAttribute("aria-sort"));
    headers.find((header) => header.dataset.column === name).setAttribute("aria-sort", descending ? "descending" : "ascending");
    drawTable();
  }

  // ---- start

  for (const header of headers) {
    const name = header.dataset.column;
    header.firstChild.addEventListener("click", () => sortBy(name, table.column === name && !table.descending));
  }
  if (headers.length) {
    byId("show-all").addEventListener("click", () => { table.all = true; drawTable(); });
    sortBy(data.sort.column, data.sort.descending);
  }
  keep(null);
  if (front) {
    for (const id of ["axis-x", "axis-y", "axis-colour", "log-x", "log-y"]) byId(id).addEventListener("change", drawFront);
    byId("front-figure").on("plotly_click", (event) => select(event.points[0].customdata));
  }
  for (const figure of document.querySelectorAll(".figure.static")) {
    Plotly.newPlot(figure, data.figures[figure.id].data, data.figures[figure.id].layout, data.config);
  }
  const parallel = byId("parallel-figure");
  if (parallel && document.createElement("canvas").getContext("webgl")) {
    setTimeout(() => { // the slowest drawing comes last, when the rest can already be read
      drawParallel();
      parallel.on("plotly_restyle", () => keep(rowsInRanges(parallel.data[0].dimensions)));
      byId("keep-all").addEventListener("click", () => { drawParallel(); keep(null); });
    }, 50);
  } else if (parallel) {
    parallel.textContent = "This browser offers no WebGL, which parallel coordinates need. The table holds the same values.";
  }
})();
