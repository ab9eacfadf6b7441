/** Colour scale of heat maps for a canvas: the colours of inside.css, from 0 to 1. */
import { computed } from "@preact/signals";
import { isDark } from "../theme.ts";

const stops = ["--heat-0", "--heat-1", "--heat-2", "--heat-3"];

/** Position of a share, 0 to 1, on the colour scale: its square root, since most attention weights are small. */
export function strength(share: number): number {
  return Math.sqrt(share);
}

/** 256 pixels, for strengths from 0 to 1. */
export const heatColours = computed<Uint32Array>(() => {
  // Recomputed with the theme, whose colours are read from the page.
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

/** (T,T) matrix as an image with a pixel per entry, transparent above the diagonal. */
export function heatImage(matrix: Float32Array, colours: Uint32Array): ImageData {
  const T = Math.sqrt(matrix.length);
  const image = new ImageData(T, T);
  const pixels = new Uint32Array(image.data.buffer);
  for (let row = 0; row < T; row++)
    for (let at = row * T; at <= row * T + row; at++) pixels[at] = colours[Math.round(255 * strength(matrix[at]))];
  return image;
}
