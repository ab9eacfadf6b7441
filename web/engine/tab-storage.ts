import { platform } from "#platform";
import { InputError } from "../../src/errors.ts";
import { forgetStorage, isStored } from "../../src/platform/browser-storage.ts";
import { inFolder } from "../../src/platform/paths.ts";
import type { StorageInfo } from "./protocol.ts";

/** Bytes for files in memory: each write copies the file, and a tab does not learn more in an hour. */
const memoryRoom = 256e6;

/** With less than this, not even the bundled text can be prepared. */
const leastRoom = 4e6;

/** Where the tab's files are: in the browser's storage or, where it gives none or too little, in this worker's memory. */
export class TabStorage {
  readonly #root: string;
  #place: Promise<Place> | undefined;

  constructor(root: string) {
    this.#root = root;
  }

  /** How it stands. Must be asked before the first file. */
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
    Object.defineProperty(navigator, "storage", { configurable: true, value: storageFactory({ quota: memoryRoom }) });
    forgetStorage();
    await platform.makeFolder(this.#root);
    return place;
  }

  async #browsersPlace(): Promise<Place> {
    try {
      await platform.makeFolder(this.#root);
    } catch (error) {
      // Private windows of some browsers, and where the person forbids it.
      if (!(error instanceof InputError) || !isStored(this.#root)) throw error;
      return "none";
    }
    // Where runs take the room, it can be made by deleting some.
    const runs = await platform.listFiles(inFolder(this.#root, "runs/*/config.json"));
    return !isStored(this.#root) || runs.length > 0 || (await this.#hasRoom()) ? "browser" : "small";
  }

  /** Tried: Chromium tells everybody of the same ten gigabytes. */
  async #hasRoom(): Promise<boolean> {
    try {
      const probe = await platform.createSink(inFolder(this.#root, "room.tmp"));
      await probe.write(new Uint8Array(leastRoom)).finally(() => probe.abort());
      return true;
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      return false;
    }
  }
}

/** What the browser gives: its storage, too little of it, or none. */
type Place = "browser" | "small" | "none";

// Safari's knows no estimate before version 17.
const storage = (): Partial<StorageManager> => globalThis.navigator?.storage ?? {};

async function estimate(): Promise<StorageEstimate> {
  return (await storage().estimate?.()) ?? {};
}
