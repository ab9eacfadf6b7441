import { readFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";
import { BackendError, messageOf } from "../errors.ts";
import type { KernelBuild, KernelWorker } from "./platform.ts";

/** V8's major and minor version: 11.3 in Node 20, 13.6 in Node 24. */
const [v8Major, v8Minor] = process.versions.v8.split(".").map(Number);

export async function loadKernels(build: KernelBuild): Promise<Uint8Array<ArrayBuffer>> {
  // Relaxed SIMD is standard from V8 11.4 on; 11.3 has it behind a flag.
  if (v8Major === 11 && v8Minor < 4) setFlagsFromString("--experimental-wasm-relaxed-simd");
  try {
    // Not awaited: whatever is imported meanwhile would keep the workers waiting for their module.
    return new Uint8Array(readFileSync(new URL(`../../kernels/${build}.wasm`, import.meta.url)));
  } catch (error) {
    throw new BackendError(
      `The kernels that compute cannot be read: ${messageOf(error)}. Install llm-ts ` +
        "again (in a clone: npm run build).",
    );
  }
}

/** What OMP_NUM_THREADS asks for; undefined if that is no number. */
export function ompThreads(): number | undefined {
  // OpenMP also takes a list, one number for each level of nesting: the first is ours.
  const wanted = Number(/^\s*(\d+)\s*(,|$)/.exec(process.env.OMP_NUM_THREADS ?? "")?.[1]);
  return wanted >= 1 ? wanted : undefined;
}

export function defaultThreads(): number {
  return ompThreads() ?? availableParallelism();
}

export function engine(): string {
  return `Node ${process.version}, V8 ${process.versions.v8}, ${cpus()[0]?.model.trim() ?? process.arch}`;
}

export function problemOfWide(): string | undefined {
  // V8 12.4 (Node 22) knows the flag too, but fuses nothing. Only x86 has 256-bit vectors.
  return v8Major < 13 || process.arch !== "x64" ? "need V8 13 or later (Node 24) on x86" : undefined;
}

/**
 * V8's flags are the whole process's, so they are changed for this call alone, during which nothing else runs here: it
 * compiles every function, on all cores, and waits (50 ms for the kernels).
 */
export async function compile(bytes: Uint8Array<ArrayBuffer>, wide: boolean): Promise<WebAssembly.Module> {
  const flags = ["wasm-lazy-compilation", "liftoff"];
  for (const flag of flags) setFlagsFromString(`--no-${flag}`);
  if (wide) setFlagsFromString("--experimental-wasm-revectorize");
  try {
    return new WebAssembly.Module(bytes);
  } finally {
    for (const flag of flags) setFlagsFromString(`--${flag}`);
    if (wide) setFlagsFromString("--no-experimental-wasm-revectorize");
  }
}

/** This file's own extension tells whether the sources run or what was built from them. */
const entry = new URL(`./node-worker-entry${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url);

export function startKernelWorker(): KernelWorker {
  // Not the options of this process: they may be about its main script (--input-type), and V8 flags hold anyway.
  const worker = new Worker(entry, { execArgv: [] });
  return {
    postMessage: (message) => worker.postMessage(message),
    onMessage: (listener) => worker.on("message", listener),
    onError: (listener) => {
      worker.on("error", (error) => listener(error instanceof Error ? error : new Error(String(error))));
      worker.on("messageerror", listener);
      worker.on("exit", (code) => listener(new Error(`it ended with exit code ${code}`)));
    },
    keepAlive: (on) => (on ? worker.ref() : worker.unref()),
    terminate: async () => {
      await worker.terminate();
    },
  };
}
