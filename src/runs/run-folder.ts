import { platform } from "#platform";
import { requireModel } from "../api/generation.ts";
import type { GPT2 } from "../api/gpt2.ts";
import { planTokenizer } from "../data/tokenizer-files.ts";
import { InputError, shown, UsageError } from "../errors.ts";
import { isObject } from "../format/json.ts";
import { missingFolders, requireWritable, saveText } from "../format/save.ts";
import { type OptionNames, requireFolder, requireOptions } from "../option-names.ts";
import { isNoFolder } from "../platform/glob.ts";
import { inFolder, nameOf } from "../platform/paths.ts";
import type { FileLock, LockOwner } from "../platform/platform.ts";
import { checkSettings } from "../train/checks.ts";
import { type TrainEvent, toJsonLine, toLogLine } from "../train/events.ts";
import { complete } from "../train/settings.ts";
import type { Trainer } from "../train/trainer.ts";
import type { CheckpointInfo } from "./checkpoint.ts";
import {
  type Checkpoint,
  isDamage,
  openCheckpoint,
  recordedConfig,
  requireTrainer,
  writeCheckpoint,
} from "./checkpoint.ts";
import {
  checkpointFileIn,
  checkpointModel,
  completeSteps,
  pruneCheckpoints,
  putAside,
  putAsideAfter,
  type Retention,
  removeTemporaries,
} from "./checkpoint-list.ts";
import { type Checkpointed, keepLines, keptLog, keptMetrics, logFile, metricsFile } from "./log.ts";
import { holdsRun, type RunConfig, runConfigVersion } from "./run-config.ts";

/** Files that a run writes, in whose place another one would write its own. */
const runFiles = ["config.json", metricsFile, logFile];

const retentionOptions: OptionNames<Retention> = { keep: true, keepEvery: true };

/** Called when checking whether the owner of a lock is alive takes some milliseconds. */
type OnWatch = (owner: LockOwner, ms: number) => void;

const mostNumbered = 99_999;

/** Longest delay of a step's line: opening two files for each of a small model's steps slows them. */
const WRITE_EVERY_MS = 250;
/** But where that takes long, as in a browser, pending lines wait so many times as long. */
const WRITE_PAUSE = 100;

/**
 * Files of a run: config.json (all that is needed to repeat it), metrics.jsonl (every event as `--json`
 * prints it, the samples among them), main.log (llm.c's lines), tokenizer.bin, and for every checkpoint, by its updates,
 * llm.c's model_%08d.bin (.safetensors where that format cannot hold the model), state_%08d_00000.bin and DONE_%08d with
 * checkpoint_%08d.json; where an adapter is trained, a folder adapter_%08d in PEFT's layout and state_%08d.safetensors. One
 * process at a time has it: run.lock says which.
 */
export class RunFolder {
  readonly path: string;
  readonly #lock: FileLock;
  #config: RunConfig | undefined;
  #configFrom: number | undefined;
  /** Time of the last write, and its duration. */
  #written = 0;
  #msOfWriting = 0;
  /** Pending lines. */
  #metrics = "";
  #log = "";
  /** What `create` made beside a run's own files: tokenizer files that were not there, and folders, the innermost first. */
  #madeFiles: readonly string[] = [];
  #madeFolders: readonly string[] = [];
  /** The checkpoint that the trainer stands at. */
  #newest: CheckpointInfo | undefined;
  #isClosed = false;

  private constructor(path: string, lock: FileLock) {
    this.path = path;
    this.#lock = lock;
  }

