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
const QUIET_MS = 40;
const MAX_MS = 300;

/** Clock steps that a measurement takes at least: browsers' clocks step by up to 1 ms. */
const STEPS = 10;
/** Calls of a measurement at most: a browser that hides the time from pages has steps of 100 ms. */
const MAX_CALLS = 64;

/** Quantile of a tile's times that counts. Most times on a busy machine include other programs'; the best one may be luck. */
const QUANTILE = 1 / 8;

/** GFLOP/s of each tile on one thread: several threads disturb each other where cores are busy. */
export async function timeTiles(backend: WasmBackend): Promise<Record<Tile, number>> {
  const [x, y, weight] = [backend.alloc([N, C]), backend.alloc([N, OC]), backend.alloc([OC, C])];
  const w = { weight, bias: null };
  const matmuls = [
    () => backend.matmulForward(y, x, w),
    () => backend.matmulBackwardInput(x, y, w),
    () => backend.matmulBackwardWeight({ ...w, accumulate: false }, y, x),
  ];
  const step = clockStep();
  // Each matmul for itself, a fraction of a millisecond: other programs interrupt few of them.
  const times: Record<Tile, number[][]> = { "6x16": [[], [], []], "6x8": [[], [], []], "4x8": [[], [], []] };
  const start = performance.now();
  let improved = start;
  let now = start;
  while (now - start < MIN_MS || (now - improved < QUIET_MS && now - start < MAX_MS)) {
    for (const [i, matmul] of matmuls.entries())
      for (const tile of tiles) {
        backend.useTile(tile);
        const ms = await msOf(backend, matmul, step);
        now = performance.now();
        if (ms < 0.95 * Math.min(...times[tile][i])) improved = now;
        times[tile][i].push(ms);
      }
  }
  for (const tensor of [x, y, weight]) await backend.free(tensor);
  const gflops = (all: number[][]) => (3 * 2 * N * C * OC) / all.reduce((sum, ms) => sum + quantileOf(ms), 0) / 1e6;
  return { "6x16": gflops(times["6x16"]), "6x8": gflops(times["6x8"]), "4x8": gflops(times["4x8"]) };
}

/** Tiles, fastest first. */
export function bySpeed(speeds: Readonly<Record<Tile, number>>): Tile[] {
  return [...tiles].sort((a, b) => speeds[b] - speeds[a]);
}

/** Milliseconds of one call on one thread. */
async function msOf(backend: WasmBackend, matmul: () => void, step: number): Promise<number> {
  const before = performance.now();
  let ms = 0;
  let calls = 0;
  do {
    backend.alone(matmul);
    await backend.sync();
    ms = performance.now() - before;
    calls++;
  } while (ms < STEPS * step && calls < MAX_CALLS);
  return ms / calls;
}

/** Milliseconds by which the clock advances. */
function clockStep(): number {
  const start = performance.now();
  let now = start;
  while (now === start) now = performance.now();
  return now - start;
}

function quantileOf(times: readonly number[]): number {
  return [...times].sort((a, b) => a - b)[Math.floor(QUANTILE * times.length)];
}
