/** The fastest tile of each code, kept from one start to the next. */
import { platform } from "#platform";
import { KeptNotes } from "../../platform/kept-notes.ts";
import type { CompiledCode } from "./code.ts";
import { type Code, type Tile, tiles } from "./variants.ts";

// Looked up at each call, since tests put other functions in their place.
const notes = new KeptNotes("kernels", {
  recall: (name) => platform.recall(name),
  remember: (name, text) => platform.remember(name, text),
});

/** Identifies what the speed of a code's tiles depends on. */
export function choiceKey({ build, wide }: Code, { hash }: CompiledCode): string {
  return `${build} ${hash}, ${wide ? 256 : 128}-bit, ${platform.engine()}`;
}

export async function recallTile(key: string): Promise<Tile | undefined> {
  const kept = await notes.recall(key);
  return tiles.find((tile) => tile === kept);
}

export async function keepTile(key: string, tile: Tile): Promise<void> {
  await notes.keep(key, tile);
}
