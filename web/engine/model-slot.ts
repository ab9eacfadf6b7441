import { MemoryError, UsageError } from "../../src/errors.ts";
import type { LoadedModel } from "./loaded-model.ts";

/** Holds the one model that is there. */
export class ModelSlot {
  #loaded: LoadedModel | undefined;
  /** What is being done with it, and what asks that to end. */
  readonly #uses = new Set<Promise<unknown>>();
  #leaving = new AbortController();

  get loaded(): LoadedModel | undefined {
    return this.#loaded;
  }

  /**
   * Puts another model in its place. It is loaded beside the one that is there, which stays where that fails; only where
   * both do not fit into memory it has to go first.
   */
  async replace(load: () => Promise<LoadedModel>): Promise<LoadedModel> {
    const next = await load().catch(async (error: unknown) => {
      if (!(error instanceof MemoryError) || !this.#loaded) throw error;
      await this.#dispose();
      return load();
    });
    await this.#dispose();
    this.#loaded = next;
    return next;
  }

  /**
   * Does something with the model, which stays until that has ended; `signal` asks it to end soon, since the model has to
   * go. UsageError when there is none.
   */
  async use<T>(task: (loaded: LoadedModel, signal: AbortSignal) => Promise<T>): Promise<T> {
    const loaded = this.#loaded;
    if (!loaded) throw new UsageError("There is no model yet. Train one, or open one.");
    const result = task(loaded, this.#leaving.signal);
    this.#uses.add(result);
    try {
      return await result;
    } finally {
      this.#uses.delete(result);
    }
  }

  /** Forgets a model whose backend is gone. */
  forget(): void {
    this.#loaded = undefined;
  }

  async #dispose(): Promise<void> {
    const loaded = this.#loaded;
    this.#loaded = undefined;
    this.#leaving.abort();
    this.#leaving = new AbortController();
    await Promise.allSettled(this.#uses);
    await loaded?.model.dispose();
  }
}
