/** The model that a run's adapter adapts, as config.json records it. */
import { platform } from "#platform";
import { type BaseModel, type BaseRecord, differenceOf, isBase, modelFingerprint } from "../api/adapter-base.ts";
import { InputError } from "../errors.ts";
import { nameOf } from "../platform/paths.ts";
import { quoted } from "../platform/quoted.ts";
import { keepModel, releaseModel } from "./checkpoint-list.ts";

export async function recordBase({ name, path }: BaseModel): Promise<BaseRecord> {
  const { bytes, sha256 } = await modelFingerprint(path);
  return { name, path, bytes, sha256 };
}

/**
 * Has the base of the run in `folder` stay where it is a checkpoint of another run, which would remove it some updates later. InputError
 * where it was removed already.
 */
export async function keepBase({ path }: BaseRecord, folder: string, remark: (text: string) => void): Promise<void> {
  try {
    const mark = await keepModel(path, reasonToKeep(path, folder));
    if (mark !== undefined)
      remark(
        `${path} is a checkpoint of a run, which will not remove it, since the adapter needs it (${nameOf(mark)})`,
      );
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    remark(
      `${path} is a checkpoint, which its run removes when it is trained further, and that folder cannot be written: copy the file, ` +
        "since the adapter needs it",
    );
  }
  if ((await platform.pathKind(path)) === undefined)
    throw new InputError(`${path} was removed while the run started. Start it again, on a model that stays.`);
}

/** Takes back what `keepBase` did for the run in `folder`. */
export async function releaseBase({ path }: BaseRecord, folder: string): Promise<void> {
  await releaseModel(path, reasonToKeep(path, folder));
}

const reasonToKeep = (path: string, folder: string) =>
  `An adapter needs ${nameOf(path)}: that of the run in ${folder}.`;

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
  const difference = differenceOf(now, before);
  if (difference === undefined) return;
  throw new InputError(
    `${now.path} is not the model that the run in ${folder} adapts, which was ${before.path}: ${difference}. Bring that one back, or ` +
      `name where it is now: llm-ts train -o ${quoted(folder)} --resume --model FILE`,
  );
}
