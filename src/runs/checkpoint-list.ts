/** The checkpoints of a run folder, as files: listing, pruning, setting aside. */
import { platform } from "#platform";
import { InputError } from "../errors.ts";
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

const fileOfCheckpoint =
  /^(model_\d{8}\.(bin|safetensors)|state_\d{8}(_\d{5}\.bin|\.safetensors)|checkpoint_\d{8}\.json|DONE_\d{8})$/;

/** The name of a file or adapter in a folder that a checkpoint could write once more; undefined where there is none. */
export async function checkpointFileIn(folder: string): Promise<string | undefined> {
  const name = (await platform.listFolder(folder)).find((other) => fileOfCheckpoint.test(other));
  if (name !== undefined) return name;
  const [weights] = await platform.listFiles(`adapter_????????/${adapterFiles.weights}`, folder);
  return weights && nameOf(folderOf(weights));
}

/** The steps of the complete checkpoints in a folder, the newest first. */
export async function completeSteps(folder: string): Promise<number[]> {
  return stepsOf(await platform.listFolder(folder), /^DONE_(\d{8})$/);
}

function stepsOf(names: readonly string[], pattern: RegExp): number[] {
  const steps = names.map((name) => pattern.exec(name)?.[1]).filter((step) => step !== undefined);
  return [...new Set(steps.map(Number))].sort((a, b) => b - a);
}

export type Retention = Pick<TrainSettings, "keep" | "keepEvery">;

/**
 * Removes the checkpoints that are older than those to keep, and what is left of any that were never completed; models that
 * `keepModel` marked stay. A crash in between leaves no checkpoint that seems complete and is not: DONE goes first. The state
 * goes last, so that a second attempt finds the rest.
 */
export async function pruneCheckpoints(folder: string, { keep, keepEvery }: Retention): Promise<void> {
  const complete = await completeSteps(folder);
  const kept = complete.filter((step, age) => keep === 0 || age < keep || (keepEvery > 0 && step % keepEvery === 0));
  // A model without a state is not a checkpoint's: it stays.
  const withState = stepsOf(await platform.listFolder(folder), /^state_(\d{8})(?:_00000\.bin|\.safetensors)$/);
  for (const step of withState) if (!kept.includes(step)) await removeCheckpoint(folder, step);
}

async function removeCheckpoint(folder: string, step: number): Promise<void> {
  const { done, model, safetensors, info, state } = checkpointPaths(folder, step);
  const isNeeded = (await platform.pathKind(keepMark(folder, step))) !== undefined;
  const others = await statesOfOthers(folder, step);
  const models = isNeeded ? [] : [model, safetensors];
  await platform.removeFile(done);
  await removeAdapter(folder, step);
  for (const path of [...models, info, ...others, state, adapterPaths(folder, step).state])
    await platform.removeFile(path);
}

/** The states of other processes beside rank 0's, in llm.c's runs. */
async function statesOfOthers(folder: string, step: number): Promise<string[]> {
  const pattern = new RegExp(`^state_${digits(step)}_\\d{5}\\.bin$`);
  const states = (await platform.listFolder(folder)).filter((name) => pattern.test(name));
  return states.map((name) => inFolder(folder, name)).filter((path) => path !== checkpointPaths(folder, step).state);
}

/** Removes the adapter of a checkpoint, and its folder unless something else is in it, such as files that were put aside. */
export async function removeAdapter(folder: string, step: number): Promise<void> {
  const adapter = adapterPaths(folder, step);
  for (const path of [adapter.weights, adapter.config]) await platform.removeFile(path);
  await platform.removeEmptyFolder(adapter.folder);
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
 * .damaged (.damaged-2 where that is taken), and no longer count. DONE goes last: what a crash leaves is put aside by the
 * next resume. InputError, before any change, where `keepModel` marked a model among them.
 */
export async function putAsideAfter(folder: string, step: number): Promise<void> {
  await requireUnmarkedAfter(folder, step);
  for (const later of (await completeSteps(folder)).filter((other) => other > step)) {
    const { done, model, safetensors, info, state } = checkpointPaths(folder, later);
    const adapter = adapterPaths(folder, later);
    const others = await statesOfOthers(folder, later);
    const files = [model, safetensors, ...others, state, info, adapter.weights, adapter.config, adapter.state];
    await putAside(files, ".damaged");
    await platform.removeFile(done);
  }
}

/** Gives files, those of them that exist, an ending that no file has yet: a number follows it where some have. */
export async function putAside(paths: readonly string[], ending: string): Promise<void> {
  const existing = async (names: readonly string[]) => {
    const kinds = await Promise.all(names.map((name) => platform.pathKind(name)));
    return names.filter((_, at) => kinds[at] !== undefined);
  };
  const asideBy = (number: number) => (path: string) => `${path}${ending}${number === 1 ? "" : `-${number}`}`;
  let number = 1;
  while ((await existing(paths.map(asideBy(number)))).length > 0) number++;
  for (const path of await existing(paths)) await platform.renameFile(path, asideBy(number)(path));
}

/** A model that an adapter needs keeps its name and content: updates that were made again would write it once more. */
async function requireUnmarkedAfter(folder: string, step: number): Promise<void> {
  const marked = stepsOf(await platform.listFolder(folder), /^KEEP_(\d{8})$/).filter((other) => other > step);
  for (const later of marked) {
    const model = await checkpointModel(folder, later);
    if ((await platform.pathKind(model)) === undefined) continue;
    const mark = keepMark(folder, later);
    throw new InputError(
      `${folder} cannot go back to update ${Math.max(step, 0)}: it would write ${nameOf(model)} once more, which an adapter needs ` +
        `(${mark} says whose). Put back the files of that checkpoint that are missing or damaged, or resume in a copy of the ` +
        `folder, from which ${nameOf(mark)} is removed.`,
    );
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
  for (const step of stepsOf(await platform.listFolder(folder), /^state_(\d{8})\.safetensors$/)) {
    const adapter = adapterPaths(folder, step).folder;
    for (const name of await platform.listFolder(adapter))
      if (/^\.adapter_.*\.[0-9a-f]{8}\.tmp$/.test(name)) await platform.removeFile(inFolder(adapter, name));
  }
}