  /**
   * Makes `path` a run folder. A path that ends in a slash gets a new numbered folder inside, named after the model:
   * runs/ becomes runs/baby-001. `settings` goes into config.json beside the model's own facts. InputError when
   * the folder already holds a run, is a file, or cannot be written.
   */
  static async create(
    path: string,
    model: GPT2,
    modelName: string,
    settings: Readonly<Record<string, unknown>> = {},
  ): Promise<RunFolder> {
    requireFolder("The folder", path);
    requireModel(model);
    if (typeof modelName !== "string" || modelName === "")
      throw new UsageError(`modelName is ${shown(modelName)}, expected a text: the folder's name begins with it.`);
    if (!isObject(settings)) throw new UsageError(`settings is ${shown(settings)}, expected an object.`);
    const missing = await missingFolders(path);
    const made = isParent(path) ? await makeNumbered(path, modelName) : await makeNamed(path);
    const folder = await RunFolder.#take(made);
    folder.#madeFolders = isParent(path) ? [made, ...missing] : missing;
    try {
      await folder.writeConfig(model, modelName, settings);
      return folder;
    } catch (error) {
      await folder.close();
      throw error;
    }
  }

  /**
   * Opens the folder of a run to continue it. InputError when it is another process's, or of an unknown version.
   * `onWatch` is called when the heartbeat of a process on another machine has to be watched for some milliseconds.
   */
  static async open(path: string, onWatch?: OnWatch): Promise<RunFolder> {
    requireFolder("The folder", path);
    const kind = await platform.pathKind(path);
    if (kind === undefined) throw new InputError(`${path} does not exist. Give the folder of a run.`);
    if (isNoFolder(kind)) throw new InputError(`${path} is a file, where the folder of a run is expected.`);
    const folder = await RunFolder.#take(path, onWatch);
    try {
      const { config, from } = await recordedConfig(path);
      folder.#config = config;
      folder.#configFrom = from;
      await removeTemporaries(path);
      return folder;
    } catch (error) {
      await folder.close();
      throw error;
    }
  }

  /** True when a folder holds a run, llm.c's included. */
  static async holdsRun(path: string): Promise<boolean> {
    requireFolder("The folder", path);
    return holdsRun(path);
  }

  /** Removes a run with all that it left. InputError when it is still running, or the folder holds no run. */
  static async remove(path: string): Promise<void> {
    if (!(await RunFolder.holdsRun(path))) throw new InputError(`${path} holds no run. Name the folder of one.`);
    const lock = await platform.lockFile(inFolder(path, lockName));
    try {
      await platform.removeFolder(path);
    } finally {
      await lock.release();
    }
  }

  /** InputError when `path` is a file, or already holds a run or files that one would replace. Makes nothing. */
  static async requireVacant(path: string): Promise<void> {
    requireFolder("The folder", path);
    const kind = await platform.pathKind(path.replace(/(?<=.)[/\\]+$/, ""));
    if (isNoFolder(kind))
      throw new InputError(`${path} is a file, where a run folder is expected. Choose another name.`);
    const name = isParent(path) ? undefined : await runFileIn(path);
    if (name === undefined) return;
    const elsewhere = "another folder, or end the path in a slash to get a new numbered folder inside it.";
    if (!(await holdsRun(path)))
      throw new InputError(
        runFiles.includes(name)
          ? `${path} holds a ${name} that no run wrote, and a run would replace it. Choose ${elsewhere}`
          : `${path} holds ${name}, and a run would write files of such names beside it, or over it. Choose ${elsewhere} ` +
              "To resume from a checkpoint (-y), all its files must be there: model_…, state_…, checkpoint_… and DONE_….",
      );
    const owner = await platform.lockOwner(inFolder(path, lockName));
    const whose = owner ? `, which ${owner.who} has since ${owner.started}` : "";
    throw new InputError(
      `${path} already holds a run (${name} is there)${whose}. ${owner ? "Choose" : "Continue it with --resume (-y), choose"} ` +
        elsewhere,
    );
  }

  /** InputError when `create` could make no run folder of `path`: worth knowing before long work. Makes nothing. */
  static async check(path: string): Promise<void> {
    await RunFolder.requireVacant(path);
    await requireWritable(path);
  }

