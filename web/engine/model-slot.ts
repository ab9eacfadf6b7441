import type { GPT2 } from "../../src/api/gpt2.ts";
import type { Backend } from "../../src/backend/backend.ts";
import { MemoryError, UsageError } from "../../src/errors.ts";
import { parameterCount } from "../../src/model/parameters.ts";
import type { ModelSummary } from "./protocol.ts";

/** The loaded model: of a run, or opened from storage or files. */
export interface LoadedModel {
  readonly model: GPT2;
  /** The preset, the run or the file. */
  readonly name: string;
}

export function summaryOf({ model: { config, tokenizer }, name }: LoadedModel, step?: number): ModelSummary {
  const characters = tokenizer?.kind === "char" ? tokenizer.decode(tokenizer.tokens().keys()) : undefined;
  const chats = tokenizer?.turnEnd !== undefined;
  return { name, config, parameters: parameterCount(config), tokenizer: tokenizer?.kind, chats, characters, step };
}

/** Holds the loaded model, of which there is one at most. */
export class ModelSlot {
  #loaded: LoadedModel | undefined;
  /** Tasks that use the model, and what aborts them. */
  readonly #uses = new Set<Promise<unknown>>();
  #leaving = new AbortController();

  get loaded(): LoadedModel | undefined {
    return this.#loaded;
  }

  /** The model; UsageError when there is none. */
  require(): LoadedModel {
    if (this.#loaded) return this.#loaded;
    throw new UsageError("There is no model yet. Train one, or open one.");
  }

  /**
   * Replaces the model. The new one is loaded first, so that the old one stays if that fails; only when memory is too small
   * for both is the old one freed before.
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

  /** Moves the model to another backend, where it is not there already. */
  async moveTo(backend: Backend): Promise<void> {
    const loaded = this.#loaded;
    if (!loaded || loaded.model.backend === backend) return;
    const model = await loaded.model.copyTo(backend);
    await this.#dispose();
    this.#loaded = { ...loaded, model };
  }

  /**
   * Runs a task on the model, which is not freed before the task ends; `signal` aborts it when the model is to be replaced.
   * UsageError when there is none.
   */
  async use<T>(task: (loaded: LoadedModel, signal: AbortSignal) => Promise<T>): Promise<T> {
    const loaded = this.require();
    const result = task(loaded, this.#leaving.signal);
    this.#uses.add(result);
    try {
      return await result;
    } finally {
      this.#uses.delete(result);
    }
  }

  /** Drops a model whose backend has failed. */
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
