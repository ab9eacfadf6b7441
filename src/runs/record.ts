/** The record of a run in config.json, from which it can be repeated and resumed, by another number of processes too. */
import { type BaseRecord, isBase } from "../api/adapter-base.ts";
import { type BackendName, backendNames, type KernelName, kernelNames } from "../backend/registry.ts";
import { differences, type Fingerprint, fingerprints } from "../data/fingerprint.ts";
import type { TokenLoader } from "../data/loader.ts";
import { InputError, UsageError } from "../errors.ts";
import { isObject } from "../format/json.ts";
import type { Rank } from "../group/group.ts";
import type { Loaders } from "../train/loaders.ts";
import { expectation, fits, type Rule } from "../train/setting-rules.ts";
import {
  optionNamed,
  type RunChoices,
  settingNames,
  sourceNames,
  type TrainSettings,
  trainOptions,
} from "../train/settings.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { orTrainElsewhere, placeOf } from "./run-config.ts";
import type { RunFolder } from "./run-folder.ts";

/** The token files of a run, by which they are known again. */
export interface DataRecord {
  readonly name: string;
  readonly train: readonly Fingerprint[];
  readonly val?: readonly Fingerprint[];
}

/** Options as they were typed, those that say where model and data come from among them. */
export interface GivenOptions extends RunChoices, Computing {}

/** Backend, kernel and BLAS, where they were chosen. */
export interface Computing {
  readonly backend?: BackendName;
  readonly kernel?: KernelName;
  /** The one that computed, where "auto" was chosen: "none" if the kernels were faster. */
  readonly blas?: string;
}

export interface RunRecord {
  /** The folder that the paths in `given` start from. */
  readonly cwd: string;
  readonly given: GivenOptions;
  readonly data: DataRecord;
  /** Every setting, as it was given or by default. */
  readonly run: TrainSettings;
  /** Processes that trained together; absent for one. Each took `run.batch` rows of every batch. */
  readonly processes?: number;
  /** Of a run that trains an adapter: the model that it adapts. */
  readonly base?: BaseRecord;
}

export async function recordData(name: string, { train, val }: Loaders): Promise<DataRecord> {
  const filesOf = ({ files, masks }: TokenLoader) => fingerprints([...files, ...masks]);
  return { name, train: await filesOf(train), val: val && (await filesOf(val)) };
}

/** Differences between recorded and present data, in words: one line each. */
export function dataDifferences(before: DataRecord, now: DataRecord): string[] {
  const found = differences(before.train, now.train);
  return before.val && now.val ? [...found, ...differences(before.val, now.val)] : found;
}

/** The record in a run folder's config.json; InputError names every invalid field. */
export function readRecord(folder: string, config: Readonly<Record<string, unknown>>): RunRecord {
  const { cwd, given, data, run, processes, base } = config;
  const hasBase = isRun(run) && (run.loraRank === 0 || isBase(base));
  if (typeof cwd === "string" && isGiven(given) && isData(data) && isRun(run) && isProcesses(processes) && hasBase)
    return { cwd, given, data, run, processes, ...(isBase(base) && { base }) };
  const problems = [
    ...(typeof cwd === "string" ? [] : [`"cwd" is ${shown(cwd)}, expected a text`]),
    ...problemsIn("given", given, givenRules),
    ...problemsIn("run", run, runRules, settingNames),
    ...(isProcesses(processes) ? [] : [`"processes" is ${shown(processes)}, expected a whole number of at least 1`]),
    ...(isRun(run) && !hasBase ? ['"base" does not say which model the adapter adapts'] : []),
    ...(isData(data) ? [] : ['"data" does not say which files the run was trained on']),
  ];
  throw new InputError(
    `${folder}/config.json: ${problems.join("; ")}. The run cannot be resumed like that: ${orTrainElsewhere("correct it", folder)}`,
  );
}

const { accumulate, ...choosable } = trainOptions;
const givenRules: Readonly<Record<string, Rule>> = {
  ...choosable,
  backend: { kind: "choice", values: backendNames },
  kernel: { kind: "choice", values: kernelNames },
  blas: { kind: "text" },
};

/** Epochs are updates in a record. */
const runRules: Readonly<Record<string, Rule>> = {
  ...Object.fromEntries(settingNames.map((name) => [name, trainOptions[name]])),
  steps: { ...trainOptions.steps, min: 0 },
};

const isGiven = (value: unknown): value is RunRecord["given"] => problemsIn("given", value, givenRules).length === 0;
const isProcesses = (value: unknown): value is number | undefined =>
  value === undefined || (Number.isSafeInteger(value) && Number(value) >= 1);
