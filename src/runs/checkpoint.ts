/** Writing and reading the checkpoints of a run: llm.c's model, state and DONE files, and checkpoint_%08d.json. */
import { platform } from "#platform";
import { openModelFile } from "../api/model-file.ts";
import type { Backend } from "../backend/backend.ts";
import type { DataOrder, LoaderPosition } from "../data/order.ts";
import { InputError, LlmError, SystemError, shown, UsageError } from "../errors.ts";
import { isObject, parseObject } from "../format/json.ts";
import { modelFormatProblem, writeModel } from "../format/model.ts";
import { filesOfState, type OptimizerStateFile, readOptimizerState, writeOptimizerState } from "../format/optimizer.ts";
import { writeSafetensors } from "../format/safetensors.ts";
import { type FileHash, saveHashed, saveText } from "../format/save.ts";
import { readSmallText, withSource } from "../format/source.ts";
import { streamOf } from "../format/tensors.ts";
import { readAdapterState, readTrainedAdapter, writeAdapterState } from "../format/trained-adapter.ts";
import type { GPT2Config } from "../model/config.ts";
import type { Optimizer } from "../model/muon-memory.ts";
import { inFolder, nameOf } from "../platform/paths.ts";
import type { Appender, ByteSource } from "../platform/platform.ts";
import { saveAdapter } from "../train/save-adapter.ts";
import { initialState, type TrainerState } from "../train/state.ts";
import type { AdapterState, Trainer } from "../train/trainer.ts";
import {
  adapterPaths,
  checkpointModel,
  checkpointPaths,
  completeSteps,
  removeAdapter,
  stateOfRank,
} from "./checkpoint-list.ts";
import { baseOf } from "./lora-base.ts";
import { isRunConfig, type RunConfig, readRunConfig, withCurrentNames } from "./run-config.ts";

/** A checkpoint that was found whole. */
export interface Checkpoint {
  readonly folder: string;
  readonly step: number;
  /** The path of the model, for `GPT2.load`. */
  readonly model: string;
  /** True when the data continues in llm.c's shuffled order. */
  readonly shuffled: boolean;
  /** Processes whose batches the position in the data counts, in llm.c's runs; 1 in ours, which record theirs elsewhere. */
  readonly processes: number;
  /** Undefined for one of llm.c's own, which has neither hashes nor settings. */
  readonly info?: CheckpointInfo;
}

/**
 * Saves a trainer as it is now; its next update waits for that. Each file appears whole, with its sha256 taken on the way;
 * DONE comes last. A piece of at most 8 MB is in memory at a time. `before` is the checkpoint that the trainer stands at, if
 * there is one: where no update was made since, only what belongs to no update is written. Where it fails, what was written
 * is removed.
 */
export async function writeCheckpoint(
  folder: string,
  trainer: Trainer,
  config: CheckpointInfo["config"],
  before?: CheckpointInfo,
): Promise<CheckpointInfo> {
  const state = trainer.state();
  return trainer.model.holdWeights(() => writeFiles(folder, trainer, state, config, before));
}

async function writeFiles(
  folder: string,
  trainer: Trainer,
  state: TrainerState,
  config: CheckpointInfo["config"],
  before?: CheckpointInfo,
): Promise<CheckpointInfo> {
  const { step } = state;
  const paths = checkpointPaths(folder, step);
  const wasThere = (await platform.pathKind(paths.done)) !== undefined;
  try {
    const files = before?.step === step ? before.files : await writeTensors(folder, trainer, state, config);
    const info = describe(trainer, state, files, config);
    await saveText(paths.info, await formatCheckpointInfo(info));
    await saveText(paths.done, "");
    return info;
  } catch (error) {
    // The first error matters more than one of the removal.
    const files = [...Object.values(paths), adapterPaths(folder, step).state];
    if (!wasThere)
      await Promise.allSettled([...files.map((path) => platform.removeFile(path)), removeAdapter(folder, step)]);
    throw error;
  }
}

async function writeTensors(
  folder: string,
  trainer: Trainer,
  state: TrainerState,
  record: CheckpointInfo["config"],
): Promise<CheckpointInfo["files"]> {
  const { config, weights } = trainer.model.parameters;
  const adapter = await trainer.adapter();
  if (adapter) return writeAdapterFiles(folder, trainer, adapter, state, record);
  const paths = checkpointPaths(folder, state.step);
  const model = streamOf(config, readerOf(trainer, weights));
  const isLlmc = modelFormatProblem(config) === undefined;
  const path = isLlmc ? paths.model : paths.safetensors;
  return {
    [nameOf(paths.state)]: await saveHashed(paths.state, (out) => writeState(out, trainer, state)),
    [nameOf(path)]: await saveHashed(path, (out) => (isLlmc ? writeModel : writeSafetensors)(out, model)),
  };
}

