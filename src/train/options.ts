import type { Batch } from "../data/loader.ts";
import type { ScheduleOptions } from "./schedule.ts";

/** How parameters are updated. The defaults are those of llm.c's CPU program. */
export interface TrainerOptions extends ScheduleOptions {
  /** Peak learning rate; default 1e-4. */
  readonly learningRate?: number;
  /** AdamW's decay of its running means; defaults 0.9 and 0.999. */
  readonly beta1?: number;
  readonly beta2?: number;
  /** Default 1e-8. */
  readonly eps?: number;
  /** Decoupled weight decay on embeddings and matrices; default 0. */
  readonly weightDecay?: number;
  /** Largest norm of all gradients together; larger ones are scaled down to it. 0, the default, never clips. */
  readonly gradClip?: number;
}

/** Where batches come from; `TokenLoader` is one. */
export interface BatchSource {
  readonly B: number;
  readonly T: number;
  /** Row b of `targets` (B,T) is row b of `inputs` (B,T) one token later. Both are used up before the next call. */
  next(): Promise<Batch>;
  /** Starts over from the first batch. */
  reset(): void | Promise<void>;
}

/** What one call of `Trainer.run` does besides updating. */
export interface RunOptions {
  /** Updates to make. */
  readonly steps: number;
  /** Validation data, read from its start each time. Without it there is no validation. */
  readonly valLoader?: BatchSource;
  /** Validate every so many updates, before the first and after the last; default 10, 0: never. */
  readonly valEvery?: number;
  /** Batches of one validation; default 10. */
  readonly valBatches?: number;
  /** Batches of the last validation, whose result is kept; default: as `valBatches`. */
  readonly finalValBatches?: number;
  /** Write a sample every so many updates, but not before the first; default 20, 0: never. */
  readonly sampleEvery?: number;
  /** Tokens of a sample. As in llm.c, the end-of-text token that starts it counts; a `samplePrompt` does not. */
  readonly sampleTokens?: number;
  /** Seed of the samples' random numbers, which go on from sample to sample; default 1337, as in llm.c. */
  readonly sampleSeed?: number;
  /** A text for every sample to continue; default: an end-of-text token. Needs the model's tokenizer. */
  readonly samplePrompt?: string;
  /** Saves the model after `step` updates and says where: after the last update, and on interruption. */
  readonly checkpoint?: (step: number) => Promise<string>;
  /** Call `checkpoint` also every so many updates; default 0: only at the end. */
  readonly checkpointEvery?: number;
  /** Ends the run after the step under way: `done` comes with `interrupted: true`. */
  readonly signal?: AbortSignal;
}
