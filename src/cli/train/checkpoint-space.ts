/** Room on the disk for a run's checkpoints, checked before the run starts. */
import { platform } from "#platform";
import { bytesPer } from "../../format/numbers.ts";
import { completeSteps } from "../../runs/checkpoint-list.ts";
import { type TrainSettings, unlimitedSteps } from "../../train/settings.ts";
import { freeBytes, requireRoom } from "../disk-space.ts";
import { bytes } from "../display/text.ts";

type Retention = Pick<TrainSettings, "checkpointEvery" | "keep" | "keepEvery">;

/** Checkpoints that a run of `steps` updates has on disk at the end, and at most while it replaces the oldest. */
export function checkpointsKept({ checkpointEvery: every, keep, keepEvery }: Retention, steps: number) {
  const written = every > 0 ? Math.max(1, Math.ceil(steps / every)) : 1;
  const newest = Math.min(written, (keep || 1) + 1);
  // Of a run that its time ends, nobody knows how many.
  if (steps >= unlimitedSteps) return { newest, all: newest };
  if (keep === 0) return { newest, all: written };
  const forever = every > 0 && keepEvery > 0 ? Math.floor(steps / leastCommonMultiple(every, keepEvery)) : 0;
  return { newest, all: Math.min(written, newest + forever) };
}

function leastCommonMultiple(a: number, b: number): number {
  const divisor = (x: number, y: number): number => (y === 0 ? x : divisor(y, x % y));
  return (a / divisor(a, b)) * b;
}

/**
 * InputError where the newest checkpoints, of so many `trained` numbers, have no room together. Those that stay for good can be moved away while the run
 * lasts: where they have no room it is a remark.
 */
export async function requireCheckpointRoom(
  out: string,
  trained: number,
  settings: Retention,
  steps: number,
  remark: (text: string) => void,
): Promise<void> {
  // They, and AdamW's two moments of them.
  const size = 3 * bytesPer.f32 * trained;
  const there = (await platform.pathKind(out)) === "folder" ? (await completeSteps(out)).length : 0;
  const { newest, all } = checkpointsKept(settings, steps);
  const fewer = settings.keep === 1 ? "" : "keep fewer checkpoints (--keep 1), or ";
  await requireRoom(out, Math.max(1, newest - there) * size, `${fewer}write to another disk (-o)`);
  const free = await freeBytes(out);
  if ((all - there) * size > free)
    remark(
      `the disk has ${bytes(free)} left, and this run keeps ${all} checkpoints of ${bytes(size)}: move some away while it ` +
        "lasts, or keep fewer (--keep, --keep-every)",
    );
}
