/**
 * Starting or resuming a run: one use case for the command and the page. `openResumable` finds where the run of a folder
 * continues; `prepareRun` opens the data and resolves the settings, so that every mistake in them is found before anything
 * takes long; `startRun` makes model, trainer and folder; `runEvents` trains.
 */
import type { BaseModel, BaseRecord } from "../api/adapter-base.ts";
import { GPT2 } from "../api/gpt2.ts";
import type { Backend } from "../backend/backend.ts";
import { endsOf } from "../data/tokenizer-files.ts";
import { InputError, UsageError } from "../errors.ts";
import { isObject } from "../format/json.ts";
import { alone, type Group, type Rank } from "../group/group.ts";
import { together } from "../group/together.ts";
import type { GPT2Config } from "../model/config.ts";
import { requireMemory } from "../model/memory.ts";
import { absolutePath } from "../platform/paths.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { checkPrecision } from "../train/checks.ts";
import type { TrainEvent } from "../train/events.ts";
import { closeLoaders, type Loaders, openLoaders } from "../train/loaders.ts";
import { loraOf } from "../train/lora-options.ts";
import { type RunOptions, trainerOptionNames } from "../train/options.ts";
import { runMemory } from "../train/plan.ts";
import { planUpdates, remainingOptions, settingsOf } from "../train/resolve.ts";
import { complete, type RunChoices, type TrainSettings } from "../train/settings.ts";
import { Trainer } from "../train/trainer.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { keepBase, recordBase, releaseBase, requireSameBase } from "./lora-base.ts";
import {
  type DataRecord,
  dataDifferences,
  dividedAmong,
  type GivenOptions,
  type RunRecord,
  readRecord,
  recordData,
  requireUnedited,
} from "./record.ts";
import { history, isComplete, restoreRun } from "./restore.ts";
import { RunFolder } from "./run-folder.ts";

type Remark = (text: string) => void;

/** A run to resume. Its folder is locked until it is closed. */
export interface Resumable {
  readonly folder: RunFolder;
  /** Undefined: from the beginning, since the run ended before its first checkpoint. */
  readonly checkpoint?: Checkpoint;
  /** Undefined for a run of llm.c's, whose settings are not recorded. */
  readonly record?: RunRecord;
  readonly modelName?: string;
}

/**
 * Locks the folder of a run and finds its newest whole checkpoint. InputError when another process has it, its config.json
 * is damaged or was edited, or none of its checkpoints is whole, with `advice` at the end; LlmError when they cannot be read.
 * The record is one for the processes of `group`.
 */
export async function openResumable(
  path: string,
  remark: Remark,
  advice: string,
  group: Rank = alone,
): Promise<Resumable> {
  const folder = await RunFolder.open(path, ({ who }, ms) =>
    remark(`${path} is held by ${who}, which cannot be seen from here: watching its heartbeat for ${ms / 1000} s`),
  );
  try {
    const { config, configFrom } = folder;
    const checkpoint = await newestCheckpoint(folder, remark, advice);
    if (!config) return { folder, checkpoint };
    if (configFrom !== undefined)
      remark(`${path} has no config.json: its settings are those that the checkpoint of step ${configFrom} recorded`);
    const record = dividedAmong(group, path, readRecord(path, config));
    if (checkpoint) requireUnedited(folder, checkpoint);
    const { model } = config;
    const modelName = isObject(model) && "name" in model ? String(model.name) : undefined;
    return { folder, checkpoint, record, modelName };
  } catch (error) {
    await folder.close();
    throw error;
  }
}

async function newestCheckpoint(folder: RunFolder, remark: Remark, advice: string): Promise<Checkpoint | undefined> {
  const found: { readonly step: number; readonly problem: string }[] = [];
  const checkpoint = await folder.newestCheckpoint((step, problem) => void found.push({ step, problem }));
  if (checkpoint || found.length === 0) {
    for (const { step, problem } of found) remark(`the checkpoint of step ${step} cannot be used: ${problem}`);
    return checkpoint;
  }
  const none = found.length === 1 ? "its only checkpoint cannot" : `none of its ${found.length} checkpoints can`;
  const problems = found.map(({ step, problem }) => `Step ${step}: ${problem}`).join(" ");
  throw new InputError(
    `${folder.path}: ${none} be used. ${problems} Put the files back if there are copies of them. ${advice}`,
  );
}

/** Source of a run's model: a file, or a configuration for fresh weights. */
export interface ModelSource {
  /** For people, and for the name of a numbered run folder. */
  readonly name: string;
  readonly config: GPT2Config;
  /** The file of a trained model; undefined: fresh weights. */
  readonly file?: string;
  /** What an adapter of it records; required where one is trained in a run with a folder. */
  readonly base?: BaseModel;
  readonly tokenizer?: Tokenizer;
}

