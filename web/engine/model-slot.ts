import { MemoryError } from "../../src/errors.ts";
import type { LoadedModel } from "./loaded-model.ts";

/** Holds the one model that is there. */
export class ModelSlot {
  #loaded: LoadedModel | undefined;

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

  /** Forgets a model whose backend is gone. */
  forget(): void {
    this.#loaded = undefined;
  }

  async #dispose(): Promise<void> {
    const loaded = this.#loaded;
    this.#loaded = undefined;
    await loaded?.model.dispose();
  }
}
