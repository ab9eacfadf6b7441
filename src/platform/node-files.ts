import { createHash } from "node:crypto";
import { constants, type Dirent, openSync } from "node:fs";
import { open, readdir, rm, rmdir, stat } from "node:fs/promises";
import { Socket } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { InputError, messageOf } from "../errors.ts";
import { openInMemory } from "./blob-source.ts";
import { isNoFolder, matchGlob } from "./glob.ts";
import { errorCode, explain, explained, isElsewhere } from "./node-errors.ts";
import { fileInfo, pathKind, requireFile } from "./node-kinds.ts";
import { readExactly, replace } from "./node-sink.ts";
import type { ByteSource, ByteStream, Sha256 } from "./platform.ts";

export { makeFolder, makeNewFolder } from "./node-folders.ts";
export { pathKind } from "./node-kinds.ts";
export { createSink } from "./node-sink.ts";

/** Opens a file, a Blob or bytes in memory for random access. */
export async function openSource(input: string | URL | Blob | Uint8Array): Promise<ByteSource> {
  if (input instanceof Uint8Array || input instanceof Blob) return openInMemory(input);
  const path = typeof input === "string" ? input : pathOf(input);
  await requireFile(path);
  const handle = await explained(path, () => open(path, "r"));
  try {
    const { size } = await handle.stat();
    return {
      name: path,
      size,
      read: (offset, length) => explained(path, () => readExactly(handle, offset, length, path)),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw explain(path, error);
  }
}

export function pathOf(url: URL): string {
  if (url.protocol !== "file:") throw new InputError(isElsewhere(url.href));
  try {
    return fileURLToPath(url);
  } catch (error) {
    throw new InputError(`${url.href} is no path on this machine: ${messageOf(error)}. Give the path of the file.`, {
      cause: error,
    });
  }
}

const streamChunk = 1 << 16;

/** Other names of standard input. */
const stdinNames = ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];

/** Opens a file, a pipe that a shell has opened, or ("-") standard input to be read once. */
export async function openStream(path: string): Promise<ByteStream> {
  const info = path === "-" ? undefined : await explained(path, () => stat(path));
  // One that is a file, as with `< book.txt`, has a size.
  if (stdinNames.includes(path) && !info?.isFile())
    return { name: "standard input", size: undefined, [Symbol.asyncIterator]: stdinChunks };
  if (info?.isFIFO() && /^\/(dev|proc\/self)\/fd\/\d+$/.test(path))
    return { name: path, size: undefined, [Symbol.asyncIterator]: () => pipeChunks(path) };
  if (info?.isFIFO())
    throw new InputError(`${path} is a pipe: give what comes out of it on standard input, as "-" (… - < ${path}).`);
  const { size } = await requireFile(path);
  return { name: path, size, [Symbol.asyncIterator]: () => fileChunks(path) };
}

async function* stdinChunks(): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* process.stdin;
  } catch (error) {
    throw explain("standard input", error);
  }
}

/** Pipes, such as a shell's <(command). Read when the system has data ready, so that a signal can end the wait. */
async function* pipeChunks(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const socket = new Socket({ fd, readable: true, writable: false });
  try {
    yield* socket;
  } catch (error) {
    throw explain(path, error);
  } finally {
    socket.destroy();
  }
}

/** One buffer for all chunks: a gigabyte must not become garbage faster than it is collected. */
async function* fileChunks(path: string): AsyncGenerator<Uint8Array, void, undefined> {
  const handle = await explained(path, () => open(path, "r"));
  try {
    const buffer = new Uint8Array(streamChunk);
    for (;;) {
      const { bytesRead } = await explained(path, () => handle.read(buffer, 0, streamChunk));
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}

export async function listFiles(pattern: string, within?: string, onSkip?: (path: string) => void): Promise<string[]> {
  // A file may be called "what?.txt": what exists under the very name is meant.
  if (within === undefined && isNoFolder(await pathKind(pattern))) return [pattern];
  const forward = (path: string) => (process.platform === "win32" ? path.replaceAll("\\", "/") : path);
  const entries = async (folder: string) =>
    (await entriesOf(folder)).map((entry) => ({ name: entry.name, isFolder: entry.isDirectory() }));
  return matchGlob({ pathKind, entriesOf: entries }, forward(pattern), within && forward(within), onSkip);
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder === "" ? "." : folder, { withFileTypes: true });
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errorCode(error) ?? "")) return [];
    throw explain(folder, error);
  }
}

export async function listFolder(path: string): Promise<string[]> {
  const entries = await entriesOf(path);
  const isFile = await Promise.all(
    entries.map((entry) => entry.isFile() || (entry.isSymbolicLink() && leadsToFile(join(path, entry.name)))),
  );
  return entries
    .filter((_, at) => isFile[at])
    .map((entry) => entry.name)
    .sort();
}

/** False for a link that leads nowhere, or in a circle. */
async function leadsToFile(link: string): Promise<boolean> {
  const info = await stat(link).catch(() => undefined);
  return info?.isFile() ?? false;
}

export async function appendText(path: string, text: string, flush = false): Promise<void> {
  await fileInfo(path);
  await explained(path, async () => {
    const handle = await open(path, "a");
    const { size } = await handle.stat();
    try {
      await handle.appendFile(text);
      if (flush) await handle.sync();
    } catch (error) {
      // A full disk may have taken a part.
      await handle.truncate(size);
      throw error;
    } finally {
      await handle.close();
    }
  });
}

export async function renameFile(from: string, to: string): Promise<void> {
  await explained(from, () => replace(from, to));
}

export async function removeFile(path: string): Promise<void> {
  await explained(path, () => rm(path, { force: true }));
}

export async function removeFolder(path: string): Promise<void> {
  if (isNoFolder(await pathKind(path))) throw new InputError(`${path} is a file, where a folder is expected.`);
  await explained(path, () => rm(path, { recursive: true, force: true }));
}

export async function removeEmptyFolder(path: string): Promise<boolean> {
  try {
    await rmdir(path);
    return true;
  } catch (error) {
    if (["ENOENT", "ENOTEMPTY", "EEXIST"].includes(errorCode(error) ?? "")) return false;
    throw explain(path, error);
  }
}

export async function sha256(): Promise<Sha256> {
  const hash = createHash("sha256");
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest("hex") };
}
