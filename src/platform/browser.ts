import { createSHA256 } from "hash-wasm";
import { BackendError, messageOf } from "../errors.ts";
import { recall, remember } from "./browser-cache.ts";
import { createDownload } from "./browser-download.ts";
import { createSink } from "./browser-file-sink.ts";
import * as files from "./browser-files.ts";
import { gpu } from "./browser-gpu.ts";
import { lockFile, lockOwner } from "./browser-lock.ts";
import { isStored } from "./browser-storage.ts";
import { openSource, openStream } from "./browser-urls.ts";
import { hasWildcard } from "./glob.ts";
import type { KernelBuild, KernelWorker, Platform } from "./platform.ts";

/** URL of each build. Spelled out one by one, since bundlers only find literal file names. */
const kernelUrls: Record<KernelBuild, URL> = {
  "relaxed-shared": new URL("../../kernels/relaxed-shared.wasm", import.meta.url),
  "plain-shared": new URL("../../kernels/plain-shared.wasm", import.meta.url),
  relaxed: new URL("../../kernels/relaxed.wasm", import.meta.url),
  plain: new URL("../../kernels/plain.wasm", import.meta.url),
};

async function loadKernels(build: KernelBuild): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const source = await openSource(kernelUrls[build]);
    return new Uint8Array(await source.read(0, source.size));
  } catch (error) {
    throw new BackendError(
      `The kernels of llm-ts cannot be loaded: ${messageOf(error)} A bundler that does not follow new URL(…, ` +
        "import.meta.url), such as esbuild, leaves them out: docs/browser.md says what to do then.",
      { cause: error },
    );
  }
}

function startKernelWorker(): KernelWorker {
  // Bundlers recognise exactly this expression. The entry lies beside this file once both are compiled, as .js.
  const worker = new Worker(new URL("./browser-worker-entry.js", import.meta.url), { type: "module" });
  return {
    postMessage: (message) => worker.postMessage(message),
    onMessage: (listener) => worker.addEventListener("message", (event) => listener(event.data)),
    onError(listener) {
      worker.addEventListener("error", (event) =>
        listener(new Error(event.message || "the worker's script could not be loaded")),
      );
      worker.addEventListener("messageerror", () => listener(new Error("a message to the worker could not be read")));
    },
    // A page lives as long as its tab.
    keepAlive: () => {},
    terminate: async () => worker.terminate(),
  };
}

/** Without a wildcard, a pattern is a URL. */
async function listFiles(pattern: string, within?: string): Promise<string[]> {
  const isPattern = within !== undefined || isStored(pattern) || hasWildcard(pattern);
  return isPattern ? files.listFiles(pattern, within) : [pattern];
}

const noLibraries = "a page in a browser cannot load libraries of the system";

/** The browser's answer to the platform contract. */
export const platform: Platform = {
  openSource: (input) => (isStored(input) ? files.openSource(input) : openSource(input)),
  openStream: (path) => (isStored(path) ? files.openStream(path) : openStream(path)),
  createSink: (path) => (isStored(path) ? createSink(path) : createDownload(path)),
  pathOf: ({ href }) => href,
  // The files beside a URL cannot be listed.
  pathKind: async (path) => (isStored(path) ? files.pathKind(path) : undefined),
  listFiles,
  makeFolder: files.makeFolder,
  makeNewFolder: files.makeNewFolder,
  listFolder: files.listFolder,
  appendText: files.appendText,
  renameFile: files.renameFile,
  removeFile: files.removeFile,
  removeFolder: files.removeFolder,
  removeEmptyFolder: files.removeEmptyFolder,
  lockFile,
  lockOwner,
  async sha256() {
    const hash = await createSHA256();
    return {
      update: (bytes) => void hash.update(bytes),
      digest: () => hash.digest(),
    };
  },
  loadKernels,
  startKernelWorker,
  wantedThreads: () => undefined,
  usableCores: () => navigator.hardwareConcurrency,
  // A page has no say in how its WebAssembly is compiled.
  problemOfSimd256: () => "a page in a browser cannot ask for them",
  compile: (bytes) => WebAssembly.compile(bytes),
  engine: () => navigator.userAgent,
  recall,
  remember,
  gpu,
  openForeign: async () => noLibraries,
  tryBlas: async () => noLibraries,
  // WebKit for GTK has isolated pages whose memory cannot be shared.
  sharedMemory: globalThis.crossOriginIsolated === true && typeof SharedArrayBuffer === "function",
};
