/** Files that are written whole or not at all, and the folders for them: made where they are missing, not left behind by what fails. */
import { platform } from "#platform";
import { InputError } from "../errors.ts";
import { isNoFolder } from "../platform/glob.ts";
import { folderOf, inFolder } from "../platform/paths.ts";
import type { Appender, ByteSink } from "../platform/platform.ts";

/** Writes a file atomically: after any failure, an earlier file at `path` is unchanged. */
export async function save(path: string, write: (sink: ByteSink) => Promise<void>): Promise<void> {
  const sink = await platform.createSink(path);
  try {
    await write(sink);
    await sink.commit();
  } finally {
    await sink.abort();
  }
}

/** Writes a text file atomically. */
export async function saveText(path: string, text: string): Promise<void> {
  await save(path, (sink) => sink.write(new TextEncoder().encode(text)));
}

/** Identity of a file's content. */
export interface FileHash {
  readonly bytes: number;
  readonly sha256: string;
}

/** `save` for an append-only file, hashed while it is written. */
export async function saveHashed(path: string, write: (out: Appender) => Promise<void>): Promise<FileHash> {
  const hash = await platform.sha256();
  let bytes = 0;
  await save(path, async (sink) => {
    const hashed = async (data: Uint8Array) => {
      hash.update(data);
      await sink.write(data);
    };
    await write({ name: sink.name, write: hashed });
    bytes = sink.size;
  });
  return { bytes, sha256: hash.digest() };
}

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
