// The page of `explorer compare`: its fronts over each other, by the first two objectives that all have.

import { byId } from "./dom.js";
import { usePrefixes } from "./format.js";
import { drawFronts } from "./fronts.js";

/** @type {EmbeddedComparison} */
const { fronts, objectives, prefixes } = JSON.parse(byId("data").textContent);
usePrefixes(prefixes);
const [up, across] = objectives;
const placed = fronts.map((front, place) => ({ ...front, place }));
if (up && across) {
  const draw = () => drawFronts(placed, across, up);
  addEventListener("resize", draw);
  draw();
}
document.documentElement.dataset.ready = "true";
