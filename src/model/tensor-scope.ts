import type { Backend, BackendLimits, DType, Tensor, Usage } from "../backend/backend.ts";
import type { Allocator } from "./workspace.ts";

/**
 * Allocates from a backend and gives all of it back at once, whatever happens: also when only a part could be had.
 *
 *     const scope = new TensorScope(backend);
 *     try {
 *       const ws = allocLossWorkspace(scope, config, B, T);
 *     } finally {
 *       await scope.free();
 *     }
 */
export class TensorScope implements Allocator {
  readonly #backend: Backend;
  readonly #tensors: Tensor[] = [];

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  get limits(): BackendLimits {
    return this.#backend.limits;
  }

  alloc(shape: readonly number[], dtype?: DType, usage?: Usage): Tensor {
    const tensor = this.#backend.alloc(shape, dtype, usage);
    this.#tensors.push(tensor);
    return tensor;
  }

  attentionSavedSize(shape: Parameters<Backend["attentionSavedSize"]>[0]): number {
    return this.#backend.attentionSavedSize(shape);
  }

  headScratchSize(N: number, Vp: number): number {
    return this.#backend.headScratchSize(N, Vp);
  }

  /** Gives back what was allocated since the last call. Does nothing where nothing was, or the backend is gone. */
  async free(): Promise<void> {
    const freed = this.#tensors.splice(0).map((tensor) => this.#backend.free(tensor));
    const failed = (await Promise.allSettled(freed)).find((result) => result.status === "rejected");
    if (failed) throw failed.reason;
  }
}

/** Runs `use` on what `allocate` takes, and gives it back. */
export async function withTensors<W, R>(
  backend: Backend,
  allocate: (at: Allocator) => W,
  use: (tensors: W) => Promise<R>,
): Promise<R> {
  const scope = new TensorScope(backend);
  try {
    return await use(allocate(scope));
  } finally {
    await scope.free();
  }
}
