import { createHash } from "node:crypto";
import type { Dirent } from "node:fs";
import { mkdir, open, readdir, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { InputError } from "../errors.ts";
import { errorCode, explain, explained } from "./node-errors.ts";
import { readExactly, replace } from "./node-sink.ts";
import type { ByteSource, ByteStream, Sha256 } from "./platform.ts";

export { createSink } from "./node-sink.ts";

/** Opens a file, a Blob or bytes in memory for random access. */
export async function openSource(input: string | URL | Blob | Uint8Array): Promise<ByteSource> {
  if (input instanceof Uint8Array) return openBlob(new Blob([new Uint8Array(input)]), "bytes in memory");
  if (input instanceof Blob) return openBlob(input, "name" in input ? String(input.name) : "a Blob");
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

function openBlob(blob: Blob, name: string): ByteSource {
  return {
    name,
    size: blob.size,
    async read(offset, length) {
      if (offset + length > blob.size)
        throw new InputError(`${name} ends at byte ${blob.size}, expected ${length} bytes from ${offset} on.`);
      return new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer());
    },
    close: async () => {},
  };
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

/** The files that a glob matches. Hidden files and folders only where the pattern itself starts with a dot. */
export async function listFiles(pattern: string): Promise<string[]> {
  // A file may be called "what?.txt": what exists under the very name is meant.
  if ((await pathKind(pattern)) === "file") return [pattern];
  const segments = (process.platform === "win32" ? pattern.replaceAll("\\", "/") : pattern).split("/");
  const found: string[] = [];
  await expand("", segments, found);
  return [...new Set(found)].sort();
}

/** Adds to `found` the files beneath `prefix` ("" or ending in "/") that match the remaining path segments. */
async function expand(prefix: string, [segment = "", ...rest]: readonly string[], found: string[]): Promise<void> {
  if (!/[*?]/.test(segment)) {
    if (rest.length > 0) await expand(`${prefix}${segment}/`, rest, found);
    else if ((await pathKind(prefix + segment)) === "file") found.push(prefix + segment);
    return;
  }
  if (segment === "**") await expand(prefix, rest.length > 0 ? rest : ["*"], found);
  const matches = segment === "**" ? /^[^.]/ : wildcard(segment);
  for (const entry of await entriesOf(prefix)) {
    if (!matches.test(entry.name)) continue;
    const path = prefix + entry.name;
    if (segment === "**") {
      // Linked folders are left out: they may lead in circles.
      if (entry.isDirectory()) await expand(`${path}/`, [segment, ...rest], found);
    } else if (rest.length > 0) {
      if ((await pathKind(path)) === "folder") await expand(`${path}/`, rest, found);
    } else if ((await pathKind(path)) === "file") found.push(path);
  }
}

function wildcard(segment: string): RegExp {
  const escaped = segment.replace(/[.+^${}()|[\]\\]/g, "\\$&");
  const hidden = segment.startsWith(".") ? "" : "(?!\\.)";
  return new RegExp(`^${hidden}${escaped.replaceAll("*", ".*").replaceAll("?", ".")}$`, "su");
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder === "" ? "." : folder, { withFileTypes: true });
  } catch (error) {
    if (["ENOENT", "ENOTDIR"].includes(errorCode(error) ?? "")) return [];
    throw explain(folder, error);
  }
}

export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    if (errorCode(error) === "EEXIST") throw new InputError(`${path} is a file. Give the name of a folder.`);
    throw explain(path, error);
  }
}

export async function makeNewFolder(path: string): Promise<boolean> {
  await makeFolder(dirname(path));
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw explain(path, error);
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

export function sha256(): Sha256 {
  const hash = createHash("sha256");
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest("hex") };
}
