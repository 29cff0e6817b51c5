// Colours that stay apart for colour-blind readers: Okabe and Ito (2008) for groups, viridis for numbers.

const GROUPS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8A6D00", "#7F7F7F"];
const VIRIDIS = ["440154", "482878", "3e4989", "31688e", "26828e", "1f9e89", "35b779", "6ece58", "b5de2b", "fde725"];
/** @type {Shape[]} */
export const SHAPES = ["circle", "square", "triangle", "diamond", "cross"];

/** @param {number} place */
export const groupColour = (place) => GROUPS[place % GROUPS.length];

const channels = VIRIDIS.map((text) => [0, 2, 4].map((start) => parseInt(text.slice(start, start + 2), 16)));
const STEPS = 64;
const RAMP = Array.from({ length: STEPS + 1 }, (_, step) => {
  const at = (step / STEPS) * (channels.length - 1);
  const low = Math.min(Math.floor(at), channels.length - 2);
  const mixed = channels[low].map((value, axis) => Math.round(value + (at - low) * (channels[low + 1][axis] - value)));
  return `rgb(${mixed.join(",")})`;
});

/**
 * Viridis at 0..1.
 * @param {number} share
 */
export const rampColour = (share) => RAMP[Math.round(Math.min(Math.max(share, 0), 1) * STEPS)];
export const RAMP_STOPS = VIRIDIS.map((text) => `#${text}`);

/**
 * Draw one mark of a shape; the context's fill and stroke apply.
 * @param {CanvasRenderingContext2D} context
 * @param {Shape} shape
 * @param {number} x
 * @param {number} y
 * @param {number} r
 */
export function drawShape(context, shape, x, y, r) {
  context.beginPath();
  if (shape === "circle") context.arc(x, y, r, 0, 2 * Math.PI);
  else if (shape === "square") context.rect(x - r * 0.9, y - r * 0.9, r * 1.8, r * 1.8);
  else {
    const corners = {
      triangle: [
        [0, -1.2],
        [1.1, 0.8],
        [-1.1, 0.8],
      ],
      diamond: [
        [0, -1.3],
        [1.3, 0],
        [0, 1.3],
        [-1.3, 0],
      ],
      cross: [
        [-0.4, -1.1],
        [0.4, -1.1],
        [0.4, -0.4],
        [1.1, -0.4],
        [1.1, 0.4],
        [0.4, 0.4],
        [0.4, 1.1],
        [-0.4, 1.1],
        [-0.4, 0.4],
        [-1.1, 0.4],
        [-1.1, -0.4],
        [-0.4, -0.4],
      ],
    }[shape];
    corners.forEach(([dx, dy], place) =>
      place ? context.lineTo(x + r * dx, y + r * dy) : context.moveTo(x + r * dx, y + r * dy),
    );
    context.closePath();
  }
}

/**
 * The page's colours, as the stylesheet sets them for light or dark.
 * @returns {Theme}
 */
export function themeColours() {
  const style = getComputedStyle(document.documentElement);
  const names = ["ink", "soft", "line", "surface", "grey", "faint", "accent", "mark"];
  const colours = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
  return /** @type {Theme} */ (colours);
}
