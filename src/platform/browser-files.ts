/** Files in the browser's storage, under paths that begin with opfs:/. What node-files.ts is on a disk. */
import { InputError } from "../errors.ts";
import { openBlob } from "./blob-source.ts";
import { appendByCopy, move, openAccess, writeAll } from "./browser-access.ts";
import { explain, explained, isDomError, patiently } from "./browser-errors.ts";
import { fileAt, findFolder, kindAt, makeFolder, namesIn, placeOf } from "./browser-storage.ts";
import { type FolderEntry, matchGlob } from "./glob.ts";
import type { ByteSource, ByteStream } from "./platform.ts";

export { makeFolder } from "./browser-storage.ts";

/** Opens a file for random access. Where it is changed or replaced meanwhile, reading on is an InputError. */
export async function openSource(path: string): Promise<ByteSource> {
  const source = openBlob(await fileOf(await fileAt(path), path), path);
  return { ...source, read: (offset, length) => explained(path, () => source.read(offset, length)) };
}

function fileOf(handle: FileSystemFileHandle, path: string): Promise<File> {
  return explained(path, () => handle.getFile());
}

/** Each read is a message to another process of the browser, which takes milliseconds. */
const streamChunk = 1 << 20;

export async function openStream(path: string): Promise<ByteStream> {
  const handle = await fileAt(path);
  const { size } = await fileOf(handle, path);
  return { name: path, size, [Symbol.asyncIterator]: () => chunksOf(handle, path) };
}

async function* chunksOf(handle: FileSystemFileHandle, path: string): AsyncGenerator<Uint8Array, void, undefined> {
  let file = await fileOf(handle, path);
  for (let [done, changes] = [0, 0]; done < file.size; ) {
    let chunk: ArrayBuffer;
    try {
      chunk = await file.slice(done, done + streamChunk).arrayBuffer();
    } catch (error) {
      // The log of a run grows while it is read. The browser then requires it to be reopened.
      const now = await fileOf(handle, path);
      if (!isDomError(error, "NotReadableError") || now.size < file.size || ++changes > 100) throw explain(path, error);
      file = now;
      continue;
    }
    done += chunk.byteLength;
    yield new Uint8Array(chunk);
  }
}

export async function pathKind(path: string): Promise<"file" | "folder" | undefined> {
  const names = namesIn(path);
  const name = names.pop();
  if (name === undefined) return "folder";
  return explained(path, async () => {
    const folder = await findFolder(names);
    return folder && kindAt({ folder, name });
  });
}

export async function listFiles(pattern: string, within?: string): Promise<string[]> {
  if (within === undefined && (await pathKind(pattern)) === "file") return [pattern];
  return matchGlob({ pathKind, entriesOf }, pattern, within);
}

async function entriesOf(path: string): Promise<FolderEntry[]> {
  return explained(path, async () => {
    const entries: FolderEntry[] = [];
    const folder = await findFolder(namesIn(path));
    if (folder)
      for await (const { name, kind } of folder.values()) entries.push({ name, isFolder: kind === "directory" });
    return entries;
  });
}

export async function makeNewFolder(path: string): Promise<boolean> {
  if ((await pathKind(path)) !== undefined) return false;
  // Another tab may find the same: only a lock lets just one of them make it.
  return navigator.locks.request("llm-ts new folder", async () => {
    if ((await pathKind(path)) !== undefined) return false;
    await makeFolder(path);
    return true;
  });
}

export async function listFolder(path: string): Promise<string[]> {
  const files = (await entriesOf(path)).filter(({ isFolder }) => !isFolder);
  return files.map(({ name }) => name).sort();
}

export async function appendText(path: string, text: string, flush = false): Promise<void> {
  const { folder, name } = await placeOf(path);
  await explained(path, async () => {
    const handle = await folder.getFileHandle(name, { create: true });
    const access = await openAccess(handle);
    if (!access) return appendByCopy(handle, text);
    const size = access.getSize();
    try {
      writeAll(access, new TextEncoder().encode(text), size);
      if (flush) access.flush();
    } catch (error) {
      // Full storage may have taken a part.
      access.truncate(size);
      throw error;
    } finally {
      access.close();
    }
  });
}

export async function renameFile(from: string, to: string): Promise<void> {
  const target = await placeOf(to);
  const { folder, name } = await placeOf(from);
  await explained(from, async () => move(await folder.getFileHandle(name), folder, target));
}

export async function removeFile(path: string): Promise<void> {
  const kind = await pathKind(path);
  if (kind === undefined) return;
  if (kind === "folder") throw new InputError(`${path} is a folder, where a file is expected. Name a file in it.`);
  await remove(path);
}

export async function removeFolder(path: string): Promise<void> {
  const kind = await pathKind(path);
  if (kind === undefined) return;
  if (kind === "file") throw new InputError(`${path} is a file, where a folder is expected.`);
  await remove(path);
}

export async function removeEmptyFolder(path: string): Promise<boolean> {
  if ((await pathKind(path)) !== "folder") return false;
  const { folder, name } = await placeOf(path);
  try {
    await patiently(() => folder.removeEntry(name));
    return true;
  } catch (error) {
    if (isDomError(error, "NotFoundError", "InvalidModificationError")) return false;
    throw explain(path, error);
  }
}

async function remove(path: string): Promise<void> {
  const { folder, name } = await placeOf(path);
  try {
    await patiently(() => folder.removeEntry(name, { recursive: true }));
  } catch (error) {
    if (!isDomError(error, "NotFoundError")) throw explain(path, error);
  }
}
