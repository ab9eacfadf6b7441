import type { Operand } from "../mistakes/operation.ts";
import type { TraceUpdate } from "./trace.ts";
import type { TraceTensor } from "./trace-tensor.ts";
import { bounds } from "./verify.ts";

export interface Deviation {
  /** The largest difference, in units of what is allowed there; infinite where one is NaN. */
  readonly excess: number;
  readonly maxDiff: number;
  /** Index of the element that exceeds its bound most. */
  readonly index: number;
  /** The largest absolute value expected. */
  readonly largest: number;
}

/**
 * Between right programs in float32. A sum of K products is off by sqrt(K) * 2^-24 of its terms: 1e-6 to 3e-6 of the largest
 * value of an activation or gradient after a whole pass (PyTorch in float32 against float64, on small models). Allowed is
 * about ten times that; gradients, through twice as many operations, five times as much again.
 */
const relative = { forward: 2e-5, gradient: bounds.gradient } as const;

/** Largest absolute value; NaN does not count. */
export function largestOf({ data }: Pick<Operand, "data">): number {
  let most = 0;
  for (const value of data) if (Math.abs(value) > most) most = Math.abs(value);
  return most;
}

/** Largest difference, relative to the bound of each element. */
export function deviation(found: Operand["data"], expected: Operand["data"], bound: (i: number) => number): Deviation {
  let [excess, maxDiff, index] = [0, 0, 0];
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(found[i] - expected[i]);
    const units = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference === 0 ? 0 : difference / bound(i);
    if (units > excess) [excess, index] = [units, i];
    if (!(difference <= maxDiff)) maxDiff = difference;
  }
  return { excess, maxDiff, index, largest: largestOf({ data: expected }) };
}

/** The bound of each element of an activation or gradient. `logits`: the largest logit, from which rounding grows. */
export function usualBound(
  { name, output }: TraceTensor,
  logits: number,
  ...magnitudes: readonly number[]
): (i: number) => number {
  if (output === undefined) return () => 0;
  const share = /^[dmv]\./.test(name) ? relative.gradient : relative.forward;
  // A square has twice the relative error.
  const factor = name.startsWith("v.") ? 2 : 1;
  const bound = share * factor * bounds.scale(logits) * Math.max(...magnitudes);
  return () => bound;
}

/**
 * The bound of each element of an updated parameter. The first update has the size of the learning rate whatever the
 * gradient is, so a gradient that is zero but for rounding may go either way: the bound is by how much the update
 * changes when the gradient does by its own bound.
 */
export function updateBound(
  param: Operand,
  grad: Operand,
  gradBound: number,
  gradScale: number,
  { learningRate, eps }: TraceUpdate,
): (i: number) => number {
  const direction = (g: number) => (g * gradScale) / (Math.abs(g * gradScale) + eps);
  return (i) => {
    const g = grad.data[i];
    const change = Math.max(direction(g + gradBound) - direction(g), direction(g) - direction(g - gradBound));
    return learningRate * (change + 1e-4) + 2 ** -22 * Math.abs(param.data[i]);
  };
}
