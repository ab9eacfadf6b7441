import {
  appendText,
  createSink,
  listFiles,
  makeFolder,
  makeNewFolder,
  openSource,
  openStream,
  pathKind,
  sha256,
} from "./node-files.ts";
import { compileKernels, defaultThreads, setRevectorize, startKernelWorker } from "./node-workers.ts";
import type { Platform } from "./platform.ts";

/** Node's answer to the platform contract. */
export const platform: Platform = {
  openSource,
  createSink,
  openStream,
  pathKind,
  listFiles,
  makeFolder,
  makeNewFolder,
  appendText,
  sha256,
  compileKernels,
  startKernelWorker,
  defaultThreads,
  setRevectorize,
  sharedMemory: true,
};