/** A run to resume, and what differs from now on. */
export interface Continuation extends Resumable {
  /** Changed settings, in words. */
  readonly changes: readonly string[];
  /** Called with the reason if the data is not what it was; a text: that is refused, with this advice. */
  readonly otherData: ((reason: string) => void) | string;
}

/** Request for a run. */
export interface RunRequest {
  readonly model: ModelSource;
  /** Token files, or folders of them, and their name for people. */
  readonly data: { readonly name: string; readonly train: string; readonly val?: string };
  /** Options as they were typed or chosen: for the record. */
  readonly given: GivenOptions;
  /** Those that count: of a resumed run, with what its record has. */
  readonly choices: RunChoices;
  readonly resumed?: Continuation;
  /** True if the run has a folder, or gets one. */
  readonly isKept: boolean;
}

/** A run whose data and settings are checked. Nothing is computed yet. */
export interface PreparedRun extends RunRequest {
  readonly group: Group;
  readonly settings: TrainSettings;
  readonly loaders: Loaders;
  /** The token files by their content, where the run has a folder, or several processes. */
  readonly dataRecord?: DataRecord;
  /** The model that an adapter adapts, where the run has a folder. */
  readonly base?: BaseRecord;
  /** True for a resumed run of which nothing is left to do. */
  readonly isComplete: boolean;
}

/** Opens the data and resolves the settings, in a member of `group`. UsageError or InputError for what does not fit together. */
export async function prepareRun(request: RunRequest, group: Group = alone): Promise<PreparedRun> {
  const { model, data, choices, resumed, isKept } = request;
  const chosen = settingsOf(choices, model.config.maxT, group);
  const base = await adaptedModel(request, chosen, group);
  const loaders = await openLoaders({ ...data, headerless: choices.headerless }, chosen, model.config.V, group);
  try {
    const settings = planUpdates(choices, chosen, loaders);
    requireMore(settings, resumed);
    const dataRecord = isKept || group.size > 1 ? await recordData(data.name, loaders) : undefined;
    if (resumed && dataRecord) requireSameData(resumed, dataRecord);
    const done = resumed ? await isComplete({ settings, loaders }, resumed.folder, resumed.checkpoint) : false;
    return { ...request, group, settings, loaders, dataRecord, base, isComplete: done };
  } catch (error) {
    await closeLoaders(loaders);
    throw error;
  }
}

/** What is recorded of the model that an adapter adapts. UsageError for a new model, InputError for another than the run's. */
async function adaptedModel(
  { model, resumed, isKept }: RunRequest,
  settings: TrainSettings,
  group: Rank,
): Promise<BaseRecord | undefined> {
  const lora = loraOf(settings, model.config);
  if (!lora || group.rank > 0) return undefined;
  if (model.file === undefined)
    throw new UsageError(
      `An adapter (--lora-rank) is trained on a model that was trained before, and ${model.name} begins with random weights. Name ` +
        "one with --model: gpt2, a file, or the folder of a run.",
    );
  if (!isKept || !model.base) return undefined;
  const base = await recordBase(model.base);
  const before = resumed?.record?.base;
  if (resumed && before) requireSameBase(resumed.folder.path, before, base);
  return base;
}

/** Records where the model is now that a run adapts of which nothing is left to do; false where it has not moved. */
export async function recordMovedBase(
  { base, resumed }: Pick<PreparedRun, "base" | "resumed">,
  { cwd, remark }: Pick<RunHost, "cwd" | "remark">,
): Promise<boolean> {
  if (!base || !resumed || resumed.record?.base?.path === base.path) return false;
  const { folder } = resumed;
  await keepBase(base, absolutePath(cwd, folder.path), remark);
  await folder.changeConfig({ base });
  return true;
}

function requireSameData({ folder, record, otherData }: Continuation, now: DataRecord): void {
  const found = record ? dataDifferences(record.data, now) : [];
  if (found.length === 0) return;
  const reason = `data is not what the run in ${folder.path} was trained on: ${found.join("; ")}`;
  if (typeof otherData === "string") throw new InputError(`The ${reason}. ${otherData}`);
  otherData(`the ${reason}`);
}

/** UsageError where the number of updates was changed to fewer than were made. */
function requireMore({ steps }: TrainSettings, { checkpoint, record }: Partial<Resumable> = {}): void {
  const made = checkpoint?.step ?? 0;
  if (steps >= made || steps === record?.run.steps) return;
  throw new UsageError(
    `${made} updates were made already, and --steps (-x) is ${steps}. Give ${made} to end the run there, or more.`,
  );
}

