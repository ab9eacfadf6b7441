/** Options of a resumed run that differ from those it was started with. */
import { resolve } from "node:path";
import { UsageError } from "../../errors.ts";
import { headerlessTypes } from "../../format/headerless.ts";
import { isObject } from "../../format/json.ts";
import { architectureIn, presetNames, pretrainedFile } from "../../model/config.ts";
import type { RunRecord } from "../../runs/record.ts";
import { loraOption } from "../../train/lora-options.ts";
import { optionNamed, trainOptions, unlimitedSteps } from "../../train/settings.ts";
import { longFlag, type TrainFlags } from "./options.ts";

const isFixed = (name: string) => optionNamed(name)?.change === "never";

/** True if a flag must agree with the run's. */
export function isSetting(name: string, { run }: Pick<RunRecord, "run">): boolean {
  return isFixed(name) || (name in run && optionNamed(name)?.change !== "always");
}

interface Difference {
  readonly name: string;
  readonly before: unknown;
  readonly now: unknown;
  /** Of a batch: those that each take as many rows. */
  readonly processes?: number;
}

/**
 * The flags given now that say something else than the run's settings and the sizes of its `model`, as config.json has it,
 * do. Data is compared by its content, elsewhere.
 */
export function differingFlags(
  flags: TrainFlags,
  { given, run, cwd, processes = 1 }: RunRecord,
  model: unknown,
): Difference[] {
  const before: Readonly<Record<string, unknown>> = { ...sizesOf(model), ...given, ...run };
  const typed: Readonly<Record<string, unknown>> = { ...given };
  const asCounted = (name: string, value: unknown) => loraOption(name, value, run.loraRank);
  const inBatch = processes * run.batch * run.block;
  const usualModel = given.depth === undefined ? trainOptions.model.default : "custom";
  const meant = (name: string, value: unknown, folder: string) => {
    if (name === "totalBatch") return value || inBatch;
    if (name === "headerless") return value === true ? headerlessTypes[0] : value;
    return name === "model" ? modelMeant(value ?? usualModel, folder) : value;
  };
  const here = process.cwd();
  return (
    Object.entries(flags)
      .filter(([name]) => isSetting(name, { run }))
      // The model that an adapter adapts is compared by its content, elsewhere: it may have moved.
      .filter(([name]) => !(name === "model" && run.loraRank > 0))
      .filter(([name, now]) => now !== typed[name])
      .map(([name, now]) => [name, asCounted(name, before[name]), asCounted(name, now)] as const)
      // A path that was typed in another folder may lead to the same file from here.
      .filter(([name, then, now]) => [cwd, here].every((from) => meant(name, then, from) !== meant(name, now, here)))
      .map(([name, before, now]) => ({ name, before, now, ...(name === "batch" && { processes }) }))
  );
}

/** A model's name as it is, and the path of one in full, from `folder`: ./base.bin is base.bin. */
function modelMeant(value: unknown, folder: string): unknown {
  if (typeof value !== "string" || value === "custom" || presetNames.includes(value)) return value;
  return pretrainedFile(value) === undefined ? resolve(folder, value) : value;
}

/** The options that describe a model of one's own, with the values of a model that has them by default. */
function sizesOf(model: unknown): Partial<TrainFlags> {
  if (!isObject(model)) return {};
  const number = (value: unknown) => (typeof value === "number" ? value : undefined);
  const { L, NH, C, V, maxT } = model;
  const [layers, heads, channels, context, vocab] = [L, NH, C, maxT, V].map(number);
  return { layers, heads, channels, context, vocab, ...architectureIn(model) };
}

/** The flag of a setting: "--lr". */
function flagOf(name: string): string {
  const option = optionNamed(name);
  return option ? longFlag(option) : name;
}

export function describe({ name, before, now, processes = 1 }: Difference): string {
  const each = processes > 1 ? ` (rows in each of ${processes} processes)` : "";
  return `${flagOf(name)}${each}: ${shown(before)}, now ${shown(now)}`;
}

/** A value as users know it: of a run by minutes alone, the number of updates has no limit. */
function shown(value: unknown): string {
  return value === undefined || value === null || value === unlimitedSteps ? "none" : String(value);
}

/** UsageError for differences that are not wanted, or not possible. */
export function refuse(path: string, found: readonly Difference[], force: boolean): void {
  const never = found.filter(({ name }) => isFixed(name));
  const refused = force ? never : found;
  if (refused.length === 0) return;
  const advice =
    never.length === 0
      ? "Leave it out to resume as before, or add --force."
      : `${never.map(({ name }) => flagOf(name)).join(", ")} cannot change within a run, not even with --force: ` +
        "leave it out, or start another run.";
  throw new UsageError(`The run in ${path} has other settings. ${found.map(describe).join("; ")}. ${advice}`);
}
