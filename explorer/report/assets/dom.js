// Small helpers to build elements; text is always text, never markup.

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element that the page is known to have.
 * @template {string} Id
 * @param {Id} id
 */
export const byId = (id) =>
  /** @type {Id extends keyof ElementsById ? ElementsById[Id] : HTMLElement} */ (document.getElementById(id));

/**
 * Let an element say a text; one that says it already is left alone.
 * @param {HTMLElement} holder
 * @param {string} text
 */
export function say(holder, text) {
  if (holder.textContent !== text) holder.textContent = text;
}

/**
 * The field that an event comes from.
 * @param {Event} event
 */
export const fieldOf = (event) => /** @type {HTMLInputElement} */ (event.target);

/**
 * Where an arrow key leads: 1 onwards, -1 back, 0 for other keys.
 * @param {KeyboardEvent} event
 */
export function arrowStep({ key }) {
  if (key === "ArrowRight" || key === "ArrowUp") return 1;
  return key === "ArrowLeft" || key === "ArrowDown" ? -1 : 0;
}

/**
 * @template {Element} Made
 * @param {Made} made
 * @param {Attributes} attributes
 * @param {Child[]} children
 */
function fill(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    else if (value !== null && value !== undefined && value !== false)
      made.setAttribute(name, value === true ? "" : String(value));
  }
  const all = /** @type {unknown[]} */ (children).flat(Infinity);
  const shown = all.filter((child) => child !== null && child !== undefined && child !== false);
  made.append(.../** @type {(Node | string)[]} */ (shown));
  return made;
}

/**
 * An HTML element; attributes that begin with "on" are listeners.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} attributes
 * @param {Child[]} children
 */
export const element = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);

/**
 * An SVG element.
 * @param {keyof SVGElementTagNameMap} tag
 * @param {Attributes} attributes
 * @param {Child[]} children
 * @returns {SVGElement}
 */
export const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

const FOCUSABLE = "a[href], button, input, select, summary, [tabindex]";

/**
 * Replace what an element holds; the focus stays at its place among what can have it.
 * @param {HTMLElement} holder
 * @param {Node[]} children
 */
export function redraw(holder, ...children) {
  /** @returns {HTMLElement[]} */
  const focusable = () => [...holder.querySelectorAll(/** @type {"input"} */ (FOCUSABLE))];
  const place = focusable().findIndex((own) => own === document.activeElement);
  holder.replaceChildren(...children);
  if (place >= 0) focusable()[Math.min(place, focusable().length - 1)]?.focus({ preventScroll: true });
}

/**
 * A <select> over groups of [value, text].
 * @param {HTMLSelectElement} select
 * @param {ChoiceGroups} groups
 * @param {string} value
 */
export function choices(select, groups, value) {
  select.replaceChildren(
    ...groups
      .map(([label, options]) => {
        const made = options.map(([own, text]) => element("option", { value: own, selected: own === value }, text));
        return label ? element("optgroup", { label }, made) : made;
      })
      .flat(),
  );
  select.value = value;
}

/**
 * A canvas fitted to its element at the screen's resolution; returns [context, width, height].
 * @param {HTMLCanvasElement} canvas
 * @returns {[CanvasRenderingContext2D, number, number]}
 */
export function fitCanvas(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  const ratio = window.devicePixelRatio || 1;
  const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return [context, width, height];
}

/**
 * Put text on the clipboard; where the browser refuses, select it so that a key copies it.
 * @param {HTMLElement} source
 * @param {HTMLElement} button
 */
export async function copyText(source, button) {
  /** @param {string} text */
  const said = (text) => {
    button.textContent = text;
    setTimeout(() => {
      button.textContent = "Copy";
    }, 1500);
  };
  try {
    await navigator.clipboard.writeText(source.textContent);
    said("Copied");
  } catch {
    getSelection()?.selectAllChildren(source);
    said("Press Ctrl+C");
  }
}

/**
 * Offer a text as a file to save.
 * @param {string} name
 * @param {string} type
 * @param {string} text
 */
export function saveFile(name, type, text) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
