import { platform } from "#platform";
import { isBase } from "../api/adapter-base.ts";
import { InputError, LlmError } from "../errors.ts";
import { isObject } from "../format/json.ts";
import { architectureIn, makeConfig } from "../model/config.ts";
import type { Optimizer } from "../model/muon-memory.ts";
import { parameterCount } from "../model/parameters.ts";
import { isNoFolder } from "../platform/glob.ts";
import type { Point } from "../plot/points.ts";
import { loraOption } from "../train/lora-options.ts";
import { unlimitedSteps } from "../train/settings.ts";
import { completeSteps } from "./checkpoint-list.ts";
import { linesOf, logFile, logIn, type Metric, metricsFile, numberIn, parseLine } from "./log.ts";
import { readRunConfig } from "./run-config.ts";
import { lockName } from "./run-folder.ts";

/** State of a run; `stopped`: by early stopping; `cut off`: without a `done` event, after a crash for example. */
export type RunStatus = "running" | "done" | "stopped" | "interrupted" | "cut off" | "unreadable";

/** Summary of a run folder: a row of a table. Unknown fields are left out. */
export interface RunSummary {
  readonly folder: string;
  readonly status: RunStatus;
  /** The reason why the folder is unreadable. */
  readonly reason?: string;
  readonly model?: string;
  readonly parameters?: number;
  /** Of a run that trains an adapter: what, and of which model. */
  readonly adapter?: RunAdapter;
  /** What updates the matrices of layers, where it is not AdamW. */
  readonly optimizer?: Optimizer;
  /** Updates made, and planned. */
  readonly step?: number;
  readonly steps?: number;
  /** Of the last update, and of the last and the best validation. */
  readonly loss?: number;
  readonly valLoss?: number;
  readonly bestValLoss?: number;
  /** Of the last validation. */
  readonly bitsPerByte?: number;
  /** Updates that were skipped, known at the end. */
  readonly skipped?: number;
  /** The updates of the newest checkpoint, from which the run can resume. */
  readonly checkpoint?: number;
  /** Over the last updates. */
  readonly tokensPerSecond?: number;
  /** Milliseconds the run took, from its start to its end and without the pauses between its starts. */
  readonly ms?: number;
  /** Start, ISO 8601. */
  readonly created?: string;
  /** Its last start, and how many milliseconds it had taken before. */
  readonly lastStart?: { readonly at: string; readonly ms: number };
}

export interface RunAdapter {
  readonly rank: number;
  readonly alpha: number;
  /** The adapted matrices, with commas. */
  readonly targets: string;
  /** The file of the model that it adapts, and its sha256. */
  readonly base: string;
  readonly sha256: string;
}

/** Quantities of an update that can be drawn. */
export type Quantity = "loss" | "learningRate" | "norm" | "tokensPerSecond";

/** One quantity of a run over its updates, and one of its validations. */
export interface RunCurves {
  readonly train: readonly Point[];
  readonly val: readonly Point[];
}

const configFile = "config.json";

/** Number of last updates that the speed is averaged over. */
const recentSteps = 50;

/**
 * Summarizes a run folder. Never throws for its content: the summary has the reason. `tallyOf` serves callers that have
 * read a part of the log already.
 */
export async function readRun(folder: string, tallyOf = readTally): Promise<RunSummary> {
  try {
    const path = await logPath(folder);
    const settings = await readSettings(folder);
    const events = path === undefined ? { status: "cut off" as const } : (await tallyOf(path)).summary;
    const [checkpoint] = await completeSteps(folder);
    const isRunning = (await platform.lockOwner(`${folder}/${lockName}`)) !== undefined;
    return { folder, ...settings, ...events, checkpoint, ...(isRunning && { status: "running" }) };
  } catch (error) {
    if (!(error instanceof LlmError)) throw error;
    const [checkpoint] = await completeSteps(folder).catch(() => []);
    return { folder, status: "unreadable", reason: error.message, checkpoint };
  }
}

/** The events of a run's log, in their order. InputError when the folder holds no log. */
export async function* readMetrics(folder: string): AsyncGenerator<Metric, void, undefined> {
  const path = await logPath(folder);
  if (path === undefined) throw new InputError(`${folder} holds no log of a run yet.`);
  for await (const lines of linesOf(path))
    for (const line of lines) {
      const metric = parseLine(line);
      if (metric) yield metric;
    }
}

/** Reads a quantity of all updates and one of all validations. InputError when the folder holds no log. */
export async function readCurves(
  folder: string,
  quantity: Quantity,
  ofValidation: "loss" | "bitsPerByte" = "loss",
): Promise<RunCurves> {
  const path = await logPath(folder);
  const train: Point[] = [];
  const val: Point[] = [];
  if (path === undefined) return { train, val };
  for await (const lines of linesOf(path))
    for (const line of lines) {
      const metric = parseLine(line);
      if (metric?.event === "step") append(train, metric.step, metric[quantity]);
      else if (metric?.event === "val") append(val, metric.step, metric[ofValidation]);
    }
  return { train, val };
}

