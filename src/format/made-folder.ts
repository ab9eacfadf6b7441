/** Folders that are written into: made where they are missing, and not left behind by what comes to nothing. */
import { platform } from "#platform";
import { InputError } from "../errors.ts";
import { isNoFolder } from "../platform/glob.ts";
import { folderOf, inFolder } from "../platform/paths.ts";

/** Makes a folder, and those above it, for `work`. Where that fails, those that were made for it and are empty are removed. */
export async function inMadeFolder<R>(path: string, work: () => Promise<R>): Promise<R> {
  const missing = await missingFolders(path);
  try {
    await platform.makeFolder(path);
    return await work();
  } catch (error) {
    for (const folder of missing) if (!(await platform.removeEmptyFolder(folder))) break;
    throw error;
  }
}

/** InputError when a folder at `path` could not be made, or takes no files: worth knowing before long work. Makes nothing. */
export async function requireWritable(path: string): Promise<void> {
  const missing = (await missingFolders(path)).at(-1);
  const existing = missing === undefined ? path : folderOf(missing);
  if (isNoFolder(await platform.pathKind(existing)))
    throw new InputError(`${existing} is a file. Give the name of a folder.`);
  const probe = await platform.createSink(missing ?? inFolder(path, ".llm-ts"));
  await probe.abort();
}

/** A folder and those above it, as far as they do not exist, the innermost first. */
export async function missingFolders(path: string): Promise<readonly string[]> {
  const missing: string[] = [];
  let place = path.replace(/(?<=.)[/\\]+$/, "");
  while ((await platform.pathKind(place)) === undefined && folderOf(place) !== place) {
    missing.push(place);
    place = folderOf(place);
  }
  return missing;
}
