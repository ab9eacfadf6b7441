/** A running backend on one variant of the kernels, not yet checked: create.ts and survey.ts do that. */
import { platform } from "#platform";
import { UsageError } from "../../errors.ts";
import { WasmBackend } from "./backend.ts";
import type { CompiledCode } from "./code.ts";
import { DirectExecutor } from "./executor.ts";
import { exportsOf } from "./kernels.ts";
import { KernelMemory } from "./memory.ts";
import { WorkerPool } from "./pool.ts";
import type { Variant } from "./variants.ts";

export interface Place {
  /** Memory shared with worker threads. Without it, commands run in the calling thread. */
  readonly shared: boolean;
  readonly threads: number;
}

const MAX_THREADS = 256;

/** Where kernels will run. UsageError for a number of threads that cannot be. */
export function placeOf(shared = platform.sharedMemory, threads?: number): Place {
  if (threads === undefined) return { shared, threads: shared ? Math.min(platform.defaultThreads(), MAX_THREADS) : 1 };
  if (Number.isInteger(threads) && threads >= 1 && threads <= MAX_THREADS)
    return { shared, threads: shared ? threads : 1 };
  throw new UsageError(`threads must be a whole number from 1 to ${MAX_THREADS}, not ${threads}.`);
}

export async function startBackend(
  variant: Variant,
  { module }: CompiledCode,
  { shared, threads }: Place,
): Promise<WasmBackend> {
  // Workers take longest to start, so they come first.
  const pool = shared ? new WorkerPool(Array.from({ length: threads }, platform.startKernelWorker)) : null;
  try {
    const memory = new KernelMemory(shared);
    const kernels = exportsOf(await WebAssembly.instantiate(module, { env: { memory: memory.memory } }));
    await pool?.start(module, memory.memory);
    return new WasmBackend(variant, { memory, executor: pool ?? new DirectExecutor(kernels), kernels });
  } catch (error) {
    await pool?.dispose();
    throw error;
  }
}
