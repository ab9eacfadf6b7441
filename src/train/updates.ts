import { UsageError } from "../errors.ts";
import { batchesIn, checkWarmup } from "./checks.ts";
import type { Loaders } from "./loaders.ts";
import type { RunOptions, TrainerOptions } from "./options.ts";
import type { RunChoices, Seeds, TrainSettings } from "./settings.ts";

/** What depends on the data's length and on each other: a run's updates. */
export interface Updates {
  /** Batches of one. */
  readonly accumulate: number;
  readonly steps: number;
  readonly warmup: number;
}

/** UsageError when the options that count batches and updates do not fit together. */
export function planUpdates({ warmup }: RunChoices, settings: TrainSettings, { train, val }: Loaders): Updates {
  const { batch: B, block: T, totalBatch, schedule, earlyStop } = settings;
  const accumulate = totalBatch === 0 ? 1 : batchesIn(totalBatch, B, T);
  const inEpoch = Math.floor(train.batchesPerEpoch / accumulate);
  if (settings.steps < 0 && inEpoch === 0)
    throw new UsageError(
      `One pass over the data is ${train.batchesPerEpoch} batches of ${B} * ${T} tokens, and an update takes ` +
        `${accumulate}. Choose a smaller --total-batch, or a number of updates (-x).`,
    );
  const steps = settings.steps < 0 ? inEpoch : settings.steps;
  if (warmup !== undefined) checkWarmup({ schedule, warmupSteps: warmup }, steps);
  if (earlyStop > 0 && !val)
    throw new UsageError("--early-stop goes by the validation loss: it needs --val data, and --val-every above 0.");
  return { accumulate, steps, warmup: Math.min(settings.warmup, steps) };
}

/** How the trainer makes them. */
export function trainerOptions(settings: TrainSettings, { accumulate, warmup }: Updates): TrainerOptions {
  return {
    learningRate: settings.lr,
    beta1: settings.beta1,
    beta2: settings.beta2,
    eps: settings.eps,
    weightDecay: settings.weightDecay,
    gradClip: settings.gradClip,
    accumulate,
    skipLossZ: settings.skipLossZ,
    skipNormZ: settings.skipNormZ,
    onNotFinite: settings.onNan,
    schedule: settings.schedule,
    warmupSteps: warmup,
    finalFraction: settings.finalLrFraction,
  };
}

/** What a run does between them. It goes on where a trainer that made `step` updates stands. */
export function runOptions(
  settings: TrainSettings,
  { steps }: Updates,
  { sampleSeed }: Seeds,
  { val: valLoader }: Loaders,
  step: number,
): RunOptions {
  const { overfit, valEvery, valBatches, finalValBatches, earlyStop, earlyStopDelta } = settings;
  const { sampleEvery, sampleTokens, checkpointEvery } = settings;
  return {
    steps: Math.max(0, steps - step),
    overfit,
    valLoader,
    valEvery,
    valBatches,
    finalValBatches,
    earlyStop,
    earlyStopDelta,
    sampleEvery,
    sampleTokens,
    sampleSeed,
    checkpointEvery,
  };
}
