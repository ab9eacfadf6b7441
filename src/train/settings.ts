/** What a run is told, with the defaults that the command and the page have in common. */
import type { DataOrder } from "../data/order.ts";
import { UsageError } from "../errors.ts";
import type { HeaderlessType } from "../format/headerless.ts";
import type { ScheduleName } from "./schedule.ts";

/** What a run does, every option filled in. */
export interface TrainSettings {
  readonly batch: number;
  readonly block: number;
  /** Tokens of an update; 0: those of one batch. */
  readonly totalBatch: number;
  /** Updates; -1: one epoch. */
  readonly steps: number;
  readonly overfit: boolean;
  readonly lr: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
  readonly gradClip: number;
  readonly skipLossZ: number;
  readonly skipNormZ: number;
  readonly onNan: "stop" | "skip";
  readonly schedule: ScheduleName;
  readonly warmup: number;
  readonly finalLrFraction: number;
  readonly valEvery: number;
  readonly valBatches: number;
  readonly finalValBatches: number;
  readonly earlyStop: number;
  readonly earlyStopDelta: number;
  readonly sampleEvery: number;
  readonly sampleTokens: number;
  readonly checkpointEvery: number;
  /** The newest checkpoints that are kept, 0: all; and of which updates for ever, 0: none. */
  readonly keep: number;
  readonly keepEvery: number;
  readonly order: DataOrder;
}

/** What was chosen of a run; what is absent gets its default. */
export interface RunChoices extends Partial<TrainSettings>, Partial<Seeds> {
  /** A preset, `custom`, the name of a pretrained model, or the path of a model file. */
  readonly model?: string;
  /** Of `custom`, or of `baby` made larger. */
  readonly layers?: number;
  readonly heads?: number;
  readonly channels?: number;
  readonly context?: number;
  readonly vocab?: number;
  /** Token files, or a folder that `prepare` wrote. */
  readonly train?: string;
  readonly val?: string;
  /** Token files without a header: the type of their tokens; true: int32. */
  readonly headerless?: boolean | HeaderlessType;
}

/**
 * What llm.c's CPU program did when it came out in April 2024. Weeks later it validated on 5 batches, and since June 2024 it
 * shuffles.
 */
const llmcDefaults: TrainSettings = {
  batch: 4,
  block: 64,
  totalBatch: 0,
  steps: 41,
  overfit: false,
  lr: 1e-4,
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  weightDecay: 0,
  gradClip: 0,
  skipLossZ: 0,
  skipNormZ: 0,
  onNan: "stop",
  schedule: "constant",
  warmup: 0,
  finalLrFraction: 0,
  valEvery: 10,
  valBatches: 10,
  finalValBatches: 10,
  earlyStop: 0,
  earlyStopDelta: 0,
  sampleEvery: 20,
  sampleTokens: 64,
  checkpointEvery: 0,
  keep: 2,
  keepEvery: 0,
  order: "file",
};

/** What nanoGPT does with characters on a CPU. A shorter run warms up, validates and writes proportionally. */
function babyDefaults(steps = 2000): Partial<TrainSettings> {
  const share = (n: number) => (steps < 1 ? n : Math.max(1, Math.min(n, Math.round((n * steps) / 2000))));
  return {
    batch: 12,
    steps,
    lr: 1e-3,
    beta2: 0.99,
    weightDecay: 0.1,
    gradClip: 1,
    schedule: "cosine",
    warmup: share(100),
    finalLrFraction: 0.1,
    valEvery: share(250),
    valBatches: 20,
    finalValBatches: 200,
    sampleEvery: share(250),
    sampleTokens: 128,
    order: "random",
  };
}

export interface Seeds {
  readonly seed: number;
  readonly dataSeed: number;
  readonly sampleSeed: number;
}

/** llm.c's seeds, unless others were given: --seed sets all three. */
export function seedsOf({ seed, dataSeed, sampleSeed }: Partial<Seeds>): Seeds {
  return { seed: seed ?? 42, dataSeed: dataSeed ?? seed ?? 42, sampleSeed: sampleSeed ?? seed ?? 1337 };
}

/** Fills in what was not given: llm.c's defaults, for `baby` nanoGPT's. UsageError for a block longer than `maxT`. */
export function settingsOf(choices: RunChoices, maxT: number): TrainSettings {
  const { model, steps, block, valBatches } = choices;
  if (block !== undefined && block > maxT)
    throw new UsageError(
      `A block of ${block} tokens (-t) is longer than the model's ${maxT} positions. Choose ${maxT} or less.`,
    );
  const given = Object.fromEntries(
    Object.entries(choices).filter(([name, value]) => name in llmcDefaults && value !== undefined),
  );
  const settings: TrainSettings = {
    ...llmcDefaults,
    ...(model === "baby" && babyDefaults(steps)),
    ...(valBatches !== undefined && { finalValBatches: valBatches }),
    ...given,
  };
  return { ...settings, block: block ?? Math.min(settings.block, maxT) };
}
