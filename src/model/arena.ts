import type { Backend } from "../backend/backend.ts";
import type { GPT2Config } from "./config.ts";
import { TensorScope } from "./tensor-scope.ts";
import { allocLossWorkspace, type LossWorkspace, reshapedLoss } from "./workspace.ts";

/**
 * Memory for forward passes over batches of changing shape, up to `tokens` tokens each: rows that differ in length need
 * no workspace each, and short ones no padding to the longest of all.
 */
export class Arena {
  readonly tokens: number;
  readonly #scope: TensorScope;
  readonly #whole: LossWorkspace;

  constructor(backend: Backend, config: GPT2Config, tokens: number) {
    this.tokens = tokens;
    this.#scope = new TensorScope(backend);
    try {
      this.#whole = allocLossWorkspace(this.#scope, config, 1, tokens);
    } catch (error) {
      void this.#scope.free();
      throw error;
    }
  }

  /** A workspace of B sequences of T tokens; the one given before may not be used any more. */
  workspace(B: number, T: number): LossWorkspace {
    return reshapedLoss(this.#whole, B, T);
  }

  async free(): Promise<void> {
    await this.#scope.free();
  }
}
