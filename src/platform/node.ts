import { createSink, openSource } from "./node-files.ts";
import { compileKernels, defaultThreads, setRevectorize, startKernelWorker } from "./node-workers.ts";
import type { Platform } from "./platform.ts";

/** Node's answer to the platform contract. */
export const platform: Platform = {
  openSource,
  createSink,
  compileKernels,
  startKernelWorker,
  defaultThreads,
  setRevectorize,
  sharedMemory: true,
};
