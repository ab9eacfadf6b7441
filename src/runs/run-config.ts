import { platform } from "#platform";
import { InputError } from "../errors.ts";
import { parseObject } from "../format/json.ts";
import { readSmallText } from "../format/source.ts";
import { inFolder } from "../platform/paths.ts";

/** What config.json holds: its version, and whatever else is needed to repeat the run. */
export interface RunConfig {
  readonly version: number;
  readonly created: string;
  readonly [field: string]: unknown;
}

/** Raised when a reader of the version before could not continue the run. */
export const runConfigVersion = 1;

/** The config.json of a run folder; undefined when there is none. InputError when it is damaged, or of another version. */
export async function readRunConfig(folder: string): Promise<RunConfig | undefined> {
  const path = inFolder(folder, "config.json");
  if ((await platform.pathKind(path)) === undefined) return undefined;
  const content = parseObject(path, await readSmallText(path));
  const { version, created } = content;
  if (version === runConfigVersion && isTime(created)) return { ...content, version, created };
  if (version === runConfigVersion)
    throw new InputError(
      `${path} is damaged: "created" is ${JSON.stringify(created) ?? "missing"}, expected a time such as ` +
        `"2026-01-31T12:00:00.000Z". Put one there, or train the model on in a new folder (llm-ts train --model, with this one).`,
    );
  throw new InputError(
    `${path}: "version" is ${JSON.stringify(version) ?? "missing"}, expected ${runConfigVersion}. Another version of ` +
      `llm-ts wrote this run: continue it with that one, or train its model on in a new folder (llm-ts train --model, with this one).`,
  );
}

function isTime(value: unknown): value is string {
  return typeof value === "string" && !Number.isNaN(Date.parse(value));
}
