import type { Batch } from "../data/batch.ts";
import type { LoaderPosition } from "../data/order.ts";
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
  /** Batches whose mean gradient makes one update; default 1. As one large batch, but for rounding. */
  readonly accumulate?: number;
  /**
   * Make no update when the loss lies more than so many standard deviations above the mean of the last 128 losses, or
   * the gradients' norm above that of the last 128 norms, as llm.c's -sl and -sg. 0, the default, makes every update.
   */
  readonly skipLossZ?: number;
  readonly skipNormZ?: number;
  /**
   * When a loss or gradient is not finite: `stop` (the default) throws NotFiniteError; `skip` makes no update, unless it
   * is a weight that is not finite, or it was so in 10 steps in a row.
   */
  readonly onNotFinite?: "stop" | "skip";
}

/** Where batches come from; `TokenLoader` is one. */
export interface BatchSource {
  readonly B: number;
  readonly T: number;
  /** Row b of `targets` (B,T) is row b of `inputs` (B,T) one token later. A batch is kept while others are fetched. */
  next(): Promise<Batch>;
  /** Starts over from the first batch. */
  reset(): void | Promise<void>;
  /** Where the source stands, before the batch that `next` gives next, and back there: for `Trainer.state`. */
  position?(): LoaderPosition;
  seek?(position: LoaderPosition): void | Promise<void>;
}

/** What one call of `Trainer.run` does besides updating. */
export interface RunOptions {
  /**
   * Updates to make in this call. The schedule ends with the last of them: after `restore`, a run that was planned with
   * N updates goes on with N - trainer.step.
   */
  readonly steps: number;
  /** Make every update on the first batch, or on the first `accumulate` batches: can the model learn it by heart? */
  readonly overfit?: boolean;
  /** Validation data, read from its start each time. Without it there is no validation. */
  readonly valLoader?: BatchSource;
  /** Validate every so many updates, before the first and after the last; default 10, 0: never. */
  readonly valEvery?: number;
  /** Batches of one validation; default 10. */
  readonly valBatches?: number;
  /** Batches of the last validation, whose result is kept; default: as `valBatches`. */
  readonly finalValBatches?: number;
  /** Stop when so many validations in a row were no better than the best before them; default 0: never. */
  readonly earlyStop?: number;
  /** By how much a validation loss must fall below the best to be better; default 0. */
  readonly earlyStopDelta?: number;
  /** Write a sample every so many updates, but not before the first; default 20, 0: never. */
  readonly sampleEvery?: number;
  /** Tokens of a sample. As in llm.c, the end-of-text token that starts it counts; a `samplePrompt` does not. */
  readonly sampleTokens?: number;
  /**
   * Seed of the samples' random numbers, which go on from sample to sample and run to run; default 1337, with which they are
   * llm.c's.
   */
  readonly sampleSeed?: number;
  /** A text for every sample to continue; default: an end-of-text token. Needs the model's tokenizer. */
  readonly samplePrompt?: string;
  /**
   * Saves the model after `step` updates and says where: after the last update, and on interruption. What
   * `Trainer.state` and `Trainer.moments` then give belongs to it. Without a path, nothing was saved, and the run goes
   * on.
   */
  readonly checkpoint?: (step: number) => Promise<string | undefined>;
  /** Call `checkpoint` also every so many updates; default 0: only at the end. */
  readonly checkpointEvery?: number;
  /** Ends the run after the step under way: `done` comes with `interrupted: true`. */
  readonly signal?: AbortSignal;
}