/** The adapter in PEFT's layout, and beside it AdamW's moments. */
async function writeAdapterFiles(
  folder: string,
  trainer: Trainer,
  adapter: AdapterState,
  { step }: TrainerState,
  record: CheckpointInfo["config"],
): Promise<CheckpointInfo["files"]> {
  const { lora, m, v } = adapter;
  const base = baseOf(record);
  const paths = adapterPaths(folder, step);
  const state = await saveHashed(paths.state, (out) =>
    writeAdapterState(out, trainer.model.config, lora, step, readerOf(trainer, m), readerOf(trainer, v)),
  );
  const files = Object.entries(await saveAdapter(paths.folder, trainer.model, adapter, base));
  const inAdapter = files.map(([name, hash]) => [inFolder(nameOf(paths.folder), name), hash] as const);
  return { [nameOf(paths.state)]: state, ...Object.fromEntries(inAdapter) };
}

function describe(
  trainer: Trainer,
  { loader, ...state }: TrainerState,
  files: CheckpointInfo["files"],
  config: CheckpointInfo["config"],
): CheckpointInfo {
  const { name, threads, promises, blas } = trainer.model.backend;
  return {
    step: state.step,
    files,
    backend: { name, threads, fma: promises.fma, blas: blas?.description },
    trainer: state,
    optimizer: trainer.options.optimizer,
    // The state file has the rest, but that of an adapter.
    loader: loader && loader.order !== "random" && !isAdapter(files) ? { order: loader.order } : loader,
    written: new Date().toISOString(),
    config,
  };
}

async function writeState(out: Appender, trainer: Trainer, { step, loader }: TrainerState): Promise<void> {
  const position = loader && loader.order !== "random" ? loader : { shard: 0, sample: 0 };
  const { m, v } = trainer.moments();
  const shuffle = loader?.order === "shuffle" ? loader : undefined;
  const { shard, sample } = position;
  const content = { step, shard, sample, shuffle };
  await writeOptimizerState(out, trainer.model.config, content, readerOf(trainer, m), readerOf(trainer, v));
}

/** Reads pieces of tensors out of a backend's memory. */
function readerOf<Name>({ model: { backend } }: Trainer, tensors: Stored<Name>) {
  return (name: Name, start: number, length: number) => tensors.read(backend, name, start, length);
}

function writerOf<Name>({ model: { backend } }: Trainer, tensors: Stored<Name>) {
  return (name: Name, start: number, data: Float32Array) => tensors.write(backend, name, start, data);
}

/** Tensors by name: of weights, moments or an adapter. */
interface Stored<Name> {
  read(be: Backend, name: Name, start: number, length: number): Promise<Float32Array>;
  write(be: Backend, name: Name, start: number, data: Float32Array): Promise<void>;
}

/**
 * Opens a checkpoint and compares its files with their sha256. InputError says what is damaged or missing; SystemError where
 * a file cannot be read, LlmError where a later version wrote it.
 */
export async function openCheckpoint(folder: string, step: number): Promise<Checkpoint> {
  const paths = checkpointPaths(folder, step);
  const info = await readInfo(paths.info);
  const gone = await missingIn(folder, Object.keys(info?.files ?? {}));
  if (gone.length > 0)
    throw new InputError(
      `${gone.map((name) => inFolder(folder, name)).join(" and ")} ${gone.length > 1 ? "are" : "is"} missing.`,
    );
  if (info && isAdapter(info.files)) {
    for (const [name, expected] of Object.entries(info.files)) await checkFile(inFolder(folder, name), expected);
    const shuffled = info.loader?.order === "shuffle";
    return { folder, step, model: adapterPaths(folder, step).weights, shuffled, processes: 1, info };
  }
  const model = await checkpointModel(folder, step);
  for (const path of [model, paths.state]) {
    const expected = info?.files[nameOf(path)];
    if (info && !expected) throw new InputError(`${paths.info} has no entry for ${nameOf(path)}: it is damaged.`);
    if (expected) await checkFile(path, expected);
  }
  // Without hashes, the sizes given by the headers are still checked.
  const { config, close } = await openModelFile(model);
  await close();
  const state = await withState(paths.state, config, async (file) => file);
  if (state.step !== step) throw new InputError(`${paths.state} is of step ${state.step}: it is another checkpoint's.`);
  return { folder, step, model, shuffled: state.shuffle !== undefined, processes: state.processes, info };
}

/** True for the files of a run that trains an adapter. */
const isAdapter = (files: CheckpointInfo["files"]) => Object.keys(files).some((name) => name.startsWith("adapter_"));

