import { InputError, UsageError } from "../errors.ts";
import type { TokenFile } from "../format/tokens.ts";
import { type Tokenizer, textLengths } from "../tokenizer/tokenizer.ts";
import { ByteLoss, bitsPerByte } from "./bits-per-byte.ts";
import type { Row } from "./packing.ts";
import type { Scorer } from "./scorer.ts";

/** Tokens in a row: a token file, or a text that was encoded. */
export type TokenSequence = Pick<TokenFile, "name" | "count" | "read">;

export interface LossOptions {
  /** Tokens of a window; default maxT of the model. */
  readonly T?: number;
  /** Tokens from one window to the next; default T. */
  readonly stride?: number;
  /** The most tokens to score. */
  readonly limit?: number;
  /** Gives the number of bytes of each token, for bits per byte. */
  readonly tokenizer?: Tokenizer;
  readonly onProgress?: (done: number, total: number) => void;
}

export interface LossResult {
  /** Tokens that were scored. */
  readonly tokens: number;
  /** Mean, in nats a token. */
  readonly loss: number;
  /** e to the loss. */
  readonly perplexity: number;
  /** Of the text that the scored tokens stand for; without a tokenizer unknown. */
  readonly bytes?: number;
  /** All losses, in bits, over all bytes. Special tokens stand for no text, so they count in neither. */
  readonly bitsPerByte?: number;
  readonly T: number;
  readonly stride: number;
}

/**
 * Loss, perplexity and bits per byte of sequences. Of each, every token but the first is scored exactly once. Windows of
 * T tokens begin every `stride` tokens; in each, only what no window before has scored counts, so that with a stride
 * below T every token (after the first window) has at least T - stride tokens before it: better numbers, for T / stride
 * times the work. With stride = T the windows are blocks, as in training.
 */
export async function evaluateLoss(
  scorer: Scorer,
  sequences: readonly TokenSequence[],
  options: LossOptions = {},
): Promise<LossResult> {
  const { maxT } = scorer.model.parameters.config;
  const { T = maxT, stride = T, limit = Number.POSITIVE_INFINITY, tokenizer, onProgress } = options;
  checkWindows(T, stride, maxT);
  const counts = limited(sequences, limit);
  const total = counts.reduce((sum, count) => sum + Math.max(0, count - 1), 0);
  if (total === 0)
    throw new InputError(`${sequences.map(({ name }) => name).join(", ")}: nothing to score. A text needs two tokens.`);
  const sums = new Sums(tokenizer);
  const atOnce = scorer.rowsAtOnce(T);
  let rows: Row[] = [];
  const score = async () => {
    const scores = await scorer.score(rows);
    for (const [i, { losses }] of scores.entries()) sums.add(rows[i], losses);
    rows = [];
    onProgress?.(sums.tokens, total);
  };
  for (const [i, sequence] of sequences.entries())
    for await (const row of windows(sequence, counts[i], T, stride)) {
      rows.push(row);
      if (rows.length === atOnce) await score();
    }
  if (rows.length > 0) await score();
  return { ...sums.result(), T, stride };
}

function checkWindows(T: number, stride: number, maxT: number): void {
  if (!Number.isSafeInteger(T) || T < 1 || T > maxT)
    throw new UsageError(`The block is T = ${T} tokens, expected 1 to ${maxT}, the positions that this model has.`);
  if (!Number.isSafeInteger(stride) || stride < 1 || stride > T)
    throw new UsageError(`The stride is ${stride}, expected 1 to T = ${T}: a longer one would leave tokens out.`);
}

/** Tokens of each sequence to read, so that `limit` are scored in all. */
function limited(sequences: readonly TokenSequence[], limit: number): number[] {
  let left = limit;
  return sequences.map(({ count }) => {
    const scored = Math.max(0, Math.min(count - 1, left));
    left -= scored;
    return scored > 0 ? scored + 1 : 0;
  });
}

async function* windows(sequence: TokenSequence, count: number, T: number, stride: number): AsyncGenerator<Row> {
  // The last token that was scored: the first one never is.
  let done = 0;
  for (let start = 0; done < count - 1; start += stride) {
    const end = Math.min(start + T, count - 1);
    yield { tokens: await sequence.read(start, end - start + 1), from: done + 1 - start };
    done = end;
  }
}

class Sums {
  readonly #text: ByteLoss | undefined;
  tokens = 0;
  #nats = 0;

  constructor(tokenizer: Tokenizer | undefined) {
    this.#text = tokenizer && new ByteLoss(textLengths(tokenizer));
  }

  add({ tokens, from }: Row, losses: ArrayLike<number>): void {
    for (let i = 0; i < losses.length; i++) this.#nats += losses[i];
    this.tokens += losses.length;
    this.#text?.add(losses, tokens, from);
  }

  result(): Omit<LossResult, "T" | "stride"> {
    const loss = this.#nats / this.tokens;
    const mean = { tokens: this.tokens, loss, perplexity: Math.exp(loss) };
    const { nats = 0, bytes = 0 } = this.#text ?? {};
    return bytes === 0 ? mean : { ...mean, bytes, bitsPerByte: bitsPerByte(nats, bytes) };
  }
}