/** A run that was resumed from a checkpoint makes the updates behind it again: the later ones count. */
function append(points: Point[], step: number, value: number | undefined): void {
  while (points.length > 0 && points[points.length - 1].step >= step) points.pop();
  if (value !== undefined && Number.isFinite(value)) points.push({ step, value });
}

/**
 * The file with a run's events; undefined before the first, or where only its checkpoints were copied. InputError for a folder
 * that holds no run.
 */
export async function logPath(folder: string): Promise<string | undefined> {
  const path = await logIn(folder);
  if (path !== undefined) return path;
  if ((await platform.pathKind(`${folder}/${configFile}`)) === "file") return undefined;
  if ((await completeSteps(folder)).length > 0) return undefined;
  const kind = await platform.pathKind(folder);
  if (isNoFolder(kind)) throw new InputError(`${folder} is a file, where the folder of a run is expected.`);
  if (kind === undefined) throw new InputError(`${folder} does not exist. Give the folder of a run.`);
  throw new InputError(`${folder} holds no run: there is neither ${configFile} nor ${metricsFile} nor ${logFile}.`);
}

/** The part of the summary in config.json, which llm.c's folders do not have. */
async function readSettings(folder: string): Promise<Partial<RunSummary>> {
  const settings = await readRunConfig(folder);
  if (!settings) return {};
  const { model, run, created, continued } = settings;
  const [L, NH, C, V, maxT] = ["L", "NH", "C", "V", "maxT"].map((name) => numberIn(model, name) ?? 0);
  if (!isObject(model) || typeof model.name !== "string")
    throw new InputError(`${folder}/${configFile} is damaged: it does not say which model was trained.`);
  const parameters = parameterCount(makeConfig({ L, NH, C, V, maxT, ...architectureIn(model) }));
  const last: unknown = Array.isArray(continued) ? continued.at(-1) : undefined;
  const started = isObject(last) && typeof last.started === "string" ? last.started : undefined;
  const lastStart = started === undefined ? undefined : { at: started, ms: numberIn(last, "ms") ?? 0 };
  const planned = numberIn(run, "steps");
  const steps = planned === unlimitedSteps ? undefined : planned;
  const optimizer = isObject(run) && run.optimizer === "muon" ? run.optimizer : undefined;
  return { model: model.name, parameters, ...adapterIn(settings), optimizer, steps, created, lastStart };
}

function adapterIn({ run, base }: Readonly<Record<string, unknown>>): Pick<RunSummary, "adapter"> {
  const rank = numberIn(run, "loraRank") ?? 0;
  if (rank === 0 || !isObject(run) || !isBase(base)) return {};
  const { loraAlpha, loraTargets } = run;
  const option = (name: string, value: unknown) => loraOption(name, value, rank);
  const [alpha, targets] = [option("loraAlpha", loraAlpha), option("loraTargets", loraTargets)];
  return { adapter: { rank, alpha: Number(alpha), targets: String(targets), base: base.path, sha256: base.sha256 } };
}

async function readTally(path: string): Promise<RunTally> {
  const tally = new RunTally(path);
  for await (const lines of linesOf(path)) tally.add(lines);
  return tally;
}

/** Incremental summary of a log. Of the updates, which are most lines, only the last ones are parsed. */
export class RunTally {
  readonly #path: string;
  #recent: string[] = [];
  #anything = false;
  #val: Metric | undefined;
  #best = Number.POSITIVE_INFINITY;
  #done: Metric | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  add(lines: readonly string[]): void {
    for (const line of lines) {
      if (/^\{"event":"step"|trl:/.test(line)) {
        this.#recent.push(line);
        // Resumed after its recorded end.
        this.#done = undefined;
        continue;
      }
      const metric = parseLine(line);
      if (!metric) continue;
      this.#anything = true;
      if (metric.event === "done") this.#done = metric;
      if (metric.event !== "val" || metric.loss === undefined) continue;
      this.#val = metric;
      this.#best = Math.min(this.#best, metric.loss);
    }
    this.#recent = this.#recent.slice(-recentSteps);
  }

  /** InputError when no line could be read. */
  get summary(): Omit<RunSummary, "folder"> {
    const [val, done] = [this.#val, this.#done];
    const steps = this.#recent.map(parseLine).filter((metric) => metric !== undefined);
    const last = steps.at(-1);
    if (!last && !this.#anything)
      throw new InputError(`${this.#path} has no line that could be read: it is empty or damaged.`);
    const speeds = steps.flatMap(({ tokensPerSecond }) => tokensPerSecond ?? []);
    return {
      status: statusOf(done),
      step: done?.step ?? (last ? last.step + 1 : val?.step),
      loss: last?.loss,
      valLoss: val?.loss,
      bitsPerByte: val?.bitsPerByte,
      bestValLoss: val && this.#best,
      skipped: done?.skipped,
      tokensPerSecond: speeds.length > 0 ? speeds.reduce((sum, speed) => sum + speed) / speeds.length : undefined,
      ms: done?.ms,
    };
  }
}

function statusOf(done: Metric | undefined): RunStatus {
  if (done === undefined) return "cut off";
  if (done.interrupted) return "interrupted";
  return done.stopped ? "stopped" : "done";
}
