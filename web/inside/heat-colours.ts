/** The colours of heat maps, as a canvas needs them: those of inside.css, from little to much. */
import { computed, signal } from "@preact/signals";
import { theme } from "../theme.ts";

const system = matchMedia("(prefers-color-scheme: dark)");
const isSystemDark = signal(system.matches);
system.addEventListener("change", () => {
  isSystemDark.value = system.matches;
});

/** What is drawn on a canvas has to be drawn again when this changes. */
export const isDark = computed(() => (theme.value === "auto" ? isSystemDark.value : theme.value === "dark"));

const stops = ["--heat-0", "--heat-1", "--heat-2", "--heat-3"];

/** How strongly a share, 0 to 1, is shown. The root, since most of attention is in small shares. */
export function strength(share: number): number {
  return Math.sqrt(share);
}

/** (256,4) bytes of red, green, blue and alpha, for strengths from 0 to 1. */
export function heatColours(element: Element): Uint8ClampedArray {
  const canvas = new OffscreenCanvas(256, 1);
  const context = canvas.getContext("2d");
  if (!context) return new Uint8ClampedArray(1024);
  const style = getComputedStyle(element);
  const gradient = context.createLinearGradient(0, 0, 256, 0);
  for (const [i, name] of stops.entries()) gradient.addColorStop(i / (stops.length - 1), style.getPropertyValue(name));
  context.fillStyle = gradient;
  context.fillRect(0, 0, 256, 1);
  return context.getImageData(0, 0, 256, 1).data;
}

/** A matrix (T,T) as a picture of a pixel each, clear above the diagonal. */
export function heatImage(matrix: Float32Array, colours: Uint8ClampedArray): ImageData {
  const T = Math.sqrt(matrix.length);
  const image = new ImageData(T, T);
  for (let row = 0; row < T; row++)
    for (let column = 0; column <= row; column++) {
      const at = row * T + column;
      const colour = Math.round(255 * strength(matrix[at])) * 4;
      image.data.set(colours.subarray(colour, colour + 4), at * 4);
    }
  return image;
}
