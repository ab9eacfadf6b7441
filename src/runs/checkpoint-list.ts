/** The checkpoints of a run folder, as files: listing, pruning, setting aside. */
import { platform } from "#platform";
import { adapterFiles } from "../format/adapter.ts";
import { readSmallText } from "../format/source.ts";
import { folderOf, inFolder, nameOf } from "../platform/paths.ts";
import { type TrainSettings, unlimitedSteps } from "../train/settings.ts";

/** llm.c's names, and one of our own. */
export interface CheckpointPaths {
  readonly model: string;
  /** Ours, instead of `model`, where llm.c's format cannot hold the model. */
  readonly safetensors: string;
  readonly state: string;
  readonly info: string;
  /** Empty, and written last: a checkpoint without it does not count. */
  readonly done: string;
}

const digits = (step: number) => String(step).padStart(8, "0");

export function checkpointPaths(folder: string, step: number): CheckpointPaths {
  const path = (name: string) => inFolder(folder, name);
  return {
    model: path(`model_${digits(step)}.bin`),
    safetensors: path(`model_${digits(step)}.safetensors`),
    state: path(`state_${digits(step)}_00000.bin`),
    info: path(`checkpoint_${digits(step)}.json`),
    done: path(`DONE_${digits(step)}`),
  };
}

/** Of a run that trains an adapter, instead of model and state: a folder in PEFT's layout, its files, and AdamW's moments. */
export function adapterPaths(folder: string, step: number) {
  const adapter = inFolder(folder, `adapter_${digits(step)}`);
  return {
    folder: adapter,
    weights: inFolder(adapter, adapterFiles.weights),
    config: inFolder(adapter, adapterFiles.config),
    state: inFolder(folder, `state_${digits(step)}.safetensors`),
  };
}

const modelName = /^model_(\d{8})\.(?:bin|safetensors)$/;
const keepMark = (folder: string, step: number) => inFolder(folder, `KEEP_${digits(step)}`);

/**
 * Where the file of a model is a checkpoint's in a run folder: has the model stay when that run removes the checkpoint. A file
 * KEEP_%08d says so to every later pruning; `why` is written into it. Gives its path where it was not there. InputError where the folder
 * cannot be written.
 */
export async function keepModel(path: string, why: string): Promise<string | undefined> {
  const [, step] = modelName.exec(nameOf(path)) ?? [];
  if (step === undefined) return undefined;
  const folder = folderOf(path);
  const { done } = checkpointPaths(folder, Number(step));
  if ((await platform.pathKind(done)) === undefined) return undefined;
  const mark = keepMark(folder, Number(step));
  const isNew = (await platform.pathKind(mark)) === undefined;
  if (isNew || !(await readSmallText(mark)).includes(`${why}\n`)) await platform.appendText(mark, `${why}\n`);
  return isNew ? mark : undefined;
}

/** Takes back what `keepModel` wrote, unless others need the model as well. */
export async function releaseModel(path: string, why: string): Promise<void> {
  const [, step] = modelName.exec(nameOf(path)) ?? [];
  if (step === undefined) return;
  const mark = keepMark(folderOf(path), Number(step));
  if ((await platform.pathKind(mark)) !== "file") return;
  if ((await readSmallText(mark)) === `${why}\n`) await platform.removeFile(mark);
}

/** The state of another process beside rank 0's, in llm.c's runs. */
export function stateOfRank(state: string, rank: number): string {
  return state.replace(/_00000\.bin$/, `_${String(rank).padStart(5, "0")}.bin`);
}

/** The model file of a checkpoint that was written, or its adapter's weights. */
export async function checkpointModel(folder: string, step: number): Promise<string> {
  const { model, safetensors } = checkpointPaths(folder, step);
  const { weights } = adapterPaths(folder, step);
  if ((await platform.pathKind(weights)) !== undefined) return weights;
  return (await platform.pathKind(safetensors)) === undefined ? model : safetensors;
}

