import { platform } from "#platform";
import { InputError } from "../../src/errors.ts";
import { isStored } from "../../src/platform/browser-storage.ts";
import type { StorageInfo } from "./protocol.ts";

/** Bytes for files in memory: each write copies the file, and a tab does not learn more in an hour. */
const memoryRoom = 256e6;

/** Where the tab's files are: in the browser's storage or, where it gives none, in this worker's memory. */
export class TabStorage {
  readonly #root: string;
  #place: Promise<"browser" | "memory"> | undefined;

  constructor(root: string) {
    this.#root = root;
  }

  /** How it stands. Must be asked before the first file. */
  async info(): Promise<StorageInfo> {
    this.#place ??= this.#find();
    const place = await this.#place;
    // Safari's knows no estimate before version 17.
    const storage: Partial<StorageManager> = globalThis.navigator?.storage ?? {};
    const { usage: used, quota } = (await storage.estimate?.()) ?? {};
    if (place === "memory") return { kind: "memory", used, quota };
    return { kind: (await storage.persisted?.()) ? "kept" : "best-effort", used, quota };
  }

  async #find(): Promise<"browser" | "memory"> {
    try {
      await platform.makeFolder(this.#root);
      return "browser";
    } catch (error) {
      // Private windows of some browsers, and where the person forbids it.
      if (!(error instanceof InputError) || !isStored(this.#root)) throw error;
      const { storageFactory } = await import("opfs-mock");
      Object.defineProperty(navigator, "storage", { configurable: true, value: storageFactory({ quota: memoryRoom }) });
      await platform.makeFolder(this.#root);
      return "memory";
    }
  }
}
