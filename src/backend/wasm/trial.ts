/** Timing of the GEMM tiles. All give the same bits; which is fastest, only a measurement shows. */
import type { WasmBackend } from "./backend.ts";
import { type Tile, tiles } from "./variants.ts";

// Shape of the timed matmuls: a multiple of every tile, small enough to stay in the caches.
const N = 240;
const C = 192;
const OC = 192;

/**
 * Duration of the trial, all tiles together. A browser's engine optimises code in the background at some moment, and a
 * tile is slow until then; so the trial ends when no tile has become faster for QUIET_MS.
 */
const MIN_MS = 40;
const QUIET_MS = 20;
const MAX_MS = 250;

/** Best GFLOP/s of each tile on one thread: several threads disturb each other where cores are busy. */
export async function timeTiles(backend: WasmBackend): Promise<Record<Tile, number>> {
  const [x, y, weight] = [backend.alloc([N, C]), backend.alloc([N, OC]), backend.alloc([OC, C])];
  const w = { weight, bias: null };
  const best: Record<Tile, number> = { "6x16": Infinity, "6x8": Infinity, "4x8": Infinity };
  const start = performance.now();
  let improved = start;
  let now = start;
  while (now - start < MIN_MS || (now - improved < QUIET_MS && now - start < MAX_MS)) {
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

/** Tiles, fastest first. */
export function bySpeed(speeds: Readonly<Record<Tile, number>>): Tile[] {
  return [...tiles].sort((a, b) => speeds[b] - speeds[a]);
}
