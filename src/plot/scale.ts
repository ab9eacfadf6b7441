import { nice, tickStep, ticks } from "d3-array";

/** Where the values of an axis stand on it. */
export interface Scale {
  /** The pixel of a value. */
  at(value: number): number;
  /** The values with a grid line, and how they are written. */
  readonly ticks: readonly number[];
  label(value: number): string;
}

/** Least and greatest. */
export type Range = readonly [number, number];

/** Equal steps, from round numbers to round numbers unless the ends are to be `exact`. */
export function linear(values: Range, [left, right]: Range, count: number, exact = false): Scale {
  const [low, high] = exact ? values : nice(...values, count);
  const decimals = Math.max(0, -Math.floor(Math.log10(Math.abs(tickStep(low, high, count)))));
  return {
    at: (value) => left + ((value - low) / (high - low || 1)) * (right - left),
    ticks: ticks(low, high, count),
    label: (value) =>
      value.toLocaleString("en-US", { minimumFractionDigits: decimals, maximumFractionDigits: decimals }),
  };
}

/** Equal factors. Values that are not above 0 stand at the low end. */
export function logarithmic([low, high]: Range, [left, right]: Range, count: number): Scale {
  const width = Math.log10(high / low) || 1;
  return {
    at: (value) => left + (Math.log10(Math.max(value, low) / low) / width) * (right - left),
    ticks: logTicks(low, high, count),
    label: (value) => value.toLocaleString("en-US", { maximumSignificantDigits: 3 }),
  };
}

/** Powers of ten, with their twos and fives where that is not too many; even steps where these are too few. */
export function logTicks(low: number, high: number, count: number): number[] {
  const decades = Array.from(
    { length: Math.ceil(Math.log10(high)) - Math.floor(Math.log10(low)) + 1 },
    (_, at) => 10 ** (Math.floor(Math.log10(low)) + at),
  );
  const choices = [[1, 2, 5], [1]].map((factors) =>
    decades.flatMap((decade) => factors.map((f) => f * decade)).filter((tick) => tick >= low && tick <= high),
  );
  const fitting = choices.find((ticks) => ticks.length <= 2 * count) ?? choices[1];
  return fitting.length < 3 ? ticks(low, high, count) : fitting;
}
