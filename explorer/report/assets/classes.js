// What became of each class at an operating point of the front: recall, macro F1, confusion.

import { byId, element } from "./dom.js";
import { numberText, quantity } from "./format.js";

/**
 * @param {Run} run
 * @param {number} row
 */
export function drawClasses(run, row) {
  const { names, samples, rows, right, macroF1, confusion } = run.classes;
  const place = rows.indexOf(row);
  byId("classes").hidden = place < 0;
  byId("confusion").hidden = place < 0 || !confusion;
  byId("classes-note").textContent =
    place < 0
      ? "Kept for points of the run's front; explorer pick --id shows the classes of any point."
      : Number.isNaN(macroF1[place])
        ? ""
        : `Macro F1 ${numberText(macroF1[place])}, on the validation subset.`;
  if (place < 0) return;
  const count = names.length;
  const lines = names.map((name, label) => {
    const own = right[place * count + label];
    return [name, numberText(samples[label]), numberText(own), samples[label] ? quantity(own / samples[label], "%") : "n/a"];
  });
  byId("classes").replaceChildren(...tableParts(["Class", "Samples", "Right", "Recall"], lines));
  if (!confusion) return;
  const cells = names.map((name, label) => {
    const start = (place * count + label) * count;
    return [name, ...Array.from(confusion.subarray(start, start + count), numberText)];
  });
  byId("confusion").replaceChildren(...tableParts(["Class, answered", ...names], cells));
}

/**
 * @param {string[]} titles
 * @param {string[][]} lines the first text of each is its heading
 */
function tableParts(titles, lines) {
  const head = element(
    "tr",
    {},
    titles.map((title) => element("th", { scope: "col" }, title)),
  );
  const body = lines.map(([name, ...texts]) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, name),
      texts.map((text) => element("td", { class: "number" }, text)),
    ),
  );
  return [element("thead", {}, head), element("tbody", {}, body)];
}
