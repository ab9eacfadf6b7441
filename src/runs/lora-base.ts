/** The model that a run's adapter adapts, as config.json records it. */
import { fingerprint } from "../data/fingerprint.ts";
import { InputError } from "../errors.ts";
import { isObject } from "../format/json.ts";
import type { FileHash } from "../format/save.ts";
import { quoted } from "../platform/quoted.ts";
import type { BaseModel } from "../train/save-adapter.ts";

/** Its path is absolute. */
export interface BaseRecord extends BaseModel, FileHash {}

export async function recordBase({ name, path }: BaseModel): Promise<BaseRecord> {
  const { bytes, sha256 } = await fingerprint(path);
  return { name, path, bytes, sha256 };
}

export function isBase(value: unknown): value is BaseRecord {
  if (!isObject(value)) return false;
  const { name, path, bytes, sha256 } = value;
  return [name, path, sha256].every((text) => typeof text === "string") && typeof bytes === "number";
}

/** The base in a config.json. */
export function baseOf({ base }: Readonly<Record<string, unknown>>): BaseRecord {
  if (isBase(base)) return base;
  throw new InputError(
    'The run\'s config.json has no "base", the model that its adapter adapts: {name, path, bytes, sha256}. Give RunFolder.create one, ' +
      "or save the adapter by Trainer.saveAdapter.",
  );
}

/** InputError where a run is to resume on another model than it began on. Moved files are the same as long as their content is. */
export function requireSameBase(folder: string, before: BaseRecord, now: BaseRecord): void {
  if (before.bytes === now.bytes && before.sha256 === now.sha256) return;
  throw new InputError(
    `${now.path} is not the model that the run in ${folder} adapts, which was ${before.path}: ${now.bytes} bytes with sha256 ` +
      `${now.sha256.slice(0, 12)}…, expected ${before.bytes} bytes with ${before.sha256.slice(0, 12)}…. Bring that one back, or ` +
      `name where it is now: llm-ts train -o ${quoted(folder)} --resume --model FILE`,
  );
}
