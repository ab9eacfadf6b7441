/**
 * Small results of measurements, kept from one start to the next under a note's name. What is kept is a hint: whatever
 * cannot be read, or is old, is measured again, and whatever cannot be written is kept for this process alone.
 */
import type { Platform } from "./platform.ts";

/** Places in a note: some versions of Node and of llm-ts, each with and without 256-bit vectors. */
const MOST = 32;
/** Measurements expire: the machine may have been busy. */
const MOST_DAYS = 30;
const DAY = 24 * 60 * 60 * 1000;

export class KeptNotes {
  readonly #name: string;
  readonly #disk: Pick<Platform, "recall" | "remember">;
  readonly #inThisProcess = new Map<string, string>();

  constructor(name: string, disk: Pick<Platform, "recall" | "remember">) {
    this.#name = name;
    this.#disk = disk;
  }

  async recall(key: string): Promise<string | undefined> {
    const known = this.#inThisProcess.get(key);
    if (known !== undefined) return known;
    const [, text, day = ""] = /^(.*) (\S+)$/.exec((await this.#read()).get(key) ?? "") ?? [];
    return Date.now() - Date.parse(day) < MOST_DAYS * DAY ? text : undefined;
  }

  async keep(key: string, text: string): Promise<void> {
    this.#inThisProcess.set(key, text);
    const kept = await this.#read();
    kept.delete(key); // to become the youngest
    kept.set(key, `${text} ${new Date().toISOString().slice(0, 10)}`);
    const youngest = Object.fromEntries([...kept].slice(-MOST));
    await this.#disk.remember(this.#name, `${JSON.stringify(youngest, null, 2)}\n`);
  }

  /** For each key its text and the day of the measurement: "6x16 2026-11-24". */
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
