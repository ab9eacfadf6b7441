import type { Batch } from "../data/batch.ts";
import type { LoaderPosition } from "../data/order.ts";
import type { OptionNames } from "../option-names.ts";
import type { TrainOption } from "./setting-rules.ts";
import { type TrainSettings, trainOptions } from "./settings.ts";

export const trainerOptionNames = [
  ...([
    "learningRate",
    "schedule",
    "warmupSteps",
    "warmupShare",
    "finalFraction",
    "weightDecay",
    "beta1",
    "beta2",
    "eps",
  ] as const),
  ...(["gradClip", "accumulate", "skipLossZ", "skipNormZ", "onNotFinite", "precision", "optimizer"] as const),
  ...(["zeroStage", "gradDtype"] as const),
  ...(["loraRank", "loraAlpha", "loraTargets", "seed"] as const),
];

export const runOptionNames = [
  ...([
    "steps",
    "minutes",
    "overfit",
    "valEvery",
    "valBatches",
    "finalValBatches",
    "earlyStop",
    "earlyStopDelta",
  ] as const),
  ...(["sampleEvery", "sampleTokens", "sampleSeed", "checkpointEvery"] as const),
];

/** Options of the parameters' update. The defaults are those of llm.c's CPU program, which `llm-ts train --help` shows. */
export interface TrainerOptions extends Partial<Pick<TrainSettings, (typeof trainerOptionNames)[number]>> {}

/** A source of batches; `TokenLoader` is one. */
export interface BatchSource {
  readonly B: number;
  readonly T: number;
  /** Row b of `targets` (B,T) is row b of `inputs` (B,T) one token later. A batch is kept while others are fetched. */
  next(): Promise<Batch>;
  /** Starts over from the first batch. */
  reset(): void | Promise<void>;
  /** Position before the batch that `next` returns next, and the return to it: for `Trainer.state`. */
  position?(): LoaderPosition;
  seek?(position: LoaderPosition): void | Promise<void>;
}

type RunSettings = Pick<TrainSettings, (typeof runOptionNames)[number]>;

/** Options of one call of `Trainer.run`: validation, samples, checkpoints. The defaults are llm.c's as well. */
export interface RunOptions extends Partial<RunSettings> {
  /**
   * Updates to make in this call. The schedule ends with the last of them: after `restore`, a run that was planned with
   * N updates continues with N - trainer.step.
   */
  readonly steps: number;
  /** Validation data, read from its start each time. Without it there is no validation. */
  readonly valLoader?: BatchSource;
  /** A text for every sample to continue; default: an end-of-text token. Needs the model's tokenizer. */
  readonly samplePrompt?: string;
  /**
   * Saves the model after `step` updates and says where: after the last update, and on interruption. What
   * `Trainer.state` and `Trainer.moments` then give belongs to it. Without a path, nothing was saved, and the run goes
   * on. In a group all members have it, and rank 0 calls it.
   */
  readonly checkpoint?: (step: number) => Promise<string | undefined>;
  /** Ends the run after the step under way: `done` comes with `interrupted: true`. */
  readonly signal?: AbortSignal;
}

/** The same with every default filled in. */
export type CompleteRunOptions = RunOptions & RunSettings;

/** Names of settings, with those that they had in version 0.1. */
function namesOf<K extends keyof TrainSettings>(names: readonly K[]): OptionNames<Pick<TrainSettings, K>> {
  const named = names.map((name) => [name, (trainOptions[name] as TrainOption).formerly ?? true]);
  return Object.fromEntries(named) as OptionNames<Pick<TrainSettings, K>>;
}

export const trainerOptions: OptionNames<TrainerOptions> = namesOf(trainerOptionNames);

export const runOptions: OptionNames<RunOptions> = {
  ...namesOf(runOptionNames),
  valLoader: true,
  samplePrompt: true,
  checkpoint: true,
  signal: true,
};
