import { tryBlas } from "./node-blas-trial.ts";
import { recall, remember } from "./node-cache.ts";
import { compile, problemOfSimd256 } from "./node-compile.ts";
import { usableCores } from "./node-cores.ts";
import { engine } from "./node-engine.ts";
import {
  appendText,
  createSink,
  listFiles,
  listFolder,
  makeFolder,
  makeNewFolder,
  openSource,
  openStream,
  pathKind,
  pathOf,
  removeEmptyFolder,
  removeFile,
  removeFolder,
  renameFile,
  sha256,
} from "./node-files.ts";
import { openForeign } from "./node-foreign.ts";
import { gpu } from "./node-gpu.ts";
import { lockFile, lockOwner } from "./node-lock.ts";
import { machineMemory } from "./node-memory.ts";
import { loadKernels, ompThreads, startKernelWorker } from "./node-workers.ts";
import type { Platform } from "./platform.ts";

/** Node's answer to the platform contract. */
export const platform: Platform = {
  openSource,
  createSink,
  openStream,
  pathOf,
  pathKind,
  listFiles,
  makeFolder,
  makeNewFolder,
  listFolder,
  appendText,
  renameFile,
  removeFile,
  removeFolder,
  removeEmptyFolder,
  lockFile,
  lockOwner,
  sha256,
  loadKernels,
  startKernelWorker,
  machineMemory,
  wantedThreads: ompThreads,
  usableCores: () => usableCores().count,
  problemOfSimd256,
  compile,
  engine,
  recall,
  remember,
  gpu,
  openForeign,
  tryBlas,
  sharedMemory: typeof SharedArrayBuffer === "function",
};
