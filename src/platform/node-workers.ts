import { readFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";
import type { KernelBuild, KernelWorker } from "./platform.ts";

/** V8's major and minor version: 11.3 in Node 20, 13.6 in Node 24. */
const [v8Major, v8Minor] = process.versions.v8.split(".").map(Number);

export async function compileKernels(build: KernelBuild): Promise<WebAssembly.Module> {
  // Relaxed SIMD is standard from V8 11.4 on; 11.3 has it behind a flag.
  if (v8Major === 11 && v8Minor < 4) setFlagsFromString("--experimental-wasm-relaxed-simd");
  const bytes = await readFile(new URL(`../../kernels/${build}.wasm`, import.meta.url));
  return WebAssembly.compile(bytes);
}

export function defaultThreads(): number {
  const wanted = Number(process.env.OMP_NUM_THREADS);
  return Number.isInteger(wanted) && wanted >= 1 ? wanted : availableParallelism();
}

export function setRevectorize(on: boolean): boolean {
  // V8 12.4 (Node 22) knows the flag too, but fuses nothing. Only x86 has 256-bit vectors.
  if (v8Major < 13 || process.arch !== "x64") return false;
  setFlagsFromString(on ? "--experimental-wasm-revectorize" : "--no-experimental-wasm-revectorize");
  return on;
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
