import { readFileSync } from "node:fs";
import { Worker } from "node:worker_threads";
import { BackendError, messageOf } from "../errors.ts";
import type { KernelBuild, KernelWorker } from "./platform.ts";

export async function loadKernels(build: KernelBuild): Promise<Uint8Array<ArrayBuffer>> {
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

/** Value of OMP_NUM_THREADS; undefined if it is not a number. */
export function ompThreads(): number | undefined {
  // OpenMP also takes a list, one number for each level of nesting: the first is ours.
  const wanted = Number(/^\s*(\d+)\s*(,|$)/.exec(process.env.OMP_NUM_THREADS ?? "")?.[1]);
  return wanted >= 1 ? wanted : undefined;
}

/** Extension of the entry: that of this file, .ts from the sources, .js from a build. */
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
