import { closeSync, openSync, rmSync } from "node:fs";
import { type FileHandle, open, realpath, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { InputError } from "../errors.ts";
import { errorCode, explain, explained } from "./node-errors.ts";
import { isFolder, takesNothing } from "./node-folders.ts";
import { fileInfo } from "./node-kinds.ts";
import { removeLeftovers, temporaryFor } from "./node-temporary.ts";
import type { ByteSink } from "./platform.ts";

/** Temporary files not yet committed or aborted; removed when the process exits. */
const unfinished = new Set<string>();
process.on("exit", () => {
  for (const path of unfinished) rmSync(path, { force: true });
});

/**
 * A file that appears under `path` whole or not at all: bytes go to a hidden file in the same folder, which `commit`
 * flushes to disk and renames.
 */
export async function createSink(path: string): Promise<ByteSink> {
  const target = await explained(path, () => targetOf(path));
  await removeLeftovers(target);
  const temporary = temporaryFor(target);
  try {
    // Created synchronously, between two signals: an asynchronous creation could come after the removal at the exit.
    closeSync(openSync(temporary, "wx"));
    unfinished.add(temporary);
    const handle = await open(temporary, "r+");
    return new FileSink(path, target, temporary, handle);
  } catch (error) {
    unfinished.delete(temporary);
    if (errorCode(error) === "ENOENT" && (await isFolder(dirname(target)))) throw takesNothing(path, error);
    if (errorCode(error) === "ENOENT")
      throw new InputError(`The folder ${dirname(path)} does not exist. Create it, or write somewhere else.`);
    throw explain(path, error);
  }
}

/** The file to replace, symbolic links followed. Folders and devices are refused: a rename would destroy them. */
async function targetOf(path: string): Promise<string> {
  return (await fileInfo(path)) ? realpath(path) : path;
}

class FileSink implements ByteSink {
  readonly name: string;
  size = 0;
  readonly #target: string;
  readonly #temporary: string;
  #handle: FileHandle | undefined;

  constructor(name: string, target: string, temporary: string, handle: FileHandle) {
    this.name = name;
    this.#target = target;
    this.#temporary = temporary;
    this.#handle = handle;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#put(this.size, bytes);
    this.size += bytes.length;
  }

  async rewrite(offset: number, bytes: Uint8Array): Promise<void> {
    if (offset + bytes.length > this.size) throw new RangeError(`rewrite past the end of ${this.name}`);
    await this.#put(offset, bytes);
  }

  async readBack(offset: number, length: number): Promise<Uint8Array> {
    if (offset + length > this.size) throw new RangeError(`readBack past the end of ${this.name}`);
    return explained(this.name, () => readExactly(this.#open(), offset, length, this.name));
  }

  async truncate(size: number): Promise<void> {
    await explained(this.name, () => this.#open().truncate(size));
    this.size = size;
  }

  async commit(): Promise<void> {
    try {
      await this.#open().sync();
      await this.#close();
      await replace(this.#temporary, this.#target);
      unfinished.delete(this.#temporary);
    } catch (error) {
      await this.abort();
      throw explain(this.name, error);
    }
    await syncFolder(dirname(this.#target));
  }

  async abort(): Promise<void> {
    if (!unfinished.has(this.#temporary)) return;
    await this.#close().catch(() => {});
    await rm(this.#temporary, { force: true });
    unfinished.delete(this.#temporary);
  }

  async #put(offset: number, bytes: Uint8Array): Promise<void> {
    await explained(this.name, async () => {
      for (let done = 0; done < bytes.length; ) {
        const { bytesWritten } = await this.#open().write(bytes, done, bytes.length - done, offset + done);
        done += bytesWritten;
      }
    });
  }

  #open(): FileHandle {
    if (!this.#handle) throw new Error(`${this.name} was already committed or aborted`);
    return this.#handle;
  }

  async #close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await handle?.close();
  }
}

/** Exactly `length` bytes of an open file. */
export async function readExactly(
  handle: FileHandle,
  offset: number,
  length: number,
  name: string,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  for (let done = 0; done < length; ) {
    const { bytesRead } = await handle.read(bytes, done, length - done, offset + done);
    if (bytesRead === 0)
      throw new InputError(`${name} ends at byte ${offset + done}, expected ${length} bytes from ${offset} on.`);
    done += bytesRead;
  }
  return bytes;
}

/** Rename, patient on Windows: a virus scanner or an indexer may hold either file for a moment. */
export async function replace(from: string, to: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await rename(from, to);
    } catch (error) {
      const busy = process.platform === "win32" && ["EPERM", "EACCES", "EBUSY"].includes(errorCode(error) ?? "");
      if (!busy || attempt === 8) throw error;
      await wait(10 * 2 ** attempt);
    }
  }
}

/** Makes a rename survive a power failure. Windows cannot open folders; some file systems cannot sync them. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r").catch(() => undefined);
  await folder?.sync().catch(() => {});
  await folder?.close();
}
