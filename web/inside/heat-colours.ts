/** The colours of heat maps, as a canvas needs them: those of inside.css, from little to much. */
import { computed } from "@preact/signals";
import { isDark } from "../theme.ts";

const stops = ["--heat-0", "--heat-1", "--heat-2", "--heat-3"];

/** How strongly a share, 0 to 1, is shown. The root, since most of attention is in small shares. */
export function strength(share: number): number {
  return Math.sqrt(share);
}

/** 256 colours as pixels, for strengths from 0 to 1. */
export const heatColours = computed<Uint32Array>(() => {
  // The theme's colours are read from the page itself.
  isDark.value;
  const context = new OffscreenCanvas(256, 1).getContext("2d", { willReadFrequently: true });
  if (!context) return new Uint32Array(256);
  const style = getComputedStyle(document.documentElement);
  const gradient = context.createLinearGradient(0, 0, 256, 0);
  for (const [i, name] of stops.entries()) gradient.addColorStop(i / (stops.length - 1), style.getPropertyValue(name));
  context.fillStyle = gradient;
  context.fillRect(0, 0, 256, 1);
  return new Uint32Array(context.getImageData(0, 0, 256, 1).data.buffer);
});

/** A matrix (T,T) as a picture of a pixel each, clear above the diagonal. */
export function heatImage(matrix: Float32Array, colours: Uint32Array): ImageData {
  const T = Math.sqrt(matrix.length);
  const image = new ImageData(T, T);
  const pixels = new Uint32Array(image.data.buffer);
  for (let row = 0; row < T; row++)
    for (let at = row * T; at <= row * T + row; at++) pixels[at] = colours[Math.round(255 * strength(matrix[at]))];
  return image;
}