/** Environment of a run: the command, or the page's engine. */
export interface RunHost {
  readonly backend: Backend;
  /** Path for the folder of a new run; with a slash at its end, for a numbered folder inside; undefined: none. */
  readonly out: string | undefined;
  /** The folder that relative paths in the record start from. */
  readonly cwd: string;
  readonly onProgress: (share: number) => void;
  readonly remark: Remark;
  /** Called when a new run cannot have its folder, which then has none. Default: the error is thrown. */
  readonly onUnkept?: (problem: InputError) => void;
  /** Makes the model, or has it already. Default: makes it. */
  readonly provideModel?: (make: () => Promise<GPT2>) => Promise<GPT2>;
}

/** A run ready to train. Its owner disposes of the trainer, and closes folder and loaders. */
export interface StartedRun {
  readonly trainer: Trainer;
  readonly folder: RunFolder | undefined;
  readonly loaders: Loaders;
  readonly settings: TrainSettings;
}

/**
 * Makes or loads the model, its trainer and the run's folder, in all members of a group: the folder is rank 0's. MemoryError, before
 * anything is allocated, when they do not fit.
 */
export async function startRun(run: PreparedRun, host: RunHost): Promise<StartedRun> {
  const { settings, loaders, group } = run;
  let trainer: Trainer | undefined;
  try {
    const made = await together(group, () => makeTrainer(run, host));
    trainer = made;
    return { trainer, folder: await made.inRank0(() => openFolder(run, made, host)), loaders, settings };
  } catch (error) {
    await Promise.allSettled([trainer?.dispose(), closeLoaders(loaders)]);
    throw error;
  }
}

async function makeTrainer({ model: source, settings, group }: PreparedRun, host: RunHost): Promise<Trainer> {
  const { backend, provideModel = (make) => make() } = host;
  checkPrecision(backend, source.config, settings.precision);
  requireMemory(backend, source.config, runMemory(source.config, settings, group));
  await backend.selfCheck?.(settings.precision);
  const model = await provideModel(() => makeModel(source, settings, host));
  return new Trainer(model, complete(trainerOptionNames, settings), group);
}

function makeModel(
  source: ModelSource,
  { seed, weights }: TrainSettings,
  { backend, onProgress }: RunHost,
): Promise<GPT2> {
  const { config, file, tokenizer } = source;
  // A model that learns conversations ends its turns as well, whatever the files beside it say.
  const endTokens = tokenizer?.turnEnd === undefined ? undefined : endsOf(tokenizer);
  if (file !== undefined) return GPT2.load(file, { backend, tokenizer, vocabSize: config.V, endTokens, weights });
  return GPT2.create(config, { backend, tokenizer, seed, onProgress });
}

/** The folder of a new run, or of a resumed one, whose trainer is restored from it. */
async function openFolder(run: PreparedRun, trainer: Trainer, host: RunHost): Promise<RunFolder | undefined> {
  const folder = await recordRun(run, trainer, host);
  try {
    if (run.base && folder) await keepBase(run.base, absolutePath(host.cwd, folder.path), host.remark);
    return folder;
  } catch (error) {
    // That of a resumed run is its owner's to close.
    if (!run.resumed) await folder?.close();
    throw error;
  }
}

async function recordRun(run: PreparedRun, trainer: Trainer, host: RunHost): Promise<RunFolder | undefined> {
  const { given, settings, dataRecord, base, resumed, model: source } = run;
  const blas = given.blas && (host.backend.blas?.name ?? "none");
  const processes = run.group.size > 1 ? { processes: run.group.size } : {};
  const record = { cwd: host.cwd, given: { ...given, blas }, data: dataRecord, run: settings, base, ...processes };
  if (resumed) {
    const { folder, checkpoint, changes } = resumed;
    await restoreRun(folder, checkpoint, trainer, host.remark);
    const continued = history(folder, trainer, settings, changes);
    await folder.writeConfig(trainer.model, source.name, { ...record, continued });
    return folder;
  }
  if (host.out === undefined) return undefined;
  try {
    return await RunFolder.create(host.out, trainer.model, source.name, record);
  } catch (error) {
    if (!host.onUnkept || !(error instanceof InputError)) throw error;
    host.onUnkept(error);
    return undefined;
  }
}

/** Removes what `startRun` made of a new run that was refused before its first checkpoint, so that a corrected one can start there. */
export async function discardRun({ folder }: StartedRun, { base }: PreparedRun, cwd: string): Promise<void> {
  if (!folder) return;
  if (base) await releaseBase(base, absolutePath(cwd, folder.path));
  await folder.discard();
}

/** Trains from where the trainer stands to the end of the run. */
export function runEvents(
  { trainer, loaders, settings }: StartedRun,
  options: Pick<RunOptions, "checkpoint" | "signal">,
): AsyncGenerator<TrainEvent, void, undefined> {
  return trainer.run(loaders.train, { ...remainingOptions(settings, loaders, trainer.step), ...options });
}
