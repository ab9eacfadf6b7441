/**
 * Which of the three tile sizes of the matrix product is fastest here. That depends on the machine and on the engine's
 * register allocation, so it is measured: a few milliseconds each. All give the same bits; one that does not is out.
 */
import type { KernelExports } from "./kernels.ts";

/** The tiles by their number in assembly/gemm.ts. */
export const tileNames = ["6x16", "6x8", "4x8"] as const;

// The product that is timed: M and N are multiples of every tile's sides, and all of it stays in the caches.
const M = 60;
const N = 64;
const K = 128;

/**
 * How long to look for the fastest, all tiles together. A tile is slow until the engine has optimised it, at some moment
 * in the background; so the trial ends when no tile has become faster for a while.
 */
const LEAST_MS = 40;
const QUIET_MS = 20;
const MOST_MS = 250;

/** Bytes of memory that the product's three matrices take. */
export const TRIAL_BYTES = (M * K + N * K + M * N) * 4;

/** Where a trial may work: scratch memory for the instance, and TRIAL_BYTES for the product. */
export interface TileTrial {
  readonly scratch: number;
  readonly operands: number;
}

/** The fastest tile whose product is right. */
export function chooseTile(kernels: KernelExports, memory: WebAssembly.Memory, trial: TileTrial): number {
  kernels.setScratch(trial.scratch);
  const inp = new Float32Array(memory.buffer, trial.operands, M * K);
  const weight = new Float32Array(memory.buffer, trial.operands + inp.byteLength, N * K);
  const out = new Float32Array(memory.buffer, weight.byteOffset + weight.byteLength, M * N);
  for (let i = 0; i < inp.length; i++) inp[i] = Math.sin(i);
  for (let i = 0; i < weight.length; i++) weight[i] = Math.cos(i);

  const best = tileNames.map(() => Number.POSITIVE_INFINITY);
  const start = performance.now();
  let improved = start;
  const run = (tile: number) => {
    kernels.setTile(tile);
    const before = performance.now();
    for (let i = 0; i < 4; i++)
      kernels.matmulForward(0, 1, out.byteOffset, inp.byteOffset, weight.byteOffset, 0, M, K, N);
    const now = performance.now();
    if (now - before < 0.9 * best[tile]) improved = now;
    best[tile] = Math.min(best[tile], now - before);
    return now;
  };
  for (let now = start; now - start < LEAST_MS || (now - improved < QUIET_MS && now - start < MOST_MS); )
    for (let tile = 0; tile < tileNames.length; tile++) now = run(tile);

  const expected = product(inp, weight);
  const right = (tile: number) => {
    out.fill(0);
    run(tile);
    // Sums of 128 products of at most 1: rounding stays far below this.
    return out.every((value, i) => Math.abs(value - expected[i]) < 1e-4);
  };
  const bySpeed = [...best.keys()].sort((a, b) => best[a] - best[b]);
  const tile = bySpeed.find(right);
  if (tile === undefined)
    throw new Error("the matrix product gives wrong results on this machine with every tile size");
  kernels.setTile(tile);
  return tile;
}

/** (M,K) times (N,K) transposed, in double precision. */
function product(inp: Float32Array, weight: Float32Array): Float64Array {
  return Float64Array.from({ length: M * N }, (_, at) => {
    const row = Math.floor(at / N) * K;
    const column = (at % N) * K;
    let sum = 0;
    for (let k = 0; k < K; k++) sum += inp[row + k] * weight[column + k];
    return sum;
  });
}