const isRun = (value: unknown): value is RunRecord["run"] =>
  problemsIn("run", value, runRules, settingNames).length === 0;

/** Problems of the settings in a field of config.json, of which those in `required` must be present. */
function problemsIn(
  field: string,
  settings: unknown,
  rules: Readonly<Record<string, Rule>>,
  required: readonly string[] = [],
): string[] {
  if (!isObject(settings)) return [`"${field}" is ${shown(settings)}, expected settings by name`];
  return [...new Set([...required, ...Object.keys(settings)])].flatMap((name) => {
    const [rule, value] = [rules[name], settings[name]];
    if (!rule) return [`${placeOf(field, name)} is not a setting`];
    return fits(rule, value)
      ? []
      : [`${placeOf(field, name)} is ${shown(value)}, expected ${expectation(rule, value)}`];
  });
}

const shown = (value: unknown) => JSON.stringify(value) ?? "missing";

function isData(value: unknown): value is DataRecord {
  const isPrints = (prints: unknown) =>
    Array.isArray(prints) && prints.every((print) => isObject(print) && typeof print.sha256 === "string");
  return isObject(value) && isPrints(value.train) && (value.val === undefined || isPrints(value.val));
}

/**
 * The record for a resume with `size` processes: the batches of the run stay as they are, and with them its position in the
 * data, and each process takes another number of their rows. UsageError where they cannot be divided.
 */
export function dividedAmong({ size }: Rank, path: string, record: RunRecord): RunRecord {
  const { run, processes = 1 } = record;
  if (processes === size) return record;
  const rows = run.batch * processes;
  if (rows % size === 0) {
    const divided = withoutShares(size, record);
    return { ...divided, run: { ...divided.run, batch: rows / size }, processes: size };
  }
  const fitting = Array.from({ length: rows }, (_, i) => i + 1).filter((count) => rows % count === 0);
  throw new UsageError(
    `A batch of the run in ${path} has ${rows} rows, which ${size} processes cannot share equally. Resume it with ` +
      `${shortList(fitting)} processes.`,
  );
}

/** One process shares nothing out. */
function withoutShares(size: number, record: RunRecord): RunRecord {
  if (size > 1) return record;
  const { zeroStage, ...given } = record.given;
  return { ...record, given, run: { ...record.run, zeroStage: 0 } };
}

function shortList(numbers: readonly number[]): string {
  const shown = numbers.length > 8 ? [...numbers.slice(0, 7), numbers.at(-1)] : numbers;
  return `${shown.slice(0, -1).join(", ")}${shown.length > 1 ? " or " : ""}${shown.at(-1)}`;
}

/** Fields that are compared: settings that a result depends on, and those of the model except paths, which a move may change. */
const compared: Readonly<Record<string, readonly string[]>> = {
  run: settingNames.filter((name) => optionNamed(name)?.change !== "always"),
  given: sourceNames.filter((name) => trainOptions[name].kind !== "text"),
  model: ["L", "NH", "C", "V", "maxT"],
};

/**
 * Every setting in config.json must be the checkpoint's, or what an option changed it to since then. InputError names
 * those that are not, with both values.
 */
export function requireUnedited({ path, config }: RunFolder, { step, info }: Checkpoint): void {
  if (!config || !info) return;
  const before = { ...info.config, run: { ...objectIn(info.config.run), ...changesSince(info.config, config) } };
  const found = Object.entries(compared).flatMap(([field, names]) => {
    const [now, then] = [objectIn(config[field]), objectIn(objectIn(before)[field])];
    return names
      .filter((name) => now[name] !== then[name])
      .map((name) => `${placeOf(field, name)} is ${inJson(now[name])}, and the checkpoint has ${inJson(then[name])}`);
  });
  if (found.length === 0) return;
  throw new InputError(
    `${path}/config.json was edited since the checkpoint of step ${step}: ${found.join("; ")}. Put back what the ` +
      "checkpoint has. What may change within a run is changed by an option and --force, such as --steps 1000 --force.",
  );
}

/** Settings that options changed in the starts after the checkpoint. */
function changesSince(
  then: Readonly<Record<string, unknown>>,
  now: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const later = listIn(now.continued).slice(listIn(then.continued).length);
  return Object.assign({}, ...later.map((start) => objectIn(objectIn(start).set)));
}

/** Settings of `run` that are others than in config.json, for the record of a start. */
export function changedSettings({ config }: RunFolder, run: object): Record<string, unknown> {
  const before = objectIn(config?.run);
  return Object.fromEntries(Object.entries(run).filter(([name, value]) => before[name] !== value));
}

const objectIn = (value: unknown) => (isObject(value) ? value : {});
const listIn = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const inJson = (value: unknown) => JSON.stringify(value) ?? "nothing";
