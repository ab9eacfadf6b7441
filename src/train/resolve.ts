/** Resolves the options chosen for a run to its settings, for command and page. */
import { UsageError } from "../errors.ts";
import { alone, type Rank } from "../group/group.ts";
import { batchesIn, checkOptimizer, checkWarmup, checkZeroStage } from "./checks.ts";
import { depthDefaults } from "./depth.ts";
import type { Loaders } from "./loaders.ts";
import { checkLora } from "./lora-options.ts";
import { type RunOptions, runOptionNames } from "./options.ts";
import type { TrainOption } from "./setting-rules.ts";
import {
  complete,
  type RunChoices,
  settingNames,
  type TrainSettings,
  trainOptions,
  unlimitedSteps,
} from "./settings.ts";

/** Settings that follow another one where they are not chosen themselves. */
export const derivedFrom = { dataSeed: "seed", sampleSeed: "seed", finalValBatches: "valBatches" } as const;

/**
 * The settings of a run whose model has `maxT` positions, before the data is known: `steps` may be -1. `totalBatch` counts
 * the tokens of all processes of a group, `batch` the rows of one.
 * UsageError for a block that is longer, for a total batch that batches do not make up, and for moments that one process is to
 * share.
 */
export function settingsOf(choices: RunChoices, maxT: number, group: Rank = alone): TrainSettings {
  const { block } = choices;
  if (block !== undefined && block > maxT)
    throw new UsageError(
      `A block of ${block} tokens (-t) is longer than the model's ${maxT} positions. Choose ${maxT} or less.`,
    );
  const found = resolved(choices, group.size);
  const settings = { ...found, block: Math.min(found.block, maxT) };
  checkLora(settings);
  checkOptimizer(settings);
  checkZeroStage(settings, group);
  return { ...settings, accumulate: batchesIn(settings.totalBatch, settings.batch, settings.block, group.size) };
}

/** Each setting as it is chosen, derived or a default, whether they fit together or not; `accumulate` is not yet known. */
export function resolved(choices: RunChoices, processes: number): TrainSettings {
  const derived = Object.fromEntries(Object.entries(derivedFrom).map(([name, from]) => [name, choices[from]]));
  const defaults = defaultsOf(choices, processes);
  return complete(settingNames, choices, derived, inTime(choices, defaults), ...defaults);
}

/** Of a run with a time budget: its updates have no limit, and the warm-up of its defaults is the same share of the time. */
function inTime({ minutes = 0, warmupSteps }: RunChoices, defaults: readonly Partial<TrainSettings>[]) {
  if (minutes === 0) return {};
  const warmsUp = warmupSteps === undefined && defaults.length > 0;
  return { steps: unlimitedSteps, ...(warmsUp && { warmupSteps: 0, warmupShare: usualWarmup }) };
}

/** Of `baby`: 100 of 2000 updates. */
const usualWarmup = trainOptions.warmupSteps.baby / trainOptions.steps.baby;

/** Layers of defaults that the model brings, the first that count before the later ones. */
function defaultsOf(choices: RunChoices, processes: number): Partial<TrainSettings>[] {
  const { depth, model, steps } = choices;
  if (depth !== undefined) return [depthDefaults(depth, choices, processes), babyDefaults()];
  return model === "baby" ? [babyDefaults(steps)] : [];
}

/** The defaults of `baby`. A shorter run warms up, validates and writes samples proportionally. */
export function babyDefaults(steps: number = trainOptions.steps.baby): Partial<TrainSettings> {
  const whole = trainOptions.steps.baby;
  const made = steps < 1 ? whole : Math.min(steps, whole);
  const value = ({ baby, scales }: TrainOption) =>
    scales && typeof baby === "number" ? Math.max(1, Math.round((baby * made) / whole)) : baby;
  return Object.fromEntries(Object.entries(trainOptions).map(([name, option]) => [name, value(option)]));
}

/** Settings with the updates that the data has. UsageError when options that count batches and updates do not fit together. */
export function planUpdates(
  { warmupSteps }: RunChoices,
  settings: TrainSettings,
  { train, val }: Loaders,
): TrainSettings {
  const { batch: B, block: T, accumulate, schedule, earlyStop } = settings;
  const inEpoch = Math.floor(train.batchesPerEpoch / accumulate);
  if (settings.steps < 0 && inEpoch === 0)
    throw new UsageError(
      `One pass over the data is ${train.batchesPerEpoch} batches of ${B} * ${T} tokens, and an update takes ` +
        `${accumulate}. Choose a smaller --total-batch, or a number of updates (-x).`,
    );
  const steps = settings.steps < 0 ? inEpoch : settings.steps;
  if (warmupSteps !== undefined) checkWarmup({ schedule, warmupSteps }, steps);
  if (earlyStop > 0 && !val)
    throw new UsageError("--early-stop goes by the validation loss: it needs --val data, and --val-every above 0.");
  return { ...settings, steps, warmupSteps: Math.min(settings.warmupSteps, steps) };
}

/** Options for `Trainer.run` that continue where a trainer that made `step` updates stands. */
export function remainingOptions(settings: TrainSettings, { val: valLoader }: Loaders, step: number): RunOptions {
  return { ...complete(runOptionNames, settings), steps: Math.max(0, settings.steps - step), valLoader };
}
