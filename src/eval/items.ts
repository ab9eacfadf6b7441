import type { Row } from "./scorer.ts";

/** A share of examples, with its standard error; of a single example there is none. */
export interface Share {
  readonly value: number;
  readonly stderr?: number;
}

/** `right` of `count`: the error of a mean of zeros and ones, with n - 1 as the sample's. */
export function shareOf(right: number, count: number): Share {
  const value = right / count;
  return count > 1 ? { value, stderr: Math.sqrt((value * (1 - value)) / (count - 1)) } : { value };
}

/**
 * A row that scores `ending` after `context`. Where both together exceed what a model of maxT positions takes (its last
 * token is only predicted), tokens are left out at the front.
 */
export function fitting(
  context: ArrayLike<number>,
  ending: ArrayLike<number>,
  maxT: number,
): { row: Row; cut: boolean } {
  const tokens = [...Array.from(context), ...Array.from(ending)];
  const surplus = Math.max(0, tokens.length - maxT - 1);
  return {
    row: { tokens: tokens.slice(surplus), from: Math.max(1, context.length - surplus) },
    cut: surplus > 0,
  };
}
