/** Memory, time and storage of a run, estimated before anything is allocated. */
import type { Backend } from "../../src/backend/backend.ts";
import { LlmError } from "../../src/errors.ts";
import type { GPT2Config } from "../../src/model/config.ts";
import { type MemoryPlan, memoryNeeded, requireMemory } from "../../src/model/memory.ts";
import { parameterCount } from "../../src/model/parameters.ts";
import { runMemory } from "../../src/train/plan.ts";
import { checkChoice, type RunChoice } from "./choice.ts";
import type { Prepared } from "./data.ts";
import type { Estimate, StorageInfo } from "./protocol.ts";
import { msPerStep, type Speed } from "./speed.ts";

export function estimateOf(
  choice: RunChoice,
  data: Prepared,
  backend: Backend,
  speed: Speed,
  { kind, used = 0, quota = Number.POSITIVE_INFINITY }: StorageInfo,
): Estimate {
  const { config, settings } = choice;
  const memory = memoryOf(choice, backend);
  const fits = memory.total <= backend.limits.total;
  const ms = msPerStep(speed, config, settings.batch, settings.block);
  // Two checkpoints are kept while a third is written.
  const storage = 3 * checkpointBytes(config);
  return {
    parameters: parameterCount(config),
    config,
    settings,
    memory,
    memoryLimit: backend.limits.total,
    fits,
    fittingBatch: fits ? undefined : fittingBatch(choice, backend),
    msPerStep: ms,
    msTotal: ms * (settings.steps + FORWARD_SHARE * validationBatches(choice)),
    storage,
    storageFits: kind === "memory" || used + storage <= quota,
    problem: problemOf(() => {
      requireMemory(backend, config, runMemory(config, settings));
      checkChoice(choice, data);
    }),
  };
}

function memoryOf({ config, settings }: RunChoice, backend: Backend): Estimate["memory"] {
  const needed = (plan: MemoryPlan) => memoryNeeded(backend, config, plan);
  const plan = runMemory(config, settings);
  const { train, decode } = plan;
  const weights = needed({});
  return {
    weights,
    optimizer: needed({ optimizer: true }) - weights,
    activations: needed({ train }) - weights,
    sampling: needed({ decode }) - weights,
    total: needed(plan),
  };
}

/** The largest batch that fits, by bisection, since memory grows with the batch. */
function fittingBatch({ config, settings }: RunChoice, backend: Backend): number {
  const fits = (batch: number) =>
    memoryNeeded(backend, config, runMemory(config, { ...settings, batch })) <= backend.limits.total;
  let [fitting, tooLarge] = [0, settings.batch];
  while (tooLarge - fitting > 1) {
    const middle = Math.floor((fitting + tooLarge) / 2);
    if (fits(middle)) fitting = middle;
    else tooLarge = middle;
  }
  return fitting;
}

/** Time of a forward pass relative to a training step. */
const FORWARD_SHARE = 1 / 3;

function validationBatches({ given, settings }: RunChoice): number {
  const { steps, valEvery, valBatches, finalValBatches } = settings;
  if (given.val === undefined || valEvery === 0) return 0;
  return Math.ceil(steps / valEvery) * valBatches + finalValBatches;
}

/** Bytes of a checkpoint: weights and two moments in float32. */
export function checkpointBytes(config: GPT2Config): number {
  return 12 * parameterCount(config);
}

function problemOf(check: () => void): string | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof LlmError) return error.message;
    throw error;
  }
}
