/** Resuming a run from its checkpoint and log. */
import { platform } from "#platform";
import type { Backend } from "../backend/backend.ts";
import type { Loaders } from "../train/loaders.ts";
import type { TrainSettings } from "../train/settings.ts";
import type { Trainer } from "../train/trainer.ts";
import { type Checkpoint, type CheckpointInfo, restoreCheckpoint } from "./checkpoint.ts";
import { linesOf, metricsFile, parseLine } from "./log.ts";
import { changedSettings } from "./record.ts";
import type { RunFolder } from "./run-folder.ts";

/** Settings that determine when a run is complete. */
export interface Planned {
  readonly settings: Pick<TrainSettings, "earlyStop" | "steps" | "minutes">;
  readonly loaders: Loaders;
}

/**
 * True if the checkpoint is the run's end and nothing is left to do: no validation or sample, and the log says that the
 * run is done. Of llm.c's runs, which say nothing of all that, the updates count.
 */
export async function isComplete(
  { settings, loaders }: Planned,
  folder: RunFolder,
  checkpoint: Checkpoint | undefined,
): Promise<boolean> {
  if (!checkpoint) return false;
  const { step, info } = checkpoint;
  if (step < settings.steps && !isStopped(settings, checkpoint) && !isOver(settings, checkpoint)) return false;
  if (!info) return true;
  return (!loaders.val || info.trainer.validatedAt === step) && (await saysDone(folder.file(metricsFile)));
}

/** True if a log ends with the `done` of a run that was not interrupted. */
async function saysDone(path: string): Promise<boolean> {
  let last = "";
  if ((await platform.pathKind(path)) === "file")
    for await (const lines of linesOf(path)) last = lines.filter((line) => line !== "").at(-1) ?? last;
  const metric = parseLine(last);
  return metric?.event === "done" && metric.interrupted !== true;
}

/** True if the run's time was used up at the checkpoint. */
export function isOver({ minutes }: Pick<TrainSettings, "minutes">, { info }: Checkpoint): boolean {
  return minutes > 0 && (info?.trainer.usedUp ?? 0) >= minutes;
}

/** True if early stopping ended the run at the checkpoint. */
export function isStopped({ earlyStop }: Pick<TrainSettings, "earlyStop">, { info }: Checkpoint): boolean {
  return earlyStop > 0 && info !== undefined && info.trainer.validationsSinceBest >= earlyStop;
}

/**
 * Makes a trainer, whose model was loaded from the checkpoint, what the run's was, and takes the run's folder back to
 * there; without a checkpoint, to the run's beginning. `onRemark` is called when the next bits will differ.
 */
export async function restoreRun(
  folder: RunFolder,
  checkpoint: Checkpoint | undefined,
  trainer: Trainer,
  onRemark: (text: string) => void,
): Promise<void> {
  if (checkpoint) await restoreCheckpoint(trainer, checkpoint);
  const before = checkpoint?.info?.backend;
  const difference = before && differenceOf(before, trainer.model.backend);
  if (difference) onRemark(`${difference}: its last bits will differ from what they would have been`);
  await folder.goBackTo(checkpoint, trainer.state());
}

/** Difference between what computed a run and what will, if it changes the last bits: a phrase. */
function differenceOf(before: CheckpointInfo["backend"], now: Backend): string | undefined {
  const { name, threads, blas } = now;
  const { fma } = now.promises;
  if (before.name !== name)
    return `the run computed with the ${before.name} backend until now, and resumes with ${name}`;
  if (before.blas !== blas?.description) {
    const words = (library: string | undefined) => (library === undefined ? "without a BLAS" : `with ${library}`);
    return `the run computed ${words(before.blas)} until now, and resumes ${words(blas?.description)}`;
  }
  if (blas && before.threads !== threads)
    return `the run computed on ${before.threads} threads until now, and resumes on ${threads}, with a BLAS`;
  if (before.fma === fma) return undefined;
  return `the run computed ${before.fma ? "with" : "without"} fused multiply-add until now, and resumes ${fma ? "with" : "without"}`;
}

/** A start of a run after the first, as config.json keeps it. */
export interface Start {
  /** Updates made before it. */
  readonly step: number;
  /** Settings that are different since then: in words, and by name. */
  readonly changes: readonly string[];
  readonly set: Readonly<Record<string, unknown>>;
  /** Time of the start in ISO 8601, and milliseconds of training before it. */
  readonly started: string;
  readonly ms: number;
}

/** Every start of a run after the first, that of `trainer` with the settings `run` included. */
export function history(folder: RunFolder, trainer: Trainer, run: object, changes: readonly string[]): unknown[] {
  const before = folder.config?.continued;
  const { step, ms = 0 } = trainer.state();
  const set = changedSettings(folder, run);
  const start: Start = { step, changes, set, started: new Date().toISOString(), ms };
  return [...(Array.isArray(before) ? before : []), start];
}
