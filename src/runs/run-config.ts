import { platform } from "#platform";
import { InputError } from "../errors.ts";
import { isObject, parseObject } from "../format/json.ts";
import { readSmallText } from "../format/source.ts";
import { inFolder } from "../platform/paths.ts";
import { quoted } from "../platform/quoted.ts";
import type { TrainOption } from "../train/setting-rules.ts";
import { optionNamed, trainOptions } from "../train/settings.ts";
import { completeSteps } from "./checkpoint-list.ts";
import { logIn } from "./log.ts";

/** Content of config.json: its version, and all that is needed to repeat the run. */
export interface RunConfig {
  readonly version: number;
  readonly created: string;
  readonly [field: string]: unknown;
}

/** Raised when a reader of the version before could not continue the run. */
export const runConfigVersion = 1;

const formerNames = new Map(
  Object.entries<TrainOption>(trainOptions).flatMap(([name, { formerly }]) => (formerly ? [[formerly, name]] : [])),
);

const laterSettings = Object.fromEntries(
  Object.entries<TrainOption>(trainOptions).flatMap(([name, { later, default: value }]) =>
    later ? [[name, value]] : [],
  ),
);

/** The content of a config.json with the settings of version 0.1 under their names of today, and those that came later. */
export function withCurrentNames(config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { run, given, continued } = config;
  return {
    ...config,
    ...(isObject(run) && { run: { ...laterSettings, ...renamed(run) } }),
    ...(isObject(given) && { given: renamed(given) }),
    ...(Array.isArray(continued) && {
      continued: continued.map((start) =>
        isObject(start) && isObject(start.set) ? { ...start, set: renamed(start.set) } : start,
      ),
    }),
  };
}

/** A setting's place in config.json, for messages: "run.learningRate" (formerly "lr"). */
export function placeOf(field: string, name: string): string {
  const { formerly } = optionNamed(name) ?? {};
  return `"${field}.${name}"${formerly ? ` (formerly "${formerly}")` : ""}`;
}

/** Advice for a run that cannot be resumed, with a command to paste. */
export function orTrainElsewhere(remedy: string, folder: string): string {
  return `${remedy}, or continue training its model on its data in a new folder: llm-ts train --model ${quoted(folder)} -i DATA -o runs/`;
}

/** A name of today that is there as well stands: then the former one is not a setting. */
function renamed(settings: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const today = (name: string) => formerNames.get(name) ?? name;
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [today(name) in settings ? name : today(name), value]),
  );
}

/** The config.json of a run folder, with today's names of settings; undefined when there is none. InputError when it is damaged, or of another version. */
export async function readRunConfig(folder: string): Promise<RunConfig | undefined> {
  const path = inFolder(folder, "config.json");
  if ((await platform.pathKind(path)) === undefined) return undefined;
  const content = withCurrentNames(
    parseObject(
      path,
      await readSmallText(path),
      `The run cannot be resumed: ${orTrainElsewhere("correct it, or remove it (a checkpoint holds a copy, with which the run can be resumed)", folder)}`,
    ),
  );
  const { version, created } = content;
  if (version === runConfigVersion && isTime(created)) return { ...content, version, created };
  if (version === runConfigVersion)
    throw new InputError(
      `${path} is damaged: "created" is ${JSON.stringify(created) ?? "missing"}, expected a time such as ` +
        `"2026-01-31T12:00:00.000Z": ${orTrainElsewhere("put one there", folder)}`,
    );
  throw new InputError(
    `${path}: "version" is ${JSON.stringify(version) ?? "missing"}, expected ${runConfigVersion}. Another version of ` +
      `llm-ts wrote this run: ${orTrainElsewhere("continue it with that one", folder)}`,
  );
}

/**
 * True when a folder holds a run: its logs, a complete checkpoint, or a config.json that a run wrote, not transformers or
 * another program.
 */
export async function holdsRun(folder: string): Promise<boolean> {
  if ((await logIn(folder)) !== undefined || (await completeSteps(folder)).length > 0) return true;
  const path = inFolder(folder, "config.json");
  if ((await platform.pathKind(path)) !== "file") return false;
  try {
    const config = parseObject(path, await readSmallText(path), "");
    return "version" in config && "created" in config;
  } catch (error) {
    // A damaged one counts as a run, so that lists show it.
    if (error instanceof InputError) return true;
    throw error;
  }
}

/** True for the content of a config.json of this version. */
export function isRunConfig(content: Readonly<Record<string, unknown>>): content is RunConfig {
  return content.version === runConfigVersion && isTime(content.created);
}

function isTime(value: unknown): value is string {
  return typeof value === "string" && !Number.isNaN(Date.parse(value));
}
