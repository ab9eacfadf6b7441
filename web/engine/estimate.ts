/** Memory, time and storage of a run, estimated before anything is allocated. */
import type { Backend } from "../../src/backend/backend.ts";
import { LlmError } from "../../src/errors.ts";
import type { GPT2Config } from "../../src/model/config.ts";
import { fittingBatch, memoryParts, requireMemory } from "../../src/model/memory.ts";
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
  const plan = runMemory(config, settings);
  const memory = memoryParts(backend, config, plan);
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
    fittingBatch: fits ? undefined : fittingBatch(backend, config, plan),
    msPerStep: ms,
    msTotal: ms * (settings.steps + FORWARD_SHARE * validationBatches(choice)),
    storage,
    storageFits: kind === "memory" || used + storage <= quota,
    problem: problemOf(() => {
      requireMemory(backend, config, plan);
      checkChoice(choice, data);
    }),
  };
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
