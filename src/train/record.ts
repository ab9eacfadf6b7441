/** What config.json keeps of a run, so that it can be repeated and continued: written here, and read back. */
import { differences, type Fingerprint, fingerprints } from "../data/fingerprint.ts";
import { InputError } from "../errors.ts";
import { isObject } from "../format/json.ts";
import type { Loaders } from "./loaders.ts";
import { scheduleNames } from "./schedule.ts";
import type { RunChoices, Seeds, TrainSettings } from "./settings.ts";
import type { Updates } from "./updates.ts";

/** The token files of a run, by which they are known again. */
export interface DataRecord {
  readonly name: string;
  readonly train: readonly Fingerprint[];
  readonly val?: readonly Fingerprint[];
}

export interface RunRecord {
  /** The folder that the paths in `given` start from. */
  readonly cwd: string;
  /** Options that say where model and data come from, and all others as they were typed. */
  readonly given: RunChoices;
  readonly data: DataRecord;
  /** Every setting, as it was given or by default. */
  readonly run: TrainSettings & Updates & Seeds;
}

export async function recordData(name: string, { train, val }: Loaders): Promise<DataRecord> {
  return { name, train: await fingerprints(train.files), val: val && (await fingerprints(val.files)) };
}

/** How the data differs from what it was, in words: one line for each difference. */
export function dataDifferences(before: DataRecord, now: DataRecord): string[] {
  const found = differences(before.train, now.train);
  return before.val && now.val ? [...found, ...differences(before.val, now.val)] : found;
}

/** The record in a run folder's config.json; InputError names the field that cannot be. */
export function readRecord(folder: string, { cwd, given, data, run }: Readonly<Record<string, unknown>>): RunRecord {
  if (typeof cwd === "string" && isGiven(given) && isData(data) && isRun(run)) return { cwd, given, data, run };
  const fields = { cwd: typeof cwd === "string", given: isGiven(given), data: isData(data), run: isRun(run) };
  const wrong = Object.entries(fields).filter(([, okay]) => !okay);
  throw new InputError(
    `${folder}/config.json: ${wrong.map(([field]) => `"${field}"`).join(", ")} cannot be, so the run cannot go on. Train ` +
      "its model on in a new folder (llm-ts train --model, with this one).",
  );
}

function isGiven(value: unknown): value is RunRecord["given"] {
  return isObject(value) && Object.entries(value).every(([name, flag]) => isFlag(name, flag));
}

function isRun(value: unknown): value is RunRecord["run"] {
  return isGiven(value) && ["batch", "block", "steps", "lr", "order", "seed"].every((name) => name in value);
}

function isData(value: unknown): value is DataRecord {
  const isPrints = (prints: unknown) =>
    Array.isArray(prints) && prints.every((print) => isObject(print) && typeof print.sha256 === "string");
  return isObject(value) && isPrints(value.train) && (value.val === undefined || isPrints(value.val));
}

const words: Readonly<Record<string, readonly string[] | undefined>> = {
  order: ["file", "shuffle", "random"],
  schedule: scheduleNames,
  onNan: ["stop", "skip"],
};
const texts = ["model", "train", "val"];
const switches = ["headerless", "overfit"];

function isFlag(name: string, value: unknown): boolean {
  if (words[name]) return words[name].includes(String(value));
  if (texts.includes(name)) return typeof value === "string";
  return typeof value === (switches.includes(name) ? "boolean" : "number");
}
