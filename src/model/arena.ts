import { type Backend, type Tensor, view } from "../backend/backend.ts";
import type { GPT2Config } from "./config.ts";
import { memoryNeeded } from "./memory.ts";
import { allocLossWorkspace, type LossWorkspace } from "./workspace.ts";

/** Tensors begin on a cache line: 16 elements of 4 bytes. */
const alignment = 16;
/** More than the tensors of a workspace whose layers share theirs. */
const mostTensors = 64;

/**
 * Memory for forward passes over batches of changing shape, up to `tokens` tokens each: rows that differ in length need
 * no workspace each, and short ones no padding to the longest of all.
 */
export class Arena {
  readonly tokens: number;
  readonly #backend: Backend;
  readonly #config: GPT2Config;
  readonly #memory: Tensor;

  constructor(backend: Backend, config: GPT2Config, tokens: number) {
    const bytes = memoryNeeded(backend, config, { evaluate: { B: 1, T: tokens } }) - memoryNeeded(backend, config, {});
    this.tokens = tokens;
    this.#backend = backend;
    this.#config = config;
    this.#memory = backend.alloc([bytes / 4 + mostTensors * alignment]);
  }

  /** A workspace of B sequences of T tokens; the one given before may not be used any more. */
  workspace(B: number, T: number): LossWorkspace {
    const backend = this.#backend;
    let used = 0;
    const alloc: Backend["alloc"] = (shape, dtype = "f32") => {
      const tensor = view(this.#memory, used, shape);
      used += Math.ceil(tensor.size / alignment) * alignment;
      return { ...tensor, dtype };
    };
    return allocLossWorkspace(
      {
        alloc,
        attentionSavedSize: (attention) => backend.attentionSavedSize(attention),
        headScratchSize: (N, Vp) => backend.headScratchSize(N, Vp),
      },
      this.#config,
      B,
      T,
    );
  }

  async free(): Promise<void> {
    await this.#backend.free(this.#memory);
  }
}
