/** Reduces long curves to a chart's pixels, in time that depends on the pixels. */
import type { Extremes } from "../../src/plot/extremes.ts";
import type { Range } from "../parts/range.ts";

/** The x of a run's values: ascending `values`, times `unit`. */
export interface Axis {
  readonly values: ArrayLike<number>;
  readonly unit: number;
}

/** Values along an axis, NaN where missing, with an index of their extremes. */
export interface Trace {
  readonly values: ArrayLike<number>;
  readonly extremes: Extremes;
}

/** The borders of `count` intervals of a range that are equally wide on the screen. */
export function bordersOf([min, max]: Range, count: number, log: boolean): Float64Array {
  const at = log ? (share: number) => min * (max / min) ** share : (share: number) => min + (max - min) * share;
  return Float64Array.from({ length: count + 1 }, (_, i) => at(i / count));
}

/** The x shared by all curves: both ends of the range, and the start and middle of each interval. */
export function sharedX(borders: Float64Array): Float64Array {
  const last = borders.length - 1;
  const x = new Float64Array(2 * last + 2);
  x[0] = borders[0];
  for (let i = 0; i < last; i++) {
    x[2 * i + 1] = borders[i];
    x[2 * i + 2] = (borders[i] + borders[i + 1]) / 2;
  }
  x[2 * last + 1] = borders[last];
  return x;
}

/** Number of an axis's values before each border; for the last border, those on it included. */
export function cutsOf(axis: Axis, borders: Float64Array): Int32Array {
  const cuts = new Int32Array(borders.length);
  for (const [i, border] of borders.entries())
    cuts[i] = countBefore(axis, border, i === borders.length - 1, i === 0 ? 0 : cuts[i - 1]);
  return cuts;
}

/** Number of values less than `x` (`including`: or equal), known to be at least `least`. */
export function countBefore({ values, unit }: Axis, x: number, including = false, least = 0): number {
  let [low, high] = [least, values.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    const at = values[middle] * unit;
    if (at < x || (including && at === x)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** A curve over `sharedX`: minimum and maximum of each interval in their order, interpolated at both ends. */
export function downsample(trace: Trace, axis: Axis, borders: Float64Array, cuts: Int32Array): (number | null)[] {
  const last = borders.length - 1;
  const result = new Array<number | null>(2 * last + 2).fill(null);
  result[0] = interpolate(trace, axis, cuts[0], borders[0]);
  for (let i = 0; i < last; i++) {
    const found = trace.extremes.find(cuts[i], cuts[i + 1]);
    if (!found) continue;
    const [low, high] = found;
    result[2 * i + 1] = trace.values[Math.min(low, high)];
    if (low !== high) result[2 * i + 2] = trace.values[Math.max(low, high)];
  }
  result[2 * last + 1] = interpolate(trace, axis, cuts[last], borders[last]);
  return result;
}

/** The curve's points without its interpolated ends. */
export function points(values: readonly (number | null)[]): (number | null)[] {
  return values.map((value, i) => (i === 0 || i === values.length - 1 ? null : value));
}

/** Interpolates at `x` between the values before and at `index`; null if one is missing. */
function interpolate({ values }: Trace, axis: Axis, index: number, x: number): number | null {
  if (index === 0 || index >= values.length) return null;
  const [left, right] = [axis.values[index - 1] * axis.unit, axis.values[index] * axis.unit];
  const share = right > left ? (x - left) / (right - left) : 0;
  const value = values[index - 1] + share * (values[index] - values[index - 1]);
  return Number.isNaN(value) ? null : value;
}

/** The range of y: all of `smooth` curves, and noisy ones without their outliers. */
export function extentOf(
  smooth: readonly (readonly (number | null)[])[],
  noisy: readonly (readonly (number | null)[])[],
  log: boolean,
): Range | undefined {
  let [low, high] = [Infinity, -Infinity];
  const include = (value: number) => {
    low = Math.min(low, value);
    high = Math.max(high, value);
  };
  for (const curve of smooth) for (const value of shown(curve, log)) include(value);
  for (const curve of noisy) {
    const values = shown(curve, log).sort();
    if (values.length === 0) continue;
    const at = (share: number) => values[Math.round(share * (values.length - 1))];
    const reach = 4 * (at(0.98) - at(0.02));
    include(Math.max(at(0), at(0.02) - reach));
    include(Math.min(at(1), at(0.98) + reach));
  }
  return low <= high ? [low, high] : undefined;
}

/** The values that a chart can draw. */
function shown(curve: readonly (number | null)[], log: boolean): Float64Array {
  return Float64Array.from(curve.filter((value) => value !== null && (!log || value > 0)));
}

/** The union of ranges, with a margin. */
export function withMargin(extents: readonly Range[], log: boolean): Range {
  if (extents.length === 0) return log ? [0.1, 1] : [0, 1];
  const low = Math.min(...extents.map(([least]) => least));
  const high = Math.max(...extents.map(([, greatest]) => greatest));
  if (log) return [low / 1.05, high * 1.05];
  const margin = 0.05 * (high - low) || 0.05 * Math.abs(high) || 1;
  return [low >= 0 ? Math.max(0, low - margin) : low - margin, high + margin];
}
