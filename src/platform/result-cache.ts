/**
 * Cache of small measured results between starts. An entry is a hint: if it is unreadable or old, it is measured again; if it
 * cannot be written, it is cached for this process alone.
 */
import type { Platform } from "./platform.ts";

/** Entries of a cache: some versions of Node and of llm-ts, each with and without 256-bit vectors. */
const MAX_ENTRIES = 32;
/** Measurements expire: the machine may have been busy. */
const MAX_DAYS = 30;
const DAY = 24 * 60 * 60 * 1000;

export class ResultCache {
  readonly #name: string;
  readonly #disk: Pick<Platform, "recall" | "remember">;
  readonly #ofThisProcess = new Map<string, string>();

  constructor(name: string, disk: Pick<Platform, "recall" | "remember">) {
    this.#name = name;
    this.#disk = disk;
  }

  async recall(key: string): Promise<string | undefined> {
    const known = this.#ofThisProcess.get(key);
    if (known !== undefined) return known;
    const [, text, day = ""] = /^(.*) (\S+)$/.exec((await this.#read()).get(key) ?? "") ?? [];
    return Date.now() - Date.parse(day) < MAX_DAYS * DAY ? text : undefined;
  }

  async keep(key: string, text: string): Promise<void> {
    this.#ofThisProcess.set(key, text);
    const kept = await this.#read();
    kept.delete(key); // so that it moves to the end
    kept.set(key, `${text} ${new Date().toISOString().slice(0, 10)}`);
    const youngest = Object.fromEntries([...kept].slice(-MAX_ENTRIES));
    await this.#disk.remember(this.#name, `${JSON.stringify(youngest, null, 2)}\n`);
  }

  /** The text and the day of the measurement by key: "6x16 2026-11-24". */
  async #read(): Promise<Map<string, string>> {
    try {
      const found: unknown = JSON.parse((await this.#disk.recall(this.#name)) ?? "{}");
      return new Map(Object.entries(found ?? {}).filter(([, value]) => typeof value === "string"));
    } catch {
      return new Map(); // damaged, or not ours
    }
  }
}

/** FNV-1a, in hexadecimal: identifies a build in keys, not a security measure. */
export function hashOf(bytes: Uint8Array): string {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return (hash >>> 0).toString(16);
}
