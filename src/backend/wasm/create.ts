import { platform } from "#platform";
import { BackendError, UsageError } from "../../errors.ts";
import type { KernelBuild } from "../../platform/platform.ts";
import type { Backend } from "../backend.ts";
import { WasmBackend } from "./backend.ts";
import { DirectExecutor } from "./executor.ts";
import { exportsOf } from "./kernels.ts";
import { KernelMemory } from "./memory.ts";
import { WorkerPool } from "./pool.ts";
import { chooseTile, TRIAL_BYTES, tileNames } from "./tiles.ts";

export interface WasmBackendOptions {
  /** Worker threads: OMP_NUM_THREADS, else one a core. Always 1 without shared memory. */
  readonly threads?: number;
  /** Fused multiply-add by relaxed SIMD: used where the engine has it, unless false; true insists on it. */
  readonly relaxed?: boolean;
  /** Memory shared with worker threads: used where the platform allows it, unless false. */
  readonly shared?: boolean;
  /**
   * Lets V8 fuse 128-bit operations into 256-bit ones, which doubles the speed on x86. The flag is experimental and
   * holds for the whole process, so it is off unless asked for.
   */
  readonly revectorize?: boolean;
  /** The size of the matrix product's tiles; measured if not given. */
  readonly tile?: (typeof tileNames)[number];
}

/** A backend on WebAssembly kernels, with worker threads. BackendError if it cannot be had here. */
export async function createWasmBackend(options: WasmBackendOptions = {}): Promise<Backend> {
  const shared = options.shared ?? platform.sharedMemory;
  const threads = shared ? checkedThreads(options.threads ?? platform.defaultThreads()) : 1;
  const wide = options.revectorize === true && platform.setRevectorize(true);
  // Workers take longest to start, so they come first.
  const pool = shared ? new WorkerPool(Array.from({ length: threads }, platform.startKernelWorker)) : null;
  try {
    return await start(pool, wide, options);
  } catch (error) {
    await pool?.dispose();
    throw error;
  }
}

async function start(pool: WorkerPool | null, wide: boolean, options: WasmBackendOptions): Promise<Backend> {
  const { module, relaxed } = await compile(pool !== null, options.relaxed);
  const memory = new KernelMemory(pool !== null);
  const kernels = exportsOf(await WebAssembly.instantiate(module, { env: { memory: memory.memory } }));

  const measured = `${pool !== null} ${relaxed} ${wide}`;
  const known = options.tile === undefined ? tilesMeasured.get(measured) : tileNames.indexOf(options.tile);
  const scratch = memory.take(kernels.scratchBytes(0)).address;
  const operands = memory.take(TRIAL_BYTES).address;
  const trial = known === undefined ? { scratch, operands } : null;
  let tile = known ?? 0;
  if (pool) tile = await pool.start({ module, memory: memory.memory, trial, tile });
  else if (trial) tile = chooseTile(kernels, memory.memory, trial);
  else kernels.setTile(tile);
  if (trial) tilesMeasured.set(measured, tile);
  memory.release(scratch);
  memory.release(operands);

  const executor = pool ?? new DirectExecutor(kernels);
  return new WasmBackend(describe(relaxed, tile, wide, executor.threads), { memory, executor, kernels });
}

function checkedThreads(threads: number): number {
  if (Number.isInteger(threads) && threads >= 1 && threads <= MAX_THREADS) return threads;
  throw new UsageError(`threads must be a whole number from 1 to ${MAX_THREADS}, not ${threads}.`);
}

const MAX_THREADS = 256;

/** The fastest tile of each build, as measured once in this process. */
const tilesMeasured = new Map<string, number>();

const modules = new Map<KernelBuild, Promise<WebAssembly.Module>>();

function moduleOf(build: KernelBuild): Promise<WebAssembly.Module> {
  let module = modules.get(build);
  if (!module) {
    module = platform.compileKernels(build);
    modules.set(build, module);
  }
  return module;
}

/** The relaxed build where it compiles, else the plain one. */
async function compile(shared: boolean, relaxed?: boolean): Promise<{ module: WebAssembly.Module; relaxed: boolean }> {
  const suffix = shared ? "-shared" : "";
  if (relaxed !== false) {
    try {
      return { module: await moduleOf(`relaxed${suffix}`), relaxed: true };
    } catch (error) {
      if (!(error instanceof WebAssembly.CompileError)) throw error;
      if (relaxed) throw new BackendError(`This engine does not know relaxed SIMD: ${error.message}`);
    }
  }
  return { module: await moduleOf(`plain${suffix}`), relaxed: false };
}

function describe(relaxed: boolean, tile: number, wide: boolean, threads: number): string {
  const width = wide && tileNames[tile] === "6x16" ? " (256-bit)" : "";
  const workers = threads === 1 ? "1 thread" : `${threads} threads`;
  return `wasm, ${relaxed ? "relaxed" : "plain"} SIMD, ${tileNames[tile]} tiles${width}, ${workers}`;
}