/** The steps of the complete checkpoints in a folder, the newest first. */
export async function completeSteps(folder: string): Promise<number[]> {
  return stepsOf(await platform.listFolder(folder), /^DONE_(\d+)$/);
}

function stepsOf(names: readonly string[], pattern: RegExp): number[] {
  const steps = names.map((name) => pattern.exec(name)?.[1]).filter((step) => step !== undefined);
  return [...new Set(steps.map(Number))].sort((a, b) => b - a);
}

export type Retention = Pick<TrainSettings, "keep" | "keepEvery">;

/**
 * Removes the checkpoints that are older than those to keep, and what is left of any that were never completed; models that
 * `keepModel` marked stay. A crash
 * in between leaves no checkpoint that seems complete and is not: DONE goes first. The state goes last, so that a second
 * attempt finds the rest.
 */
export async function pruneCheckpoints(folder: string, { keep, keepEvery }: Retention): Promise<void> {
  const complete = await completeSteps(folder);
  const kept = complete.filter((step, age) => keep === 0 || age < keep || (keepEvery > 0 && step % keepEvery === 0));
  // A model without a state is not a checkpoint's: it stays.
  const withState = stepsOf(await platform.listFolder(folder), /^state_(\d+)(?:_00000\.bin|\.safetensors)$/);
  for (const step of withState) if (!kept.includes(step)) await removeCheckpoint(folder, step);
}

async function removeCheckpoint(folder: string, step: number): Promise<void> {
  const { done, model, safetensors, info, state } = checkpointPaths(folder, step);
  const adapter = adapterPaths(folder, step);
  const isNeeded = (await platform.pathKind(keepMark(folder, step))) !== undefined;
  const isOther = (name: string) => name.startsWith(`state_${digits(step)}_`) && inFolder(folder, name) !== state;
  const others = (await platform.listFolder(folder)).filter(isOther).map((name) => inFolder(folder, name));
  await platform.removeFile(done);
  await platform.removeFolder(adapter.folder);
  const models = isNeeded ? [] : [model, safetensors];
  for (const path of [...models, info, ...others, state, adapter.state]) await platform.removeFile(path);
}

type Planned = Retention & Pick<TrainSettings, "checkpointEvery">;

/** Checkpoints that a run of `steps` updates has on disk at the end, and at most while it replaces the oldest. */
export function checkpointsKept({ checkpointEvery: every, keep, keepEvery }: Planned, steps: number) {
  const written = every > 0 ? Math.max(1, Math.ceil(steps / every)) : 1;
  const newest = Math.min(written, (keep || 1) + 1);
  // Of a run that its time ends, their number is not known.
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
 * Prepares a resume from `step`: later checkpoints, damaged or of updates that will be made again, get the ending
 * .damaged, and no longer count.
 */
export async function putAsideAfter(folder: string, step: number): Promise<void> {
  for (const later of (await completeSteps(folder)).filter((other) => other > step)) {
    const { done, model, safetensors, info, state } = checkpointPaths(folder, later);
    const adapter = adapterPaths(folder, later);
    await platform.removeFile(done);
    for (const path of [model, safetensors, info, state, adapter.weights, adapter.config, adapter.state])
      if (await platform.pathKind(path)) await platform.renameFile(path, `${path}.damaged`);
  }
}

/** Removes the temporary files that a killed process left. Requires the folder's lock. */
export async function removeTemporaries(folder: string): Promise<void> {
  for (const name of await platform.listFolder(folder))
    if (
      /^(\.(model|state|checkpoint|DONE|config|metrics|main|tokenizer|\.llm-ts).*|run\.lock)\.[0-9a-f]{8}\.tmp$/.test(
        name,
      )
    )
      await platform.removeFile(inFolder(folder, name));
  for (const step of stepsOf(await platform.listFolder(folder), /^state_(\d+)\.safetensors$/)) {
    const adapter = adapterPaths(folder, step).folder;
    for (const name of await platform.listFolder(adapter))
      if (/^\.adapter_.*\.[0-9a-f]{8}\.tmp$/.test(name)) await platform.removeFile(inFolder(adapter, name));
  }
}