/** Opens a state, of which llm.c's runs with -z 1 have a part in the file of each process, and closes its files in any case. */
function withState<T>(path: string, config: GPT2Config, use: (file: OptimizerStateFile) => Promise<T>): Promise<T> {
  return withSource(path, async (first) => {
    const count = await filesOfState(first, config);
    const others: ByteSource[] = [];
    try {
      for (let rank = 1; rank < count; rank++) others.push(await platform.openSource(stateOfRank(path, rank)));
      return await use(await readOptimizerState(first, config, others));
    } finally {
      await Promise.all(others.map((source) => source.close()));
    }
  });
}

/** Names of the newest checkpoint's model, or its adapter's files, that are gone; empty where no checkpoint was completed. */
export async function missingModelFiles(folder: string): Promise<string[]> {
  const [step] = await completeSteps(folder);
  if (step === undefined) return [];
  const paths = checkpointPaths(folder, step);
  // A damaged record names no files: they are llm.c's then.
  const info = await readInfo(paths.info).catch(() => undefined);
  const recorded = Object.keys(info?.files ?? {}).filter((name) => /^(model|adapter)_/.test(name));
  return missingIn(folder, recorded.length > 0 ? recorded : [nameOf(paths.model)]);
}

async function missingIn(folder: string, names: readonly string[]): Promise<string[]> {
  const kinds = await Promise.all(names.map((name) => platform.pathKind(inFolder(folder, name))));
  return names.filter((_, i) => kinds[i] === undefined);
}

/** Undefined where the file is missing: of llm.c's checkpoints. */
async function readInfo(path: string): Promise<CheckpointInfo | undefined> {
  if ((await platform.pathKind(path)) === undefined) return undefined;
  return parseCheckpointInfo(path, await readSmallText(path));
}

/**
 * The config.json of a run folder; where it is missing, its copy in the newest checkpoint that has one, and the updates
 * `from` of that.
 */
export async function recordedConfig(folder: string): Promise<{ config?: RunConfig; from?: number }> {
  const config = await readRunConfig(folder);
  if (config) return { config };
  for (const from of await completeSteps(folder)) {
    const info = await readInfo(checkpointPaths(folder, from).info).catch((error: unknown) => {
      // A damaged checkpoint is reported where it is opened.
      if (!isDamage(error)) throw error;
      return undefined;
    });
    if (info && isRunConfig(info.config)) return { config: info.config, from };
  }
  return {};
}

/** True for an error of a checkpoint that is damaged or incomplete, not for one of the system, or of a later version's. */
export function isDamage(error: unknown): error is InputError {
  return error instanceof InputError && !(error instanceof SystemError);
}

async function checkFile(path: string, expected: FileHash): Promise<void> {
  const hash = await platform.sha256();
  await withSource(path, async (source) => {
    if (source.size !== expected.bytes)
      throw new InputError(`${path} has ${source.size} bytes, and ${expected.bytes} were written.`);
    for (let start = 0; start < source.size; start += piece)
      hash.update(await source.read(start, Math.min(piece, source.size - start)));
  });
  if (hash.digest() !== expected.sha256) throw new InputError(`${path}: its sha256 is wrong, so its content changed.`);
}

const piece = 1 << 20;

/** UsageError for what is given as a trainer and is none. */
export function requireTrainer(trainer: Trainer): void {
  if (!isObject(trainer) || typeof trainer.state !== "function")
    throw new UsageError(`The trainer is ${shown(trainer)}, expected a Trainer.`);
}

/** Restores the state of a trainer whose model was loaded from the checkpoint. */
export async function restoreCheckpoint(trainer: Trainer, checkpoint: Checkpoint): Promise<void> {
  requireTrainer(trainer);
  if (!isObject(checkpoint) || typeof checkpoint.folder !== "string")
    throw new UsageError(
      `The checkpoint is ${shown(checkpoint)}, expected a Checkpoint, as await RunFolder.newestCheckpoint gives it.`,
    );
  requireSameOptimizer(trainer, checkpoint);
  const { state: path } = checkpointPaths(checkpoint.folder, checkpoint.step);
  if (checkpoint.info && isAdapter(checkpoint.info.files))
    return restoreAdapter(trainer, checkpoint.folder, checkpoint.info);
  await withState(path, trainer.model.config, async (file) => {
    const { m, v } = trainer.moments();
    await file.readMoments(writerOf(trainer, m), writerOf(trainer, v));
    await file.readMasterWeights?.(writerOf(trainer, trainer.model.parameters.weights));
    trainer.restore(trainerState(checkpoint, file));
  });
  await trainer.model.backend.sync();
}

