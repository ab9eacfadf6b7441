/**
 * Cache of the fastest tile of each module, and of the number of threads, kept between starts. A measurement on a busy machine
 * may be wrong, so a choice counts from the second start in succession that measures it.
 */
import { platform } from "#platform";
import { ResultCache } from "../../platform/result-cache.ts";
import type { CompiledCode } from "./code.ts";
import { type Code, type Tile, tiles } from "./variants.ts";

// Looked up at each call, so that tests can mock the platform.
const cache = new ResultCache("kernels", {
  recall: (name) => platform.recall(name),
  remember: (name, text) => platform.remember(name, text),
});

const UNCONFIRMED = " unconfirmed";

/** Keeps a measured choice: confirmed if the measurement before gave the same. */
async function keepMeasured(key: string, choice: string): Promise<void> {
  const before = await cache.recall(key);
  await cache.keep(key, before?.replace(UNCONFIRMED, "") === choice ? choice : choice + UNCONFIRMED);
}

/** Cache key: everything that the speed of a module's tiles depends on. */
export function choiceKey({ build, simd256 }: Code, { hash }: CompiledCode): string {
  return `${build} ${hash}, ${simd256 ? 256 : 128}-bit, ${platform.engine()}`;
}

/** The tile chosen and confirmed; undefined where it has to be measured. */
export async function recallTile(key: string): Promise<Tile | undefined> {
  const kept = await cache.recall(key);
  return tiles.find((tile) => tile === kept);
}

export async function keepTile(key: string, tile: Tile): Promise<void> {
  await keepMeasured(key, tile);
}

/** Of the numbers of threads measured on so many cores, the one chosen and confirmed. */
export async function recallThreads(code: Code, compiled: CompiledCode, cores: number): Promise<number | undefined> {
  const kept = await cache.recall(threadsKey(code, compiled, cores));
  return kept === undefined || kept.endsWith(UNCONFIRMED) ? undefined : Number(kept);
}

export async function keepThreads(code: Code, compiled: CompiledCode, cores: number, threads: number): Promise<void> {
  await keepMeasured(threadsKey(code, compiled, cores), String(threads));
}

function threadsKey(code: Code, compiled: CompiledCode, cores: number): string {
  return `threads of ${cores} cores, ${choiceKey(code, compiled)}`;
}
