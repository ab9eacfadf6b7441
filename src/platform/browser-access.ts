/**
 * Writing to files of the browser's storage. Dedicated workers have handles that write in place, as files have
 * elsewhere; a page must write the whole content at once. TypeScript declares the former in its library for workers only.
 */
import { InputError } from "../errors.ts";
import { patiently } from "./browser-errors.ts";
import { kindAt, type Place } from "./browser-storage.ts";

/** https://fs.spec.whatwg.org/#filesystemsyncaccesshandle */
export interface AccessHandle {
  read(bytes: Uint8Array, options: { at: number }): number;
  write(bytes: Uint8Array, options: { at: number }): number;
  truncate(size: number): void;
  getSize(): number;
  flush(): void;
  close(): void;
}

interface WorkerFileHandle extends FileSystemFileHandle {
  createSyncAccessHandle(): Promise<AccessHandle>;
}

interface MovableFileHandle extends FileSystemFileHandle {
  move(folder: FileSystemDirectoryHandle, name: string): Promise<void>;
}

/** True if files can be written in place in this context. */
export const writesInPlace =
  typeof FileSystemFileHandle === "function" && "createSyncAccessHandle" in FileSystemFileHandle.prototype;

function isWorkers(handle: FileSystemFileHandle): handle is WorkerFileHandle {
  return "createSyncAccessHandle" in handle;
}

function isMovable(handle: FileSystemFileHandle): handle is MovableFileHandle {
  return "move" in handle;
}

/** Opens a file for writing in place, exclusively until it is closed. Undefined where that is not supported. */
export async function openAccess(handle: FileSystemFileHandle): Promise<AccessHandle | undefined> {
  return isWorkers(handle) ? patiently(() => handle.createSyncAccessHandle()) : undefined;
}

/** Writes all of the bytes; QuotaExceededError when they do not fit: a part of them may have been written. */
export function writeAll(access: AccessHandle, bytes: Uint8Array, offset: number): void {
  for (let done = 0; done < bytes.length; ) {
    const written = access.write(bytes.subarray(done), { at: offset + done });
    if (written === 0 || written > bytes.length - done) throw writeError(written);
    done += written;
  }
}

/** Chromium throws nothing when a write fails, but returns its error code, which is negative, as an unsigned number. */
function writeError(result: number): DOMException {
  const code = result | 0;
  if (code === 0 || code === NO_SPACE) return new DOMException("no room for more", "QuotaExceededError");
  return new DOMException(`the browser could not write it (error ${code})`, "OperationError");
}

/** FILE_ERROR_NO_SPACE of Chromium's base/files/file.h. */
const NO_SPACE = -8;

/** Fills `bytes` from a file. */
export function readAll(access: AccessHandle, bytes: Uint8Array, offset: number): void {
  const read = access.read(bytes, { at: offset });
  if (read !== bytes.length)
    throw new DOMException(`${read} bytes were read where ${bytes.length} were written`, "OperationError");
}

/** Moves a file; an existing file at the target is replaced atomically. */
export async function move(handle: FileSystemFileHandle, from: FileSystemDirectoryHandle, to: Place): Promise<void> {
  if (isMovable(handle)) return patiently(() => handle.move(to.folder, to.name));
  await writeWhole(to, [await handle.getFile()]);
  await from.removeEntry(handle.name);
}

/** Writes a file as a whole. The browser keeps what is written apart until it is complete. */
export async function writeWhole(place: Place, parts: readonly FileSystemWriteChunkType[]): Promise<void> {
  const isNew = (await kindAt(place)) === undefined;
  try {
    const handle = await place.folder.getFileHandle(place.name, { create: true });
    await write(handle, parts);
  } catch (error) {
    if (isNew) await place.folder.removeEntry(place.name).catch(() => {});
    throw error;
  }
}

/** Adds to a file by copying it. */
export async function appendByCopy(handle: FileSystemFileHandle, text: string): Promise<void> {
  const { size } = await handle.getFile();
  await write(handle, [{ type: "write", position: size, data: text }], true);
}

async function write(
  handle: FileSystemFileHandle,
  parts: readonly FileSystemWriteChunkType[],
  keepExistingData = false,
): Promise<void> {
  if (typeof handle.createWritable !== "function")
    throw new InputError(`${handle.name} cannot be written from here: this browser lets only dedicated workers write.`);
  const stream = await patiently(() => handle.createWritable({ keepExistingData }));
  try {
    for (const part of parts) await stream.write(part);
    await stream.close();
  } catch (error) {
    await stream.abort().catch(() => {});
    throw error;
  }
}
