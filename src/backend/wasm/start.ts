/** Starts a backend on one kernel variant, unchecked: create.ts and survey.ts check it. */
import { platform } from "#platform";
import { shown, UsageError } from "../../errors.ts";
import type { Blas } from "../backend.ts";
import { MAX_THREADS } from "../entry.ts";
import { WasmBackend } from "./backend.ts";
import { openSgemm } from "./blas.ts";
import type { CompiledCode } from "./code.ts";
import { DirectExecutor } from "./executor.ts";
import { exportsOf, importsOf } from "./kernels.ts";
import { KernelMemory } from "./memory.ts";
import { WorkerPool } from "./pool.ts";
import type { Variant } from "./variants.ts";

export interface ThreadConfig {
  /** Memory shared with worker threads. Without it, commands run on the calling thread. */
  readonly shared: boolean;
  readonly threads: number;
  /** Nobody chose the number of threads: fewer may be as fast (thread-trial.ts). */
  readonly isDefault?: boolean;
  /** Bytes of tensors in the WebAssembly memory; default: as many as it takes. */
  readonly inside?: number;
}

/** Resolves the defaults. UsageError for an invalid number of threads. */
export function threadConfig(shared = platform.sharedMemory, threads?: number): ThreadConfig {
  if (threads === undefined && !shared) return { shared, threads: 1 };
  if (threads === undefined) {
    const wanted = platform.wantedThreads();
    return {
      shared,
      threads: Math.min(wanted ?? platform.usableCores(), MAX_THREADS),
      isDefault: wanted === undefined,
    };
  }
  if (Number.isInteger(threads) && threads >= 1 && threads <= MAX_THREADS)
    return { shared, threads: shared ? threads : 1 };
  throw new UsageError(`threads must be a whole number from 1 to ${MAX_THREADS}, not ${shown(threads)}.`);
}

export async function startBackend(
  variant: Variant,
  { module }: CompiledCode,
  { shared, threads, inside }: ThreadConfig,
  blas?: Blas,
): Promise<WasmBackend> {
  // Workers take longest to start, hence first.
  const pool = shared ? new WorkerPool(Array.from({ length: threads }, platform.startKernelWorker)) : null;
  try {
    const memory = new KernelMemory(shared);
    const sgemm = blas && !pool ? await openSgemm(platform.openForeign, blas.library, memory.memory) : undefined;
    const kernels = exportsOf(await WebAssembly.instantiate(module, importsOf(memory.memory, sgemm)));
    await pool?.start(module, memory.memory, blas?.library);
    const executor = pool ?? new DirectExecutor(kernels, memory.memory);
    return new WasmBackend(variant, { memory, executor, kernels, blas, inside });
  } catch (error) {
    await pool?.dispose();
    throw error;
  }
}
