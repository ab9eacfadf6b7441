/** Colours for numbers of both signs, on a canvas: those of learn.css, from the most negative to the most positive. */
import { computed } from "@preact/signals";
import { isDark } from "../theme.ts";

const stops = ["--negative-2", "--negative-1", "--heat-0", "--heat-1", "--heat-2", "--heat-3"];
const places = [0, 0.25, 0.5, 0.64, 0.82, 1];
const half = 255;

/** 511 pixels: for -1 to 1. */
export const signedColours = computed<Uint32Array>(() => {
  // Recomputed with the theme, whose colours are read from the page.
  isDark.value;
  const width = 2 * half + 1;
  const context = new OffscreenCanvas(width, 1).getContext("2d", { willReadFrequently: true });
  if (!context) return new Uint32Array(width);
  const style = getComputedStyle(document.documentElement);
  const gradient = context.createLinearGradient(0, 0, width, 0);
  for (const [i, name] of stops.entries()) gradient.addColorStop(places[i], style.getPropertyValue(name));
  context.fillStyle = gradient;
  context.fillRect(0, 0, width, 1);
  return new Uint32Array(context.getImageData(0, 0, width, 1).data.buffer);
});

/** (rows,columns) numbers as an image with a pixel for each. Strength is the root of a number's share of the largest: most are small. */
export function signedImage(data: Float32Array, columns: number, largest: number, colours: Uint32Array): ImageData {
  const image = new ImageData(columns, data.length / columns);
  const pixels = new Uint32Array(image.data.buffer);
  for (let i = 0; i < data.length; i++) {
    const strength = Math.sqrt(Math.abs(data[i]) / (largest || 1));
    pixels[i] = colours[half + Math.round(half * (data[i] < 0 ? -strength : strength) || 0)];
  }
  return image;
}
