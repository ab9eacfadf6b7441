/**
 * The fastest tile of each code, kept from one start to the next. What is kept is a hint: whatever cannot be read, or is
 * old, is measured again, and whatever cannot be written is not kept.
 */
import { platform } from "#platform";
import type { CompiledCode } from "./code.ts";
import { type Code, type Tile, tiles } from "./variants.ts";

const NOTE = "kernels";
/** Places in the cache: some versions of Node and of llm-ts, each with and without 256-bit vectors. */
const MOST = 32;
/** A choice that was measured while the machine was busy shall not hold for ever. */
const MOST_DAYS = 30;
const DAY = 24 * 60 * 60 * 1000;

/** Identifies what the speed of a code's tiles depends on. */
export function choiceKey({ build, wide }: Code, { hash }: CompiledCode): string {
  return `${build} ${hash}, ${wide ? 256 : 128}-bit, ${platform.engine()}`;
}

const inThisProcess = new Map<string, Tile>();

export async function recallTile(key: string): Promise<Tile | undefined> {
  const [tile, day] = (await readCache()).get(key)?.split(" ") ?? [];
  const isYoung = Date.now() - Date.parse(day) < MOST_DAYS * DAY;
  return inThisProcess.get(key) ?? (isYoung ? tiles.find((one) => one === tile) : undefined);
}

export async function keepTile(key: string, tile: Tile): Promise<void> {
  inThisProcess.set(key, tile);
  const kept = await readCache();
  kept.delete(key); // to become the youngest
  kept.set(key, `${tile} ${new Date().toISOString().slice(0, 10)}`);
  await platform.remember(NOTE, `${JSON.stringify(Object.fromEntries([...kept].slice(-MOST)), null, 2)}\n`);
}

/** For each code its tile and the day of the measurement: "6x16 2026-11-24". */
async function readCache(): Promise<Map<string, string>> {
  try {
    const found: unknown = JSON.parse((await platform.recall(NOTE)) ?? "{}");
    return new Map(Object.entries(found ?? {}).filter(([, value]) => typeof value === "string"));
  } catch {
    return new Map(); // damaged, or not ours
  }
}
