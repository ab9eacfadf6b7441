import type { Batch } from "../data/loader.ts";
import { InputError, UsageError } from "../errors.ts";
import type { GPT2Config } from "../model/config.ts";
import type { BatchSource, RunOptions, TrainerOptions } from "./options.ts";
import { type ScheduleOptions, scheduleNames } from "./schedule.ts";

function require(okay: boolean, name: string, value: unknown, expected: string): void {
  if (!okay) throw new UsageError(`${name} is ${value}, expected ${expected}.`);
}

/** The options of a run that count something. */
const counts = [
  "steps",
  "valEvery",
  "valBatches",
  "finalValBatches",
  "sampleEvery",
  "sampleTokens",
  "checkpointEvery",
  "earlyStop",
] as const;

const isCount = (value: number) => Number.isSafeInteger(value) && value >= 0;

/** UsageError when an option of a trainer is out of its range. */
export function checkTrainerOptions(options: Required<TrainerOptions>): void {
  const { learningRate, beta1, beta2, eps, weightDecay, gradClip, skipLossZ, skipNormZ } = options;
  const { schedule, warmupSteps, finalFraction, accumulate, onNotFinite } = options;
  const positive = (name: string, value: number) =>
    require(value >= 0 && value < Infinity, name, value, "a number, 0 or more");
  positive("learningRate", learningRate);
  positive("eps", eps);
  positive("weightDecay", weightDecay);
  positive("gradClip", gradClip);
  positive("skipLossZ", skipLossZ);
  positive("skipNormZ", skipNormZ);
  require(beta1 >= 0 && beta1 < 1, "beta1", beta1, "a number from 0 to below 1");
  require(beta2 >= 0 && beta2 < 1, "beta2", beta2, "a number from 0 to below 1");
  require(isCount(accumulate) && accumulate > 0, "accumulate", accumulate, "a whole number, 1 or more");
  require(["stop", "skip"].includes(onNotFinite), "onNotFinite", onNotFinite, "stop or skip");
  require(scheduleNames.includes(schedule), "schedule", schedule, `one of ${scheduleNames.join(", ")}`);
  require(isCount(warmupSteps), "warmupSteps", warmupSteps, "a whole number, 0 or more");
  require(finalFraction >= 0 && finalFraction <= 1, "finalFraction", finalFraction, "a number from 0 to 1");
}

/** UsageError when a run's options are out of their ranges, or its batches too long for the model. */
export function checkRun(config: GPT2Config, loader: BatchSource, options: RunOptions): void {
  const { valLoader, earlyStop = 0, earlyStopDelta = 0 } = options;
  for (const name of counts) require(isCount(options[name] ?? 0), name, options[name], "a whole number, 0 or more");
  require(earlyStopDelta >= 0 && earlyStopDelta < Infinity, "earlyStopDelta", earlyStopDelta, "a number, 0 or more");
  if (earlyStop > 0 && (!valLoader || options.valEvery === 0 || options.valBatches === 0))
    throw new UsageError("Stopping early goes by the validation loss: it needs validation data, and valEvery above 0.");
  for (const { B, T } of valLoader ? [loader, valLoader] : [loader]) {
    require(isCount(B) && B > 0, "B", B, "a whole number, 1 or more");
    require(isCount(T) && T > 0, "T", T, "a whole number, 1 or more");
    if (T > config.maxT)
      throw new UsageError(
        `The block is T = ${T} tokens long, and this model has only ${config.maxT} positions. Choose T = ${config.maxT} ` +
          "or less.",
      );
  }
}

/** UsageError when the learning rate would never reach its peak in a run of `steps` updates. */
export function checkWarmup({ schedule = "constant", warmupSteps = 0 }: ScheduleOptions, steps: number): void {
  if (schedule === "constant" || warmupSteps <= steps || steps === 0) return;
  throw new UsageError(
    `The warm-up is ${warmupSteps} updates long, and the run only ${steps}: the learning rate would never reach its ` +
      `peak. Choose a warm-up of ${steps} or less, or more updates.`,
  );
}

/** How many batches of B*T tokens make up `totalBatch` tokens. UsageError when that is no whole number. */
export function batchesIn(totalBatch: number, B: number, T: number): number {
  const tokens = B * T;
  if (totalBatch > 0 && totalBatch % tokens === 0) return totalBatch / tokens;
  const below = Math.floor(totalBatch / tokens) * tokens;
  const fitting = below > 0 ? `${below} or ${below + tokens}` : `${tokens}`;
  throw new UsageError(
    `A total batch of ${totalBatch} tokens cannot be made of batches of B * T = ${B} * ${T} = ${tokens}. The nearest ` +
      `that can: ${fitting}.`,
  );
}

/** InputError when a token of the batch is not in the model's vocabulary. */
export function checkTokens({ inputs, targets }: Batch, V: number): void {
  for (const tokens of [inputs, targets])
    for (const token of tokens)
      if (token < 0 || token >= V)
        throw new InputError(
          `The data holds token ${token >>> 0}, and the model's vocabulary ends at ${V - 1} (V = ${V}). Prepare the data ` +
            "with the tokenizer that belongs to the model, or choose a model that fits the data.",
        );
}
