// One network from left to right: blocks between split points, the cut, the exit, and which machine runs what.

import { messageBytes } from "./cost.js";
import { byId, element, svg } from "./dom.js";
import { numberText, quantity } from "./format.js";
import { short } from "./look.js";

/**
 * The opened point's network, and how dense its junctions are.
 * @param {NetworkCard} card
 */
export function drawPipeline({ run, network, row }) {
  byId("pipeline").replaceChildren(pipelineOf(run, row));
  const { networks } = run;
  const densities = Object.entries(networks.densities[network]);
  const bars = densities.length
    ? densities.map(([path, density]) =>
        element(
          "span",
          { class: "density", title: `${path}: ${numberText(density * 100)} % of the connections are kept` },
          element("span", { class: "density-bar" }, element("span", { style: `width:${(density * 100).toFixed(1)}%` })),
          ` ${path} ${numberText(density)}`,
        ),
      )
    : ["no sparse junction"];
  byId("densities").replaceChildren(
    element("b", {}, `${networks.backbone[network]}, pattern ${networks.pattern[network]}; density per junction: `),
    ...bars,
  );
}

/**
 * Blocks between split points, left to right; the cut, the exit, and which machine runs what.
 * @param {Run} run
 * @param {number} row
 */
export function pipelineOf(run, row) {
  const { splits, networks } = run;
  const split = run.points.split[row];
  const network = splits.network[split];
  const first = networks.firstSplit[network];
  const end = networks.firstSplit[network + 1] ?? splits.network.length;
  const stages = [];
  for (let place = first + 1; place < end; place++)
    stages.push({
      place,
      name: run.splitNames[place],
      macs: splits.edge_macs[place] - splits.edge_macs[place - 1],
      onEdge: place <= split,
    });
  const [wide, high, gap] = [104, 66, 26];
  const parts = [
    pipelineText(4, 30, "input"),
    pipelineText(4, 46, `${numberText(splits.payload_elements[first])} values`),
  ];
  const widths = 96;
  stages.forEach((stage, number) => {
    const x = widths + number * (wide + gap);
    parts.push(svg("line", { class: "flow", x1: x - gap, x2: x, y1: 33, y2: 33 }));
    parts.push(
      svg("rect", {
        class: stage.onEdge ? "block edge" : "block server",
        x,
        y: 4,
        width: wide,
        height: high - 8,
        rx: 5,
      }),
    );
    parts.push(
      pipelineText(x + 6, 22, short(stage.name, 15)),
      pipelineText(x + 6, 38, quantity(stage.macs, "MAC")),
      pipelineText(x + 6, 53, stage.onEdge ? "edge" : "server", "soft"),
    );
  });
  const cut = widths + (split - first) * (wide + gap) - gap / 2;
  const isOutput = splits.is_output[split];
  const threshold = run.points.threshold[row];
  const hasExit = !Number.isNaN(threshold);
  const allExit = hasExit && run.points.exited[row] === networks.samples[network];
  const payload = `${quantity(messageBytes(run, row), "B")} of payload ${hasExit ? "when unsure" : "for every sample"}`;
  if (!isOutput)
    parts.push(
      svg("line", { class: "cut", x1: cut, x2: cut, y1: 0, y2: high + 30 }),
      pipelineText(cut + 5, high + 12, `split point ${short(run.splitNames[split], 18)}`),
      pipelineText(cut + 5, high + 27, `sends ${allExit ? "nothing" : payload}`, "soft"),
    );
  const exit = isOutput
    ? "everything runs on the edge"
    : hasExit
      ? `exit classifier (${quantity(splits.exit_macs[split], "MAC")}): answers when confidence ≥ ${numberText(threshold)}`
      : "no exit classifier: every sample is sent";
  parts.push(
    svg(
      "text",
      {
        x: Math.max(cut - 8, 4),
        y: high + 12,
        "text-anchor": cut > 300 ? "end" : "start",
        transform: cut > 300 ? null : "translate(0 34)",
      },
      exit,
    ),
  );
  const width = Math.max(widths + stages.length * (wide + gap), cut + 210);
  return svg(
    "svg",
    {
      class: "chart",
      viewBox: `0 0 ${width} ${high + 54}`,
      style: `min-width:${Math.min(width, 900)}px;max-width:${width}px`,
      role: "img",
      "aria-label": `Network from left to right: ${stages.map(({ name, onEdge }) => `${name} on ${onEdge ? "edge" : "server"}`).join(", ")}`,
    },
    parts,
  );
}

/**
 * @param {number} x
 * @param {number} y
 * @param {string} text
 * @param {string} kind
 */
const pipelineText = (x, y, text, kind = "") => svg("text", { x, y, class: kind }, text);
