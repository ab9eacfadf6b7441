/** Memory, time and storage of a run, estimated before anything is allocated. */
import type { Backend } from "../../src/backend/backend.ts";
import { LlmError } from "../../src/errors.ts";
import type { GPT2Config } from "../../src/model/config.ts";
import { fittingBatch, memoryNeeded, memoryParts, requireMemory } from "../../src/model/memory.ts";
import { parameterCount } from "../../src/model/parameters.ts";
import { runMemory } from "../../src/train/plan.ts";
import { recallTiming } from "./auto.ts";
import { checkChoice, type RunChoice } from "./choice.ts";
import type { Prepared } from "./data.ts";
import type { Device } from "./device.ts";
import type { Estimate, StorageInfo, Timing } from "./protocol.ts";
import type { Queue } from "./queue.ts";
import { msPerStep } from "./speed.ts";

/** Measures the speed of the backend that it is for, if no time of such a step is known. */
export async function estimateOf(
  choice: RunChoice,
  data: Prepared,
  device: Device,
  queue: Queue,
  { kind, used = 0, quota = Number.POSITIVE_INFINITY }: StorageInfo,
): Promise<Estimate> {
  const { config, settings } = choice;
  const timing = await recallTiming(device, choice);
  const backend = await expectedBackend(choice, device, timing);
  const plan = runMemory(config, settings);
  const memory = memoryParts(backend, config, plan);
  const fits = memory.total <= backend.limits.total;
  const measured = timing?.steps.find((step) => step.backend === backend.name)?.ms;
  const ms =
    measured ?? msPerStep(await queue.run(() => device.speedOf(backend)), config, settings.batch, settings.block);
  // Two checkpoints are kept while a third is written.
  const storage = 3 * checkpointBytes(config);
  return {
    parameters: parameterCount(config),
    config,
    settings,
    memory,
    memoryLimit: backend.limits.total < Number.MAX_SAFE_INTEGER ? backend.limits.total : undefined,
    fits,
    fittingBatch: fits ? undefined : fittingBatch(backend, config, plan),
    msPerStep: ms,
    timing,
    msTotal: ms * (settings.steps + FORWARD_SHARE * validationBatches(choice)),
    storage,
    storageFits: kind === "memory" || used + storage <= quota,
    problem: problemOf(() => {
      requireMemory(backend, config, plan);
      checkChoice(choice, data);
    }),
  };
}

/**
 * The backend that would compute the run: the chosen one, with "auto" the one of known times, else the one in use if the run
 * fits there, else one where it does.
 */
async function expectedBackend(choice: RunChoice, device: Device, timing: Timing | undefined): Promise<Backend> {
  const chosen = await device.choice();
  if (chosen !== "auto") return device.start(chosen);
  if (timing) return device.start(timing.fastest);
  const inUse = await device.backend();
  const { config, settings } = choice;
  const plan = runMemory(config, settings);
  const fits = (backend: Backend) => memoryNeeded(backend, config, plan) <= backend.limits.total;
  if (fits(inUse)) return inUse;
  for (const name of await device.available()) {
    const other = await device.start(name);
    if (fits(other)) return other;
  }
  return inUse;
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
