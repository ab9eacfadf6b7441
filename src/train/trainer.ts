import type { GPT2 } from "../api/gpt2.ts";
import type { TrainEvent } from "./events.ts";
import type { BatchSource, RunOptions, TrainerOptions } from "./options.ts";

/** Trains a model with AdamW. */
export class Trainer {
  readonly model: GPT2;
  readonly options: TrainerOptions;
  /** Updates made so far. */
  step = 0;

  constructor(model: GPT2, options: TrainerOptions = {}) {
    this.model = model;
    this.options = options;
  }

  run(_loader: BatchSource, _options: RunOptions): AsyncGenerator<TrainEvent, void, undefined> {
    throw new Error("not written yet");
  }

  /** Gives the gradients' and AdamW's memory back. */
  async dispose(): Promise<void> {}
}
