import { InputError } from "../errors.ts";
import type { HellaSwagExample } from "../format/hellaswag.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { Row } from "./packing.ts";
import type { ScoreOptions, Scorer } from "./scorer.ts";

/** A share of examples, with its standard error; of a single example there is none. */
export interface Share {
  readonly value: number;
  readonly stderr?: number;
}

/** `right` of `count`: the error of a mean of zeros and ones, with n - 1 as the sample's. */
function shareOf(right: number, count: number): Share {
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

export interface LambadaResult {
  readonly examples: number;
  /** Last words whose every token is the model's most probable one. */
  readonly acc: Share;
  /** e to the mean loss of a last word (all its tokens together). */
  readonly perplexity: number;
  /** Texts that were cut at their front, since the model has too few positions. */
  readonly cut: number;
}

/**
 * LAMBADA (Paperno et al., 2016) as OpenAI and the common harnesses do it: the last word of each text, with the space
 * before it, is to be predicted from all before it. InputError for a text of less than two words.
 */
export async function evaluateLambada(
  scorer: Scorer,
  texts: readonly string[],
  tokenizer: Tokenizer,
  options: Omit<ScoreOptions, "greedy"> = {},
): Promise<LambadaResult> {
  if (texts.length === 0) throw new InputError("There are no LAMBADA texts. Give a file that holds some.");
  const { maxT } = scorer.model.parameters.config;
  const items = texts.map((text, i) => {
    const space = text.lastIndexOf(" ");
    const encode = (part: string) => tokenizer.encode(part, { ordinary: true });
    const [context, word] = [encode(text.slice(0, Math.max(0, space))), encode(text.slice(space))];
    if (space > 0 && context.length > 0 && text.length > space + 1) return fitting(context, word, maxT);
    throw new InputError(
      `LAMBADA text ${i + 1} is ${JSON.stringify(text.slice(0, 60))}: expected at least two words, the last of which is ` +
        "to be predicted, and no space at the end.",
    );
  });
  const scores = await scorer.score(
    items.map(({ row }) => row),
    { ...options, greedy: true },
  );
  let right = 0;
  let nats = 0;
  for (const { losses, greedy } of scores) {
    if (greedy) right++;
    for (let i = 0; i < losses.length; i++) nats += losses[i];
  }
  const count = texts.length;
  return {
    examples: count,
    acc: shareOf(right, count),
    perplexity: Math.exp(nats / count),
    cut: items.filter(({ cut }) => cut).length,
  };
}
