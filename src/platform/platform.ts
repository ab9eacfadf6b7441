/** What the rest of the program asks of the world it runs in; node.ts and browser.ts answer. */

/** Random access to the bytes of a file, a Blob or a download. */
export interface ByteSource {
  /** For messages: the path, URL or file name. */
  readonly name: string;
  readonly size: number;
  /** Exactly `length` bytes from `offset` on; InputError when the source ends before. */
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** A file being written: nothing stands under its name until `commit`, which flushes to disk and renames. */
export interface ByteSink {
  readonly name: string;
  write(bytes: Uint8Array): Promise<void>;
  commit(): Promise<void>;
  /** Removes what was written; whatever stood under the name stays as it was. Safe to call after `commit`. */
  abort(): Promise<void>;
}

/** The four builds of assembly/: relaxed SIMD (fused multiply-add) or plain, shared memory (threads) or not. */
export type KernelBuild = "relaxed-shared" | "plain-shared" | "relaxed" | "plain";

/** A worker thread, as far as the wasm backend needs one. */
export interface KernelWorker {
  postMessage(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
  onError(listener: (error: Error) => void): void;
  /** Whether this worker keeps the process alive (Node only): yes while work is under way, no while it is idle. */
  keepAlive(on: boolean): void;
  terminate(): Promise<void>;
}

export interface Platform {
  /** Opens a file (Node: a path; browser: a URL, File or Blob). InputError when missing, a folder, or not readable. */
  openSource(input: string | URL | Blob | Uint8Array): Promise<ByteSource>;
  /** InputError when the folder is missing or not writable. */
  createSink(path: string): Promise<ByteSink>;
  compileKernels(build: KernelBuild): Promise<WebAssembly.Module>;
  startKernelWorker(): KernelWorker;
  /** OMP_NUM_THREADS, else the number of cores. */
  defaultThreads(): number;
  /** Asks V8 to fuse 128-bit operations to 256-bit ones in modules compiled from now on; false where it cannot. */
  setRevectorize(on: boolean): boolean;
  /** Whether workers may share memory here: always in Node, only in isolated pages in a browser. */
  readonly sharedMemory: boolean;
}
