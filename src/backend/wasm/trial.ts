/** How fast each tile of the matrix product is here. All give the same bits; only a measurement tells which is fastest. */
import type { WasmBackend } from "./backend.ts";
import { type Tile, tiles } from "./variants.ts";

// The products that are timed: sides that are multiples of every tile's, and all of it stays in the caches.
const N = 240;
const C = 192;
const OC = 192;

/**
 * How long to look for the fastest, all tiles together. In a browser, a tile is slow until the engine has optimised it, at
 * some moment in the background; so the trial ends when no tile has become faster for a while.
 */
const LEAST_MS = 40;
const QUIET_MS = 20;
const MOST_MS = 250;

/** GFLOP/s of each tile in one thread, at its best moment: several disturb each other where cores are busy. */
export async function timeTiles(backend: WasmBackend): Promise<Record<Tile, number>> {
  const [x, y, weight] = [backend.alloc([N, C]), backend.alloc([N, OC]), backend.alloc([OC, C])];
  const w = { weight, bias: null };
  const best: Record<Tile, number> = { "6x16": Infinity, "6x8": Infinity, "4x8": Infinity };
  const start = performance.now();
  let improved = start;
  let now = start;
  while (now - start < LEAST_MS || (now - improved < QUIET_MS && now - start < MOST_MS)) {
    for (const tile of tiles) {
      backend.useTile(tile);
      const before = performance.now();
      backend.alone(() => {
        backend.matmulForward(y, x, w);
        backend.matmulBackwardInput(x, y, w);
        backend.matmulBackwardWeight({ ...w, accumulate: false }, y, x);
      });
      await backend.sync();
      now = performance.now();
      if (now - before < 0.9 * best[tile]) improved = now;
      best[tile] = Math.min(best[tile], now - before);
    }
  }
  for (const tensor of [x, y, weight]) await backend.free(tensor);
  const gflops = (ms: number) => (3 * 2 * N * C * OC) / ms / 1e6;
  return { "6x16": gflops(best["6x16"]), "6x8": gflops(best["6x8"]), "4x8": gflops(best["4x8"]) };
}

/** The fastest first. */
export function bySpeed(speeds: Readonly<Record<Tile, number>>): Tile[] {
  return [...tiles].sort((a, b) => speeds[b] - speeds[a]);
}
