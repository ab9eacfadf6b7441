import { InputError } from "../errors.ts";
import { type AccessHandle, move, openAccess, readAll, writeAll, writesInPlace, writeWhole } from "./browser-access.ts";
import { explain, explained } from "./browser-errors.ts";
import { kindAt, type Place, placeOf } from "./browser-storage.ts";
import { MemorySink } from "./memory-sink.ts";
import type { ByteSink } from "./platform.ts";

/**
 * A file of the browser's storage that appears under `path` whole or not at all. In a dedicated worker, bytes go to a
 * hidden file in the same folder, which `commit` flushes and renames; elsewhere they are collected in memory.
 */
export async function createSink(path: string): Promise<ByteSink> {
  const target = await placeOf(path);
  return explained(path, async () => {
    if ((await kindAt(target)) === "folder")
      throw new InputError(`${path} is a folder. Give the name of a file to write.`);
    if (!writesInPlace) return new MemorySink(path, (parts) => explained(path, () => writeWhole(target, parts)));
    await removeLeftovers(target);
    const handle = await target.folder.getFileHandle(temporaryName(target.name), { create: true });
    return new StoredSink(path, target, handle, await openAccess(handle));
  });
}

function temporaryName(name: string): string {
  const [random] = crypto.getRandomValues(new Uint32Array(1));
  return `.${name}.${random.toString(16).padStart(8, "0")}.tmp`;
}

/** Removes what tabs that were closed while they wrote this file have left. The browser guards what is still written. */
async function removeLeftovers({ folder, name }: Place): Promise<void> {
  for await (const other of folder.keys())
    if (other.startsWith(`.${name}.`) && /^\.[0-9a-f]{8}\.tmp$/.test(other.slice(name.length + 1)))
      await folder.removeEntry(other).catch(() => {});
}

class StoredSink implements ByteSink {
  readonly name: string;
  size = 0;
  readonly #target: Place;
  readonly #handle: FileSystemFileHandle;
  #access: AccessHandle | undefined;
  #isFinished = false;

  constructor(name: string, target: Place, handle: FileSystemFileHandle, access: AccessHandle | undefined) {
    this.name = name;
    this.#target = target;
    this.#handle = handle;
    this.#access = access;
  }

  async write(bytes: Uint8Array): Promise<void> {
    await explained(this.name, () => writeAll(this.#open(), bytes, this.size));
    this.size += bytes.length;
  }

  async rewrite(offset: number, bytes: Uint8Array): Promise<void> {
    if (offset + bytes.length > this.size) throw new RangeError(`rewrite past the end of ${this.name}`);
    await explained(this.name, () => writeAll(this.#open(), bytes, offset));
  }

  async readBack(offset: number, length: number): Promise<Uint8Array> {
    if (offset + length > this.size) throw new RangeError(`readBack past the end of ${this.name}`);
    const bytes = new Uint8Array(length);
    await explained(this.name, () => readAll(this.#open(), bytes, offset));
    return bytes;
  }

  async truncate(size: number): Promise<void> {
    await explained(this.name, () => this.#open().truncate(size));
    this.size = size;
  }

  async commit(): Promise<void> {
    try {
      const written = this.#open().getSize();
      if (written !== this.size)
        throw new DOMException(`${written} of ${this.size} bytes are in storage`, "QuotaExceededError");
      this.#open().flush();
      this.#close();
      await move(this.#handle, this.#target.folder, this.#target);
      this.#isFinished = true;
    } catch (error) {
      await this.abort();
      throw explain(this.name, error);
    }
  }

  async abort(): Promise<void> {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#close();
    await this.#target.folder.removeEntry(this.#handle.name).catch(() => {});
  }

  #open(): AccessHandle {
    if (!this.#access) throw new Error(`${this.name} was already committed or aborted`);
    return this.#access;
  }

  #close(): void {
    this.#access?.close();
    this.#access = undefined;
  }
}
