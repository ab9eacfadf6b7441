import { platform } from "#platform";
import { InputError } from "../../src/errors.ts";
import { isStored, useMemory } from "../../src/platform/browser-storage.ts";
import { inFolder } from "../../src/platform/paths.ts";
import type { StorageInfo } from "./protocol.ts";

/** Quota in bytes of files in memory: each write copies the file, and a tab trains on no more in an hour. */
const memoryQuota = 256e6;

/** Bytes needed to prepare the bundled text. */
const leastSpace = 4e6;

/** Location of the tab's files: the browser's storage or, if it is missing or too small, this worker's memory. */
export class TabStorage {
  readonly #root: string;
  #place: Promise<Place> | undefined;

  constructor(root: string) {
    this.#root = root;
  }

  /** Sets the storage up, if it is not, and reports its state. Call it before the first access to a file. */
  async info(): Promise<StorageInfo> {
    this.#place ??= this.#find();
    const place = await this.#place;
    const { usage: used, quota } = await estimate();
    if (place !== "browser") return { kind: "memory", isSmall: place === "small", used, quota };
    return { kind: (await storage().persisted?.()) ? "kept" : "best-effort", used, quota };
  }

  async #find(): Promise<Place> {
    const place = await this.#browsersPlace();
    if (place === "browser") return place;
    const { storageFactory } = await import("opfs-mock");
    Object.defineProperty(navigator, "storage", { configurable: true, value: storageFactory({ quota: memoryQuota }) });
    useMemory();
    await platform.makeFolder(this.#root);
    return place;
  }

  async #browsersPlace(): Promise<Place> {
    try {
      await platform.makeFolder(this.#root);
    } catch (error) {
      // Private windows of some browsers, or forbidden by the user.
      if (!(error instanceof InputError) || !isStored(this.#root)) throw error;
      return "none";
    }
    // If runs fill the storage, the user can delete some.
    const runs = await platform.listFiles(inFolder(this.#root, "runs/*/config.json"));
    return !isStored(this.#root) || runs.length > 0 || (await this.#hasSpace()) ? "browser" : "small";
  }

  /** Tries to write: Chromium's estimate is ten gigabytes for everybody. */
  async #hasSpace(): Promise<boolean> {
    try {
      const probe = await platform.createSink(inFolder(this.#root, "space.tmp"));
      await probe.write(new Uint8Array(leastSpace)).finally(() => probe.abort());
      return true;
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      return false;
    }
  }
}

/** The browser's storage is used; it is too small; or there is none. */
type Place = "browser" | "small" | "none";

// Safari has no estimate before version 17.
const storage = (): Partial<StorageManager> => globalThis.navigator?.storage ?? {};

async function estimate(): Promise<StorageEstimate> {
  return (await storage().estimate?.()) ?? {};
}
