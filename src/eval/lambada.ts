import { InputError } from "../errors.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { fitting, type Share, shareOf } from "./items.ts";
import type { ScoreOptions, Scorer } from "./scorer.ts";

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
