import { createHash } from "node:crypto";
import type { Dirent } from "node:fs";
import { open, readdir, rm, stat } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { InputError } from "../errors.ts";
import { openInMemory } from "./blob-source.ts";
import { matchGlob } from "./glob.ts";
import { errorCode, explain, explained } from "./node-errors.ts";
import { readExactly, replace } from "./node-sink.ts";
import type { ByteSource, ByteStream, Sha256 } from "./platform.ts";

export { makeFolder, makeNewFolder } from "./node-folders.ts";
export { createSink } from "./node-sink.ts";

/** Opens a file, a Blob or bytes in memory for random access. */
export async function openSource(input: string | URL | Blob | Uint8Array): Promise<ByteSource> {
  if (input instanceof Uint8Array || input instanceof Blob) return openInMemory(input);
  const path = pathOf(input);
  const handle = await explained(path, () => open(path, "r"));
  try {
    const info = await handle.stat();
    if (info.isDirectory()) throw new InputError(`${path} is a folder, where a file is expected. Name a file in it.`);
    if (!info.isFile()) throw new InputError(`${path} is a device or pipe, where a file is expected. Save it first.`);
    return {
      name: path,
      size: info.size,
      read: (offset, length) => explained(path, () => readExactly(handle, offset, length, path)),
      close: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw explain(path, error);
  }
}

function pathOf(input: string | URL): string {
  if (typeof input !== "string" && input.protocol !== "file:")
    throw new InputError(`${input.href} is not on this machine. Download it, and give the path of the file.`);
  return typeof input === "string" ? input : fileURLToPath(input);
}

const streamChunk = 1 << 16;

/** Opens a file, pipe or ("-") standard input to be read once. */
export async function openStream(path: string): Promise<ByteStream> {
  if (path === "-") return { name: "standard input", size: undefined, [Symbol.asyncIterator]: stdinChunks };
  const info = await explained(path, () => stat(path));
  if (info.isDirectory()) throw new InputError(`${path} is a folder, where a file is expected. Name a file in it.`);
  return {
    name: path,
    size: info.isFile() ? info.size : undefined,
    [Symbol.asyncIterator]: () => fileChunks(path),
  };
}

async function* stdinChunks(): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    yield* process.stdin;
  } catch (error) {
    throw explain("standard input", error);
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

export async function pathKind(path: string): Promise<"file" | "folder" | undefined> {
  try {
    return (await stat(path)).isDirectory() ? "folder" : "file";
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errorCode(error) ?? "")) return undefined;
    throw explain(path, error);
  }
}

export async function listFiles(pattern: string, within?: string): Promise<string[]> {
  // A file may be called "what?.txt": what exists under the very name is meant.
  if (within === undefined && (await pathKind(pattern)) === "file") return [pattern];
  const forward = (path: string) => (process.platform === "win32" ? path.replaceAll("\\", "/") : path);
  const entries = async (folder: string) =>
    (await entriesOf(folder)).map((entry) => ({ name: entry.name, isFolder: entry.isDirectory() }));
  return matchGlob({ pathKind, entriesOf: entries }, forward(pattern), within && forward(within));
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
  return (await entriesOf(path))
    .filter((entry) => entry.isFile())
    .map((entry) => entry.name)
    .sort();
}

export async function appendText(path: string, text: string, flush = false): Promise<void> {
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
  if ((await pathKind(path)) === "file") throw new InputError(`${path} is a file, where a folder is expected.`);
  await explained(path, () => rm(path, { recursive: true, force: true }));
}

export async function sha256(): Promise<Sha256> {
  const hash = createHash("sha256");
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest("hex") };
}
