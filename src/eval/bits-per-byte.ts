/**
 * Losses over the bytes of the text that their target tokens stand for, so that models of different vocabularies compare.
 * Tokens without text (special ones, those outside the vocabulary) count in neither.
 */
export class ByteLoss {
  readonly #lengths: ArrayLike<number>;
  /** Sum of the losses of tokens with text. */
  nats = 0;
  /** Bytes of these tokens. */
  bytes = 0;

  /** `lengths`: the bytes of text that each token stands for, by id (`textLengths` of a tokenizer). */
  constructor(lengths: ArrayLike<number>) {
    this.#lengths = lengths;
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
