// Small helpers to build elements; text is always text, never markup.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

function fill(made, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false)
      made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** An HTML element; attributes that begin with "on" are listeners. */
export const element = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);

/** An SVG element. */
export const svg = (tag, attributes = {}, ...children) =>
  fill(document.createElementNS(SVG, tag), attributes, children);

/** A <select> over groups of [value, text]. */
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

/** A canvas fitted to its element at the screen's resolution; returns [context, width, height]. */
export function fitCanvas(canvas) {
  const { width, height } = canvas.getBoundingClientRect();
  const ratio = window.devicePixelRatio || 1;
  const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return [context, width, height];
}

/** Put text on the clipboard; where the browser refuses, select it so that a key copies it. */
export async function copyText(source, button) {
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
    getSelection().selectAllChildren(source);
    said("Press Ctrl+C");
  }
}

/** Offer a text as a file to save. */
export function saveFile(name, type, text) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  element("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
