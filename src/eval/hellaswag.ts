import { InputError } from "../errors.ts";
import type { HellaSwagExample } from "../format/hellaswag.ts";
import { fitting, type Share, shareOf } from "./items.ts";
import type { ScoreOptions, Scorer } from "./scorer.ts";

export interface HellaSwagResult {
  readonly examples: number;
  /** Right endings chosen by the sum of their tokens' log-probabilities. */
  readonly acc: Share;
  /** By their mean: long endings are not punished. */
  readonly accNorm: Share;
  /** Endings whose context was cut at its front, since the model has too few positions. */
  readonly cut: number;
}

/**
 * HellaSwag as llm.c does it (dev/data/hellaswag.py, "completion style"): every ending follows the context, its tokens
 * alone are scored, and the one that is most probable is the model's choice; of equal ones the first.
 */
export async function evaluateHellaSwag(
  scorer: Scorer,
  examples: readonly HellaSwagExample[],
  options: ScoreOptions = {},
): Promise<HellaSwagResult> {
  if (examples.length === 0) throw new InputError("There are no HellaSwag examples. Give a file that holds some.");
  const { maxT } = scorer.model.parameters.config;
  const items = examples.flatMap(({ context, endings }) => endings.map((ending) => fitting(context, ending, maxT)));
  const scores = await scorer.score(
    items.map(({ row }) => row),
    options,
  );
  let row = 0;
  let right = 0;
  let rightNorm = 0;
  for (const { endings, label } of examples) {
    const found = scores.slice(row, row + endings.length);
    row += endings.length;
    const sums = found.map(({ losses }) => sum(losses));
    const means = found.map(({ losses }, i) => sums[i] / losses.length);
    if (sums.indexOf(Math.min(...sums)) === label) right++;
    if (means.indexOf(Math.min(...means)) === label) rightNorm++;
  }
  const count = examples.length;
  return {
    examples: count,
    acc: shareOf(right, count),
    accNorm: shareOf(rightNorm, count),
    cut: items.filter(({ cut }) => cut).length,
  };
}

function sum(values: ArrayLike<number>): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i];
  return total;
}