  static async #take(path: string, onWatch?: OnWatch): Promise<RunFolder> {
    return new RunFolder(path, await platform.lockFile(inFolder(path, lockName), onWatch));
  }

  /** Content of config.json, or of a checkpoint's copy of it; undefined for a run of llm.c's that was not continued yet. */
  get config(): RunConfig | undefined {
    return this.#config;
  }

  /** Updates of the checkpoint that `config` was read from, where config.json is missing. */
  get configFrom(): number | undefined {
    return this.#configFrom;
  }

  /** The process that had this folder and ended without giving it back: killed, or lost with its machine. */
  get takenFrom(): LockOwner | undefined {
    return this.#lock.takenFrom;
  }

  /** The path of a file in this folder. */
  file(name: string): string {
    return inFolder(this.path, name);
  }

  /** Writes config.json and the tokenizer: of a new run, or of a resumed one, whose settings may have changed. */
  async writeConfig(model: GPT2, modelName: string, settings: Readonly<Record<string, unknown>>): Promise<void> {
    this.#requireOpen();
    const { backend, config, tokenizer, endTokens } = model;
    const { name, threads, promises, description, blas } = backend;
    const content: RunConfig = {
      version: runConfigVersion,
      created: this.#config?.created ?? new Date().toISOString(),
      model: { name: modelName, ...config, tokenizer: tokenizer?.kind },
      backend: { name, threads, fma: promises.fma, description, blas },
      ...settings,
    };
    const set = { tokenizer, reader: "llm-ts", V: config.V, endTokens } as const;
    const beside = await planTokenizer(this.path, set, [], "none");
    const present = await platform.listFolder(this.path);
    await this.#saveConfig(content);
    await beside.write();
    this.#madeFiles = beside.names.filter((name) => !present.includes(name));
  }

  /** Writes config.json with other values of some fields. */
  async changeConfig(fields: Readonly<Record<string, unknown>>): Promise<void> {
    this.#requireOpen();
    if (this.#config) await this.#saveConfig({ ...this.#config, ...fields });
  }

  async #saveConfig(content: RunConfig): Promise<void> {
    await saveText(this.file("config.json"), `${JSON.stringify(content, null, 2)}\n`);
    this.#config = content;
  }

  /** Writes an event down: a step soon, everything else, and all before it, at once. One call after the other. */
  async record(event: TrainEvent): Promise<void> {
    this.#requireOpen();
    this.#metrics += toJsonLine(event);
    this.#log += toLogLine(event) ?? "";
    const wait = Math.max(WRITE_EVERY_MS, WRITE_PAUSE * this.#msOfWriting);
    if (event.type !== "step" || performance.now() - this.#written >= wait) await this.flush();
  }

  /**
   * Writes pending lines; `toDisk`: so that it survives a power cut. What cannot be written, on a full disk, waits on: the
   * next call tries again. LlmError when another process has taken the folder over.
   */
  async flush(toDisk = false): Promise<void> {
    this.#requireOpen();
    const start = performance.now();
    this.#written = start;
    const [metrics, log] = [this.#metrics, this.#log];
    if (metrics !== "" || log !== "" || toDisk) await this.#lock.check();
    if (metrics !== "" || toDisk) await platform.appendText(this.file(metricsFile), metrics, toDisk);
    this.#metrics = this.#metrics.slice(metrics.length);
    if (log !== "" || toDisk) await platform.appendText(this.file(logFile), log, toDisk);
    this.#log = this.#log.slice(log.length);
    this.#written = performance.now();
    this.#msOfWriting = this.#written - start;
  }

  /**
   * Saves all that a resume needs, and returns the model's path: for `checkpoint` of `Trainer.run`. Then older
   * checkpoints are removed; by default the last two are kept. UsageError for numbers to keep that are none, InputError
   * when the disk is full or the like: the checkpoints before stay.
   */
  async checkpoint(trainer: Trainer, retention: Partial<Retention> = {}): Promise<string> {
    requireOptions("RunFolder.checkpoint", retention, retentionOptions);
    requireTrainer(trainer);
    this.#requireOpen();
    const kept = complete(["keep", "keepEvery"], retention);
    checkSettings(kept);
    await this.flush(true);
    this.#newest = await writeCheckpoint(this.path, trainer, this.#config ?? {}, this.#newest);
    await pruneCheckpoints(this.path, kept);
    return checkpointModel(this.path, this.#newest.step);
  }

  /**
   * The newest checkpoint that is whole; `onUnusable` is called for newer ones that are not. LlmError where that cannot be
   * known: a file cannot be read, or a later version wrote it.
   */
  async newestCheckpoint(onUnusable: (step: number, problem: string) => void): Promise<Checkpoint | undefined> {
    for (const step of await completeSteps(this.path)) {
      try {
        return await openCheckpoint(this.path, step);
      } catch (error) {
        if (!isDamage(error)) throw error;
        onUnusable(step, error.message);
      }
    }
    return undefined;
  }

  /**
   * Takes the folder back to a checkpoint: later ones are put aside, and later lines of the logs removed. Without one the run
   * begins again, and its logs are put aside as well. `state` is that of the resumed trainer.
   */
  async goBackTo(checkpoint: Checkpoint | undefined, state?: Checkpointed): Promise<void> {
    this.#requireOpen();
    await putAsideAfter(this.path, checkpoint?.step ?? -1);
    const logs = [this.file(metricsFile), this.file(logFile)] as const;
    this.#newest = checkpoint?.info;
    if (!checkpoint) return putAside(logs, ".earlier");
    const from = state ?? { step: checkpoint.step };
    await keepLines(logs[0], keptMetrics(from));
    await keepLines(logs[1], keptLog(from));
  }

  /**
   * Removes what `create` and `record` wrote, and the folder where it was made for this run; then releases it. For a new run that is
   * refused before its first checkpoint: other files stay.
   */
  async discard(): Promise<void> {
    this.#requireOpen();
    [this.#metrics, this.#log] = ["", ""];
    await this.#lock.check();
    for (const name of [...runFiles, ...this.#madeFiles]) await platform.removeFile(this.file(name));
    await this.close();
    for (const folder of this.#madeFolders) if (!(await platform.removeEmptyFolder(folder))) break;
  }

  /** Writes pending lines, and releases the folder. A second call does nothing. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    try {
      await this.flush();
    } finally {
      this.#isClosed = true;
      await this.#lock.release();
    }
  }

  /** UsageError after `close`: the folder may be another's by now. */
  #requireOpen(): void {
    if (this.#isClosed)
      throw new UsageError(`The run folder ${this.path} was closed. Open it again with RunFolder.open to write there.`);
  }
}

export const lockName = "run.lock";

const isParent = (path: string) => /[/\\]$/.test(path);

/** The name of a file that a new run in a folder would replace, or would be mistaken for its own. */
async function runFileIn(path: string): Promise<string | undefined> {
  for (const name of runFiles) if (await platform.pathKind(inFolder(path, name))) return name;
  return checkpointFileIn(path);
}

async function makeNamed(path: string): Promise<string> {
  await RunFolder.requireVacant(path);
  if ((await platform.pathKind(path)) === undefined) await platform.makeFolder(path);
  return path;
}

async function makeNumbered(parent: string, modelName: string): Promise<string> {
  const last = nameOf(modelName.replace(/[/\\]+$/, "")).replace(/\.(bin|safetensors)$/, "");
  // Dots alone are a folder's name for itself, or hide what they begin.
  const name = /^\.*$/.test(last) ? "model" : last;
  const folder = parent.replace(/[/\\]+$/, "");
  for (let number = 1; number <= mostNumbered; number++) {
    const path = `${folder}/${name}-${String(number).padStart(3, "0")}`;
    if (await platform.makeNewFolder(path)) return path;
  }
  throw new InputError(`${parent} holds ${mostNumbered} runs of ${name}. Choose another folder.`);
}
