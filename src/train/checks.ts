import { UsageError } from "../errors.ts";
import type { GPT2Config } from "../model/config.ts";
import type { BatchSource, RunOptions, TrainerOptions } from "./options.ts";
import type { ScheduleOptions } from "./schedule.ts";
import { expectation, fits, type Rule, ruleOf, settingRules, whole } from "./setting-rules.ts";
import type { RunChoices } from "./settings.ts";

/** The options of a run that count something. */
const counts = [
  "steps",
  "valEvery",
  "valBatches",
  "sampleEvery",
  "sampleTokens",
  "checkpointEvery",
  "earlyStop",
] as const;

const trainerRules: Readonly<Record<keyof TrainerOptions, Rule>> = {
  learningRate: settingRules.lr,
  beta1: settingRules.beta1,
  beta2: settingRules.beta2,
  eps: settingRules.eps,
  weightDecay: settingRules.weightDecay,
  gradClip: settingRules.gradClip,
  accumulate: whole(1),
  skipLossZ: settingRules.skipLossZ,
  skipNormZ: settingRules.skipNormZ,
  onNotFinite: settingRules.onNan,
  schedule: settingRules.schedule,
  warmupSteps: settingRules.warmup,
  finalFraction: settingRules.finalLrFraction,
};

function check(name: string, value: unknown, rule: Rule): void {
  if (!fits(rule, value)) throw new UsageError(`${name} is ${value}, expected ${expectation(rule)}.`);
}

/** UsageError when what was chosen of a run is out of its range: before anything is made of it. */
export function checkSettings(choices: RunChoices): void {
  for (const [name, value] of Object.entries(choices)) {
    const rule = ruleOf(name);
    if (rule && value !== undefined) check(name, value, rule);
  }
}

/** UsageError when an option of a trainer is out of its range. */
export function checkTrainerOptions(options: Required<TrainerOptions>): void {
  const values: Readonly<Record<string, unknown>> = { ...options };
  for (const [name, rule] of Object.entries(trainerRules)) check(name, values[name], rule);
}

/** UsageError when a run's options are out of their ranges, or its batches too long for the model. */
export function checkRun(config: GPT2Config, loader: BatchSource, options: RunOptions): void {
  const { valLoader, earlyStop = 0, earlyStopDelta = 0 } = options;
  for (const name of counts) check(name, options[name] ?? 0, whole(0));
  check("finalValBatches", options.finalValBatches ?? 1, whole(1));
  check("earlyStopDelta", earlyStopDelta, settingRules.earlyStopDelta);
  if (earlyStop > 0 && (!valLoader || options.valEvery === 0 || options.valBatches === 0))
    throw new UsageError("Stopping early goes by the validation loss: it needs validation data, and valEvery above 0.");
  for (const { B, T } of valLoader ? [loader, valLoader] : [loader]) {
    check("B", B, whole(1));
    check("T", T, whole(1));
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
