/** The record of a run in config.json, from which it can be repeated and resumed. */
import { type BaseRecord, isBase } from "../api/adapter-base.ts";
import { type BackendName, backendNames, type KernelName, kernelNames } from "../backend/registry.ts";
import { differences, type Fingerprint, fingerprints } from "../data/fingerprint.ts";
import type { TokenLoader } from "../data/loader.ts";
import { InputError } from "../errors.ts";
import { isObject } from "../format/json.ts";
import type { Loaders } from "../train/loaders.ts";
import { expectation, fits, type Rule } from "../train/setting-rules.ts";
import { type RunChoices, settingNames, type TrainSettings, trainOptions } from "../train/settings.ts";
import { orTrainElsewhere, placeOf } from "./run-config.ts";

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
    return fits(rule, value) ? [] : [`${placeOf(field, name)} is ${shown(value)}, expected ${expectation(rule)}`];
  });
}

const shown = (value: unknown) => JSON.stringify(value) ?? "missing";

function isData(value: unknown): value is DataRecord {
  const isPrints = (prints: unknown) =>
    Array.isArray(prints) && prints.every((print) => isObject(print) && typeof print.sha256 === "string");
  return isObject(value) && isPrints(value.train) && (value.val === undefined || isPrints(value.val));
}
