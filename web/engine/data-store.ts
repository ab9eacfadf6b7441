import { platform } from "#platform";
import { InputError, UsageError } from "../../src/errors.ts";
import { folderOf, inFolder } from "../../src/platform/paths.ts";
import type { FileLock } from "../../src/platform/platform.ts";
import { isSharedData, type Prepared, type Preparing, prepareData } from "./data.ts";
import type { DataInput } from "./protocol.ts";
import { dataInUse } from "./runs.ts";

/** The current prepared data, and earlier data in the storage. */
export class DataStore {
  readonly #root: string;
  readonly #runsRoot: string;
  #current: Prepared | undefined;
  /** Keeps other tabs from removing the data. */
  #lock: FileLock | undefined;
  #preparing: AbortController | undefined;

  /** `root`: folder of all data; `runsRoot`: folder of all runs, whose data is kept. */
  constructor(root: string, runsRoot: string) {
    this.#root = root;
    this.#runsRoot = runsRoot;
  }

  get current(): Prepared | undefined {
    return this.#current;
  }

  /** The current data; UsageError when there is none. */
  require(): Prepared {
    if (this.#current) return this.#current;
    throw new UsageError("There is no training data yet. Choose a text first.");
  }

  /** Prepares data, and makes it current when it is ready. Earlier data is removed then, unless a run needs it. */
  async prepare(
    input: DataInput,
    { storage, model, onProgress }: Pick<Preparing, "storage" | "model" | "onProgress">,
  ): Promise<Prepared> {
    if (this.#preparing) throw new UsageError("Another text is being prepared. Wait for it, or cancel it.");
    this.#preparing = new AbortController();
    const { signal } = this.#preparing;
    try {
      const prepared = await prepareData(input, { root: this.#root, storage, model, onProgress, signal });
      await this.adopt(prepared);
      await this.sweep();
      return prepared;
    } finally {
      this.#preparing = undefined;
    }
  }

  cancel(): void {
    this.#preparing?.abort();
  }

  /** Makes prepared data current. */
  async adopt(prepared: Prepared): Promise<void> {
    if (prepared.folder !== this.#current?.folder) {
      await this.#lock?.release();
      this.#lock = isSharedData(prepared.folder) ? undefined : await lock(prepared.folder);
    }
    this.#current = prepared;
  }

  /** Removes data that no tab has open and no run was trained on. */
  async sweep(): Promise<void> {
    const needed = await dataInUse(this.#runsRoot);
    for (const path of await platform.listFiles("*/dataset.json", this.#root)) {
      const folder = folderOf(path);
      if (needed.has(folder) || isSharedData(folder) || folder === this.#current?.folder) continue;
      if ((await platform.lockOwner(lockOf(folder))) === undefined) await platform.removeFolder(folder);
    }
  }
}

const lockOf = (folder: string) => inFolder(folder, "data.lock");

/** Undefined if another tab holds the lock, which may use the data of the same run. */
async function lock(folder: string): Promise<FileLock | undefined> {
  try {
    return await platform.lockFile(lockOf(folder));
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return undefined;
  }
}
