import { InputError } from "../errors.ts";
import { createSink } from "./browser-sink.ts";
import { openSource, openStream } from "./browser-sources.ts";
import type { KernelBuild, KernelWorker, Platform } from "./platform.ts";

/** Where each build lies. Spelled out one by one, since bundlers only find files that are named like this. */
const kernelUrls: Record<KernelBuild, URL> = {
  "relaxed-shared": new URL("../../kernels/relaxed-shared.wasm", import.meta.url),
  "plain-shared": new URL("../../kernels/plain-shared.wasm", import.meta.url),
  relaxed: new URL("../../kernels/relaxed.wasm", import.meta.url),
  plain: new URL("../../kernels/plain.wasm", import.meta.url),
};

async function loadKernels(build: KernelBuild): Promise<Uint8Array<ArrayBuffer>> {
  const source = await openSource(kernelUrls[build]);
  return new Uint8Array(await source.read(0, source.size));
}

/** localStorage can be full, or forbidden by the user. */
async function remember(name: string, text: string): Promise<void> {
  try {
    localStorage.setItem(`llm-ts ${name}`, text);
  } catch {}
}

async function recall(name: string): Promise<string | undefined> {
  try {
    return localStorage.getItem(`llm-ts ${name}`) ?? undefined;
  } catch {
    return undefined;
  }
}

function startKernelWorker(): KernelWorker {
  // Bundlers look for exactly this expression. The entry stands beside this file once both are compiled, as .js.
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

function noFolders(path: string): never {
  throw new InputError(`${path} cannot be made: a page in a browser can only save single, whole files. Save those.`);
}

/** The browser's answer to the platform contract. */
export const platform: Platform = {
  openSource,
  openStream,
  createSink,
  makeFolder: async (path) => noFolders(path),
  makeNewFolder: async (path) => noFolders(path),
  listFolder: async (path) => noFolders(path),
  appendText: async (path) => noFolders(path),
  renameFile: async (path) => noFolders(path),
  removeFile: async (path) => noFolders(path),
  lockFile: async (path) => noFolders(path),
  lockOwner: async (path) => noFolders(path),
  // Nothing can be looked for beside a URL.
  pathKind: async () => undefined,
  async listFiles(pattern) {
    if (!/[*?]/.test(pattern)) return [pattern];
    throw new InputError(`${pattern}: a page in a browser cannot list files. Name each file by its URL.`);
  },
  sha256() {
    throw new InputError("SHA-256 of a stream is not to be had in a browser. Hash the file with crypto.subtle.");
  },
  loadKernels,
  startKernelWorker,
  defaultThreads: () => navigator.hardwareConcurrency,
  // A page has no say in how its WebAssembly is compiled.
  problemOfWide: () => "a page in a browser cannot ask for them",
  compile: (bytes) => WebAssembly.compile(bytes),
  engine: () => navigator.userAgent,
  recall,
  remember,
  sharedMemory: globalThis.crossOriginIsolated === true,
};
