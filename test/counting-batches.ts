import type { BatchSource } from "../src/train/options.ts";

/** Batches of tokens that count from 0 to `modulus` - 1 cyclically, continuing from batch to batch. */
export class CountingBatches implements BatchSource {
  readonly B: number;
  readonly T: number;
  used = 0;
  resets = 0;
  readonly #modulus: number;

  constructor(B: number, T: number, modulus = 23) {
    this.B = B;
    this.T = T;
    this.#modulus = modulus;
  }

  async next() {
    const tokens = Int32Array.from({ length: this.B * this.T + 1 }, (_, i) => (this.used + i) % this.#modulus);
    this.used += this.B * this.T;
    return { inputs: tokens.slice(0, -1), targets: tokens.slice(1) };
  }

  reset(): void {
    this.used = 0;
    this.resets++;
  }
}
