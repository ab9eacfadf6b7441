/** The backend of a run: the chosen one, or the faster one by a step on each, whose times are remembered. */
import { platform } from "#platform";
import { type BackendName, defaultBackend } from "../../src/backend/registry.ts";
import { BackendError, MemoryError } from "../../src/errors.ts";
import type { GPT2Config } from "../../src/model/config.ts";
import { ResultCache } from "../../src/platform/result-cache.ts";
import type { TrainSettings } from "../../src/train/settings.ts";
import type { Device } from "./device.ts";
import type { StepTime, Timing } from "./protocol.ts";
import { timeStep } from "./time-step.ts";

const cache = new ResultCache("steps", platform);

/** What the time of a step depends on, besides the machine. */
export interface StepShape {
  readonly config: GPT2Config;
  readonly settings: Pick<TrainSettings, "batch" | "block">;
}

/** A backend, and the times of a step by which it was taken. */
export interface Decision {
  readonly name: BackendName;
  readonly timing?: Timing;
}

/** The backend for a new run. `onProgress` gets the share of the measurement that is done, 0 to 1. */
export async function decide(device: Device, shape: StepShape, onProgress: (share: number) => void): Promise<Decision> {
  const choice = await device.choice();
  if (choice !== "auto") return { name: choice };
  const names = await device.available();
  if (names.length <= 1) return { name: names[0] ?? defaultBackend };
  const timing = (await recallTiming(device, shape)) ?? (await measureTiming(device, shape, onProgress));
  return { name: timing.fastest, timing };
}

/** The backend for resuming a run that computed with `before`: the chosen one, else the same if it is there. */
export async function decideResumed(device: Device, before: BackendName): Promise<BackendName> {
  const choice = await device.choice();
  if (choice !== "auto") return choice;
  const problem = await device.problemOf(before);
  if (problem === undefined) return before;
  device.remarkMissing(before, problem);
  return defaultBackend;
}

/** Times of a step on every backend, from an earlier start; undefined where they are not known, or there is one backend. */
export async function recallTiming(device: Device, shape: StepShape): Promise<Timing | undefined> {
  const names = await device.available();
  if (names.length <= 1) return undefined;
  const kept = await cache.recall(await keyOf(device, shape));
  if (kept === undefined) return undefined;
  const ms = kept.split(" ").map(Number);
  return timingOf(
    names.map((backend, i) => ({ backend, ms: ms[i] })),
    true,
  );
}

/** A backend that cannot make a step (memory, a failure) is left out, with the reason; if none can, the first error is thrown. */
async function measureTiming(device: Device, shape: StepShape, onProgress: (share: number) => void): Promise<Timing> {
  const { config, settings } = shape;
  const names = await device.available();
  const steps: StepTime[] = [];
  const failures: unknown[] = [];
  for (const [i, backend] of names.entries()) {
    onProgress(i / names.length);
    try {
      const ms = await timeStep(await device.start(backend), config, settings.batch, settings.block);
      steps.push({ backend, ms });
    } catch (error) {
      if (!(error instanceof BackendError || error instanceof MemoryError)) throw error;
      failures.push(error);
      steps.push({ backend, problem: error.message });
      await device.dropFailed();
    }
  }
  if (failures.length === names.length) throw failures[0];
  if (failures.length === 0)
    await cache.keep(await keyOf(device, shape), steps.map(({ ms = 0 }) => ms.toPrecision(4)).join(" "));
  return timingOf(steps, false);
}

function timingOf(steps: readonly StepTime[], isRemembered: boolean): Timing {
  const msOf = ({ ms = Number.POSITIVE_INFINITY }: StepTime) => ms;
  const [{ backend }] = [...steps].sort((a, b) => msOf(a) - msOf(b));
  return { fastest: backend, steps, isRemembered };
}

async function keyOf(device: Device, { config, settings: { batch, block } }: StepShape): Promise<string> {
  return JSON.stringify([await device.machine(), config, batch, block]);
}