/** UsageError where the moments of a checkpoint are another optimizer's, which would take them for its own. */
function requireSameOptimizer({ options: { optimizer } }: Trainer, { folder, step, info }: Checkpoint): void {
  const run = info?.config.run;
  const ofRun = isObject(run) ? run.optimizer : undefined;
  const before = info ? (info.optimizer ?? ofRun) : llmcOptimizer;
  if (before === undefined || before === optimizer) return;
  throw new UsageError(
    `The checkpoint of ${step} updates in ${folder} holds the moments of ${before}, and the trainer's optimizer is ${optimizer}. ` +
      `Make the Trainer with optimizer: "${before}", or train the checkpoint's model without restoring it.`,
  );
}

const llmcOptimizer = "adamw";

async function restoreAdapter(trainer: Trainer, folder: string, info: CheckpointInfo): Promise<void> {
  const { backend, config } = trainer.model;
  const adapter = await trainer.adapter();
  if (!adapter) throw new InputError(`${folder} holds checkpoints of an adapter, and this run trains weights.`);
  const { lora, set, m, v } = adapter;
  const { weights, state } = adapterPaths(folder, info.step);
  await withSource(weights, (source) => readTrainedAdapter(source, config, lora, writerOf(trainer, set)));
  await withSource(state, (source) =>
    readAdapterState(source, config, lora, writerOf(trainer, m), writerOf(trainer, v)),
  );
  const { loader } = info;
  const position = loader && ("random" in loader || "shard" in loader) ? loader : undefined;
  trainer.restore({ ...info.trainer, loader: position });
  await backend.sync();
}

function trainerState({ info, step }: Checkpoint, { shard, sample, shuffle }: OptimizerStateFile): TrainerState {
  const llmcLoader: TrainerState["loader"] = shuffle
    ? { order: "shuffle", shard, sample, ...shuffle }
    : { order: "file", shard, sample };
  if (!info) return { ...initialState(), step, batches: step, loader: llmcLoader };
  if (!info.loader) return info.trainer;
  return { ...info.trainer, loader: "random" in info.loader ? info.loader : llmcLoader };
}

/**
 * checkpoint_%08d.json: what llm.c's files cannot hold, beside each checkpoint's model and state. Its own sha256 stands
 * in it, so that no damage goes unseen.
 */

/** Raised when a reader of the version before could not use the file. */
const version = 1;

export interface CheckpointInfo {
  /** Updates made. */
  readonly step: number;
  /** Of the model and the state, by name. */
  readonly files: Readonly<Record<string, FileHash>>;
  /** Backend of the updates. Fused multiply-add changes bits, and a BLAS, with which threads do as well. */
  readonly backend: {
    readonly name: string;
    readonly threads: number;
    readonly fma: boolean;
    /** The library that computed the matmuls, in its own words; undefined: the backend itself. */
    readonly blas?: string;
  };
  /** Without the loader's position. */
  readonly trainer: Omit<TrainerState, "loader">;
  /** Whose moments the state file holds; older checkpoints do not say it. */
  readonly optimizer?: Optimizer;
  /** Position in the data. The state file has the rest of llm.c's two orders; that of an adapter has none. */
  readonly loader?: { readonly order: DataOrder } | LoaderPosition;
  /** Time of writing, ISO 8601. Informational. */
  readonly written: string;
  /** Content of config.json. */
  readonly config: Readonly<Record<string, unknown>>;
}

async function formatCheckpointInfo(info: CheckpointInfo): Promise<string> {
  const content = { version, ...info };
  return `${JSON.stringify({ sha256: await hashOf(content), ...content }, null, 2)}\n`;
}

/** InputError when the text is damaged, LlmError when it is of a version that this program does not know. */
async function parseCheckpointInfo(path: string, text: string): Promise<CheckpointInfo> {
  const { sha256, ...content } = parseObject(path, text, "The checkpoint is damaged: use another one.");
  const isIntact = sha256 === (await hashOf(content));
  // An intact file of a later version is not damaged.
  if (content.version !== version && isIntact)
    throw new LlmError(
      `${path}: "version" is ${JSON.stringify(content.version)}, expected ${version}. Another version of llm-ts wrote ` +
        "it: continue with that one, or take the model alone (llm-ts train --model FILE).",
    );
  if (!isIntact || !isInfo(content)) throw new InputError(`${path}: its sha256 is wrong: it is damaged.`);
  return { ...content, config: withCurrentNames(content.config) };
}

/** The order of an object's fields survives JSON, and so the same content gives the same text. */
async function hashOf(content: object): Promise<string> {
  const hash = await platform.sha256();
  hash.update(new TextEncoder().encode(JSON.stringify(content)));
  return hash.digest();
}

/** A content with the right hash was written by this program: a shallow check suffices. */
function isInfo(content: object): content is CheckpointInfo {
  return "step" in content && "files" in content && isObject(content.files) && "trainer" in content;
}
