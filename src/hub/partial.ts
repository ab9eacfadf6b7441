/**
 * A file on its way: `ETAG.incomplete`, as huggingface_hub names it. The process that writes it holds a lock beside it,
 * which is free again when the process ends, however it ends.
 */
import { constants, type FileHandle, open, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { explained } from "../platform/node-errors.ts";
import { makeFolder } from "../platform/node-folders.ts";
import { fileInfo } from "../platform/node-kinds.ts";
import { LockedError, lockFile } from "../platform/node-lock.ts";
import { replace } from "../platform/node-sink.ts";
import type { FileLock, LockOwner } from "../platform/platform.ts";

/** huggingface_hub's locks cannot be seen from here: a file that was written to a moment ago is watched for so long. */
const watchMs = 1500;

export class PartialFile {
  readonly path: string;
  /** Bytes downloaded so far, contiguous from the start. */
  size: number;
  readonly #blob: string;
  readonly #handle: FileHandle;
  readonly #lock: FileLock;
  #open = true;

  private constructor(blob: string, handle: FileHandle, size: number, lock: FileLock) {
    this.path = incomplete(blob);
    this.size = size;
    this.#blob = blob;
    this.#handle = handle;
    this.#lock = lock;
  }

  /** Takes over a partial download, or returns the owner while another process writes it. */
  static async claim(blob: string): Promise<PartialFile | LockOwner> {
    await makeFolder(dirname(blob));
    const lock = await tryLock(`${incomplete(blob)}.lock`);
    if (!("release" in lock)) return lock;
    try {
      await fileInfo(incomplete(blob));
      const handle = await explained(blob, () => openToUpdate(incomplete(blob)));
      const file = new PartialFile(blob, handle, (await handle.stat()).size, lock);
      if (!lock.takenFrom) await file.#watch();
      return file;
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** Writes at a position, up to where the file has been written already. */
  async write(bytes: Uint8Array, position: number): Promise<void> {
    await explained(this.#blob, async () => {
      for (let done = 0; done < bytes.length; )
        done += (await this.#handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
    });
    this.size = Math.max(this.size, position + bytes.length);
  }

  /** Discards the downloaded bytes. */
  async restart(): Promise<void> {
    await explained(this.#blob, () => this.#handle.truncate(0));
    this.size = 0;
  }

  /** Gives the file its final name. Call it for a verified file only. */
  async finish(): Promise<void> {
    await explained(this.#blob, async () => {
      await this.#handle.sync();
      this.#open = false;
      await this.#handle.close();
      await replace(this.path, this.#blob);
    });
  }

  /** Closes the file, and frees it for the next attempt. To be called after `finish`, too. */
  async release(): Promise<void> {
    if (this.#open) {
      await this.#handle.close();
      if (this.size === 0) await rm(this.path, { force: true });
    }
    await this.#lock.release();
  }

  /** Waits until a file that a foreign program may be writing stops growing. */
  async #watch(): Promise<void> {
    const { mtimeMs } = await this.#handle.stat();
    if (this.size === 0 || Date.now() - mtimeMs > watchMs) return;
    await wait(watchMs);
    const { size } = await this.#handle.stat();
    const grows = size > this.size;
    this.size = size;
    if (grows) await this.#watch();
  }
}

/** Path of a partial download. */
export function incomplete(blob: string): string {
  return `${blob}.incomplete`;
}

/** Opens a file to write anywhere in it; it is made where it is missing. */
async function openToUpdate(path: string): Promise<FileHandle> {
  return open(path, constants.O_RDWR | constants.O_CREAT, 0o666);
}

async function tryLock(path: string): Promise<FileLock | LockOwner> {
  try {
    return await lockFile(path);
  } catch (error) {
    if (error instanceof LockedError) return error.owner;
    throw error;
  }
}
