import { requireSignal } from "../api/generation.ts";
import type { Backend, Precision } from "../backend/backend.ts";
import { backends } from "../backend/registry.ts";
import { shown, UsageError } from "../errors.ts";
import { isObject } from "../format/json.ts";
import type { Rank } from "../group/group.ts";
import type { GPT2Config } from "../model/config.ts";
import {
  type BatchSource,
  type CompleteRunOptions,
  runOptionNames,
  type TrainerOptions,
  trainerOptionNames,
} from "./options.ts";
import { expectation, fits, type Rule, whole } from "./setting-rules.ts";
import { optionNamed, type RunChoices, type TrainSettings, trainOptions } from "./settings.ts";

/** In the API a run may make no update, validate on nothing and write nothing. */
const runRules = {
  ...trainOptions,
  steps: { ...trainOptions.steps, min: 0 },
  valBatches: { ...trainOptions.valBatches, min: 0 },
  sampleTokens: { ...trainOptions.sampleTokens, min: 0 },
};

function check(name: string, value: unknown, rule: Rule): void {
  if (!fits(rule, value)) throw new UsageError(`${name} is ${shown(value)}, expected ${expectation(rule, value)}.`);
}

/** UsageError when what was chosen of a run is out of its range: before anything is made of it. */
export function checkSettings(choices: RunChoices): void {
  for (const [name, value] of Object.entries(choices)) {
    const option = optionNamed(name);
    if (option && value !== undefined) check(name, value, option);
  }
}

/** UsageError when an option of a trainer is out of its range. */
export function checkTrainerOptions(options: Required<TrainerOptions>): void {
  for (const name of trainerOptionNames) check(name, options[name], trainOptions[name]);
}

/** UsageError where Muon would need what it does not do: parts of moments, a copy of matrices in bf16. */
export function checkOptimizer({
  optimizer,
  ...settings
}: Pick<TrainSettings, "optimizer" | (typeof unlikeMuon)[number]>): void {
  if (optimizer === "adamw") return;
  for (const name of unlikeMuon)
    if (settings[name] !== trainOptions[name].default)
      throw new UsageError(
        "Muon (llm-ts train --optimizer muon) updates whole matrices in float32, without -z 1, --precision bf16 or --lora-rank. Here " +
          `${name} is ${settings[name]}: leave that out, or choose adamw.`,
      );
}

const unlikeMuon = ["zeroStage", "precision", "loraRank"] as const;

/** UsageError where one process is to share AdamW's moments out. */
export function checkZeroStage({ zeroStage = 0 }: Pick<RunChoices, "zeroStage">, { size }: Rank): void {
  if (zeroStage === 0 || size > 1) return;
  throw new UsageError(
    "With mpirun -np 2 llm-ts train --zero-stage 1 (-z 1) several processes share AdamW's moments out, and this is one. Start " +
      "several like that, or give -z 0.",
  );
}

/** UsageError for a precision that a backend lacks, or that a model's widths do not suit. */
export function checkPrecision(
  { name, precisions }: Pick<Backend, "name" | "precisions">,
  { C, NH, hidden }: GPT2Config,
  precision: Precision,
): void {
  if (precision === "fp32") return;
  if (!precisions.includes(precision)) {
    const others = backends.filter((other) => other.precisions.includes(precision)).map((other) => other.name);
    throw new UsageError(
      `The ${name} backend trains in ${precisions.join(", ")}, not in ${precision}. Leave --precision out, or choose a ` +
        `backend that has it: ${others.join(", ")}.`,
    );
  }
  if ((C / NH) % 8 === 0 && hidden % 8 === 0) return;
  throw new UsageError(
    `Precision ${precision} needs heads and a hidden layer of a multiple of 8 channels, and this model has heads of ` +
      `${C / NH} and a hidden layer of ${hidden}. Leave --precision out, or choose other --channels and --heads.`,
  );
}

/** UsageError when a run's options are out of their ranges, or its batches too long for the model. */
export function checkRun(config: GPT2Config, loader: BatchSource, options: CompleteRunOptions): void {
  if (loader === undefined)
    throw new UsageError("Trainer.run needs a loader: a source of batches, such as a TokenLoader.");
  requireSource("loader", loader, ["next"]);
  if (options.valLoader !== undefined) requireSource("valLoader", options.valLoader, ["next", "reset"]);
  if (options.valLoader === loader && options.steps > 0)
    throw new UsageError(
      "The loader is the valLoader as well. Each validation starts that over, so that the run would train on its first batches again " +
        "and again. Open a second one for the validation.",
    );
  const { valLoader, earlyStop, valEvery, valBatches, samplePrompt, checkpoint, signal } = options;
  if (samplePrompt !== undefined && typeof samplePrompt !== "string")
    throw new UsageError(`samplePrompt is ${shown(samplePrompt)}, expected a text.`);
  if (checkpoint !== undefined && typeof checkpoint !== "function")
    throw new UsageError(`checkpoint is ${shown(checkpoint)}, expected a function that saves the model.`);
  requireSignal(signal);
  // Samplers check their seed themselves: the API's may be any whole number.
  for (const name of runOptionNames) if (name !== "sampleSeed") check(name, options[name], runRules[name]);
  if (earlyStop > 0 && (!valLoader || valEvery === 0 || valBatches === 0))
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

/** UsageError for what is no source of batches, such as the promise of one. */
function requireSource(name: string, source: BatchSource, needed: readonly ("next" | "reset")[]): void {
  if (!isObject(source) || source instanceof Promise)
    throw new UsageError(
      `The ${name} is ${shown(source)}, expected a source of batches, as await TokenLoader.open gives it.`,
    );
  for (const method of needed)
    if (typeof source[method] !== "function")
      throw new UsageError(
        `The ${name} has no function ${method}, and so is no source of batches. Give a TokenLoader, or a BatchSource of your own.`,
      );
}

/** UsageError when the learning rate would never reach its peak in a run of `steps` updates. */
export function checkWarmup(
  { schedule, warmupSteps }: Pick<TrainSettings, "schedule" | "warmupSteps">,
  steps: number,
): void {
  if (schedule === "constant" || warmupSteps <= steps || steps === 0) return;
  throw new UsageError(
    `The warm-up is ${warmupSteps} updates long, and the run only ${steps}: the learning rate would never reach its ` +
      `peak. Choose a warm-up of ${steps} or less, or more updates.`,
  );
}

/**
 * Number of batches of B*T tokens, one in each of some processes, in `totalBatch` tokens; 0: one batch. UsageError when that is
 * no whole number, or too many.
 */
export function batchesIn(totalBatch: number, B: number, T: number, processes = 1): number {
  const tokens = processes * B * T;
  const product = processes === 1 ? `B * T = ${B} * ${T}` : `processes * B * T = ${processes} * ${B} * ${T}`;
  const most = trainOptions.accumulate.max;
  if (totalBatch > most * tokens)
    throw new UsageError(
      `A total batch of ${totalBatch} tokens is ${Math.ceil(totalBatch / tokens)} batches of ${product} = ` +
        `${tokens}, and an update takes ${most} at most: ${most * tokens} tokens. Choose a larger batch, or a smaller total batch.`,
    );
  if (totalBatch % tokens === 0) return totalBatch / tokens || 1;
  const below = Math.floor(totalBatch / tokens) * tokens;
  const fitting = below > 0 ? `${below} or ${below + tokens}` : `${tokens}`;
  throw new UsageError(
    `A total batch of ${totalBatch} tokens cannot be made of batches of ${product} = ${tokens}. The nearest that can: ` +
      `${fitting}.`,
  );
}
