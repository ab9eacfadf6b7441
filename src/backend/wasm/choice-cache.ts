/**
 * The fastest tile of each code, kept from one start to the next. What is kept is a hint: whatever cannot be read is
 * measured again, and whatever cannot be written is not kept.
 */
import { platform } from "#platform";
import type { CompiledCode } from "./code.ts";
import { type Code, type Tile, tiles } from "./variants.ts";

const NOTE = "kernels";
/** Places in the cache: some versions of Node and of llm-ts, each with and without 256-bit vectors. */
const MOST = 32;

/** Identifies what the speed of a code's tiles depends on. */
export function choiceKey({ build, wide }: Code, { hash }: CompiledCode): string {
  return `${build} ${hash}, ${wide ? 256 : 128}-bit, ${platform.engine()}`;
}

const inThisProcess = new Map<string, Tile>();

export async function recallTile(key: string): Promise<Tile | undefined> {
  return inThisProcess.get(key) ?? (await readCache()).get(key);
}

export async function keepTile(key: string, tile: Tile): Promise<void> {
  inThisProcess.set(key, tile);
  const kept = await readCache();
  kept.delete(key); // to become the youngest
  kept.set(key, tile);
  await platform.remember(NOTE, `${JSON.stringify(Object.fromEntries([...kept].slice(-MOST)), null, 2)}\n`);
}

async function readCache(): Promise<Map<string, Tile>> {
  const kept = new Map<string, Tile>();
  try {
    const found: unknown = JSON.parse((await platform.recall(NOTE)) ?? "{}");
    for (const [key, value] of Object.entries(found ?? {})) {
      const tile = tiles.find((tile) => tile === value);
      if (tile) kept.set(key, tile);
    }
  } catch {
    // Damaged, or not ours.
  }
  return kept;
}
