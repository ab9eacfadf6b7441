/**
 * Timing of numbers of threads. All give the same bits. A second thread of a core, or a core of a tenth of the speed, may add
 * nothing; only a measurement shows it.
 */
import type { ThreadSpeed } from "../entry.ts";
import { keepThreads, recallThreads } from "./choice-cache.ts";
import type { CompiledCode } from "./code.ts";
import { startBackend } from "./start.ts";
import { type Code, tiles } from "./variants.ts";

// Shape of the timed matmuls: GPT-2's, of 256 rows.
const N = 256;
const C = 768;
const OC = 768;
const ROUNDS = 8;
/** On a busy machine, fewer rounds. */
const MAX_MS = 500;

/** More threads must be faster by this factor to be used. */
const WORTH = 1.01;

/** Numbers of threads to choose from on a machine of so many cores. With few cores each is worth its thread. */
export function candidatesOf(cores: number): number[] {
  return cores < 4 ? [cores] : [cores, Math.round(0.75 * cores), Math.round(0.5 * cores)];
}

/** The number of threads for `cores` cores: as kept by an earlier start, or measured and kept now. */
export async function chooseThreads(code: Code, compiled: CompiledCode, cores: number): Promise<number> {
  const candidates = candidatesOf(cores);
  if (candidates.length === 1) return cores;
  const known = await recallThreads(code, compiled, cores);
  if (known !== undefined && candidates.includes(known)) return known;
  const chosen = fewestOf(await timeThreads(code, compiled, candidates));
  await keepThreads(code, compiled, cores, chosen);
  return chosen;
}

/** Best GFLOP/s of each number of threads, measured in turns. */
export async function timeThreads(
  code: Code,
  compiled: CompiledCode,
  counts: readonly number[],
): Promise<ThreadSpeed[]> {
  const variant = { ...code, tile: tiles[0] };
  const started = counts.map((threads) => startBackend(variant, compiled, { shared: true, threads }));
  try {
    const rows = (await Promise.all(started)).map((backend) => {
      const [x, y, weight] = [backend.alloc([N, C]), backend.alloc([N, OC]), backend.alloc([OC, C])];
      const w = { weight, bias: null };
      const run = async () => {
        const start = performance.now();
        backend.matmulForward(y, x, w);
        backend.matmulBackwardInput(x, y, w);
        backend.matmulBackwardWeight({ ...w, accumulate: false }, y, x);
        await backend.sync();
        return performance.now() - start;
      };
      return { threads: backend.threads, run, best: Number.POSITIVE_INFINITY };
    });
    const end = performance.now() + MAX_MS;
    for (let round = 0; round < ROUNDS && (round < 2 || performance.now() < end); round++)
      for (const row of rows) row.best = Math.min(row.best, await row.run());
    return rows.map(({ threads, best }) => ({ threads, gflops: (3 * 2 * N * C * OC) / best / 1e6 }));
  } finally {
    for (const start of await Promise.allSettled(started))
      if (start.status === "fulfilled") await start.value.dispose();
  }
}

/** The fewest threads that nearly reach the highest speed. */
export function fewestOf(speeds: readonly ThreadSpeed[]): number {
  const highest = Math.max(...speeds.map(({ gflops }) => gflops));
  return Math.min(...speeds.filter(({ gflops }) => gflops * WORTH >= highest).map(({ threads }) => threads));
}
