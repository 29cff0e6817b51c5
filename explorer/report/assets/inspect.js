// A described backbone: zoom its drawing, and show what is known of a layer that is clicked or entered.

import { arrowStep, element } from "./dom.js";

const FACTOR = 1.25;

/** @param {HTMLElement} figure one drawing with its buttons and the layer's attributes */
function connectZoom(figure) {
  const drawing = /** @type {SVGElement} */ (figure.querySelector("svg"));
  const holder = /** @type {HTMLElement} */ (drawing.parentElement);
  const [width, height] = ["width", "height"].map((name) => Number(drawing.getAttribute(name)));
  let zoom = 1;
  /** @param {number} wanted */
  const show = (wanted) => {
    const middle = (holder.scrollLeft + holder.clientWidth / 2) / zoom;
    zoom = Math.min(Math.max(wanted, 0.1), 5);
    drawing.setAttribute("width", (width * zoom).toFixed(1));
    drawing.setAttribute("height", (height * zoom).toFixed(1));
    holder.scrollLeft = middle * zoom - holder.clientWidth / 2;
  };
  /** @type {Record<string, () => number>} */
  const wanted = {
    in: () => zoom * FACTOR,
    out: () => zoom / FACTOR,
    fit: () => Math.min(holder.clientWidth / width, 1),
    whole: () => 1,
  };
  /** @type {NodeListOf<HTMLButtonElement>} */
  const buttons = figure.querySelectorAll("button[data-zoom]");
  for (const button of buttons) {
    button.addEventListener("click", () => show(wanted[button.dataset.zoom ?? "whole"]()));
    button.hidden = false;
  }
}

/** @param {HTMLElement} figure */
function connectLayers(figure) {
  const facts = /** @type {HTMLElement} */ (figure.querySelector(".layer-facts"));
  /** @type {SVGElement[]} */
  const boxes = [...figure.querySelectorAll(/** @type {"g"} */ ("[data-attributes]"))];
  /** @param {SVGElement} box */
  const open = (box) => {
    /** @type {[string, string][]} */
    const attributes = JSON.parse(box.dataset.attributes ?? "[]");
    facts.replaceChildren(
      ...attributes.flatMap(([name, text]) => [element("dt", {}, name), element("dd", {}, text)]),
    );
    for (const own of boxes) own.setAttribute("aria-pressed", String(own === box));
  };
  /** @param {number} place of the one box that Tab reaches */
  const focus = (place) => {
    boxes.forEach((own, other) => own.setAttribute("tabindex", other === place ? "0" : "-1"));
    boxes[place].focus();
  };
  boxes.forEach((box, place) => {
    box.addEventListener("click", () => open(box));
    box.addEventListener("keydown", (event) => {
      const step = arrowStep(event);
      if (step) focus(Math.min(Math.max(place + step, 0), boxes.length - 1));
      else if (event.key === "Enter" || event.key === " ") open(box);
      else return;
      event.preventDefault();
    });
  });
}

/** @type {NodeListOf<HTMLElement>} */
const figures = document.querySelectorAll(".drawing");
for (const figure of figures) {
  connectZoom(figure);
  connectLayers(figure);
}
document.documentElement.dataset.ready = "true";
