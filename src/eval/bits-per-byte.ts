import { type Tokenizer, textLengths } from "../tokenizer/tokenizer.ts";

/**
 * Losses over the bytes of the text that their target tokens stand for, so that models of different vocabularies compare.
 * Tokens without text (special ones, those outside the vocabulary) count in neither.
 */
export class ByteLoss {
  readonly #lengths: Int32Array;
  /** Sum of the losses of tokens with text. */
  nats = 0;
  /** Bytes of these tokens. */
  bytes = 0;

  constructor(tokenizer: Tokenizer) {
    this.#lengths = textLengths(tokenizer);
  }

  /** Adds the loss in nats of `targets[from + i]` for every i. */
  add(losses: ArrayLike<number>, targets: ArrayLike<number>, from = 0): void {
    for (let i = 0; i < losses.length; i++) {
      const bytes = this.#lengths[targets[from + i]] ?? 0;
      if (bytes === 0) continue;
      this.nats += losses[i];
      this.bytes += bytes;
    }
  }
}

/** Bits per byte of `nats` over `bytes`, each a sum or a mean of the same parts; undefined where there is no text. */
export function bitsPerByte(nats: number, bytes: number): number | undefined {
  return bytes > 0 ? nats / (Math.LN2 * bytes) : undefined;
}
