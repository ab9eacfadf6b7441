/** The program's interface to its environment; node.ts and browser.ts implement it. */

/** Random access to the bytes of a file, a Blob or a download. */
export interface ByteSource {
  /** For messages: the path, URL or file name. */
  readonly name: string;
  readonly size: number;
  /** Exactly `length` bytes from `offset` on; InputError when the source ends before. */
  read(offset: number, length: number): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** A sequential output. */
export interface Appender {
  /** For messages: the path. */
  readonly name: string;
  /** Appends. */
  write(bytes: Uint8Array): Promise<void>;
}

/**
 * A file being written: its name does not exist until `commit`, which flushes to disk and renames. InputError
 * when the disk is full or the like.
 */
export interface ByteSink extends Appender {
  /** Bytes written so far. */
  readonly size: number;
  /** Overwrites bytes that were already written: a header's count, known only at the end. */
  rewrite(offset: number, bytes: Uint8Array): Promise<void>;
  /** Exactly `length` bytes of what was written, from `offset` on. */
  readBack(offset: number, length: number): Promise<Uint8Array>;
  /** Forgets what was written from `size` on. */
  truncate(size: number): Promise<void>;
  commit(): Promise<void>;
  /** Removes what was written; whatever stood under the name stays as it was. Safe to call after `commit`. */
  abort(): Promise<void>;
}

/**
 * Bytes that can be read once, from the start: a file, standard input, a pipe. A chunk is good until the next one is
 * asked for.
 */
export interface ByteStream extends AsyncIterable<Uint8Array> {
  /** For messages: the path, or "standard input". */
  readonly name: string;
  /** Unknown for standard input and pipes. */
  readonly size: number | undefined;
}

export interface Sha256 {
  update(bytes: Uint8Array): void;
  /** The hash of everything so far, in hexadecimal. Ends this hash. */
  digest(): string;
}

/** Holder of a lock. */
export interface LockOwner {
  /** For people: "process 812 on mars", "a tab of this browser". */
  readonly who: string;
  /** Time the lock was taken: ISO 8601. For people only; no decision depends on it. */
  readonly started: string;
}

/** A lock that this process (in a browser: this tab or worker) holds; it is free when that ends, however it ends. */
export interface FileLock {
  /** The former owner, which ended without releasing the lock. */
  readonly takenFrom?: LockOwner;
  /** LlmError when another process has taken the lock over, which held this one for dead: to be asked before writing. */
  check(): Promise<void>;
  release(): Promise<void>;
}

/** Kind of a path, links followed; "special": a pipe, a socket or a device. */
export type PathKind = "file" | "folder" | "special";

/** The four builds of assembly/: relaxed SIMD (fused multiply-add) or plain, shared memory (threads) or not. */
export type KernelBuild = "relaxed-shared" | "plain-shared" | "relaxed" | "plain";

/** A worker thread, as far as the wasm backend needs one. */
export interface KernelWorker {
  postMessage(message: unknown): void;
  onMessage(listener: (message: unknown) => void): void;
  /** Also called when the worker ends, for whatever reason. */
  onError(listener: (error: Error) => void): void;
  /** Keeps the process alive or not (Node only): true while work is under way, false while it is idle. */
  keepAlive(on: boolean): void;
  terminate(): Promise<void>;
}

/** WebAssembly.Module; some object to those who use the package's types without DOM's, which alone declare that. */
export type CompiledModule = typeof globalThis extends { WebAssembly: { Module: { prototype: infer M } } } ? M : object;

/** Memory of the machine, in bytes. */
export interface MachineMemory {
  /** Physical memory, or less where a container has a limit. */
  readonly total: number;
  /** What this process could still take without swapping. */
  available(): number;
}

/** Access to WebGPU. */
export interface GpuAccess {
  /** WebGPU's entry point (`GPU`, which TypeScript's older libraries do not declare), or why there is none: a phrase. */
  open(): Promise<object | string>;
  /** Reason for a missing adapter, and what helps: a phrase. */
  problem(): string;
  /** True if an adapter that is software on the CPU may be used. */
  readonly allowsFallback: boolean;
  /** The promise of a device, awaited so that others have the processor meanwhile. */
  wait<T>(promise: Promise<T>): Promise<T>;
}

export interface LoadOptions {
  /** Makes the library's symbols visible to those loaded later, as plug-ins of the library may need; false by default. */
  readonly global?: boolean;
  /** Reason against a library that was loaded, a phrase: the next one is tried. */
  readonly problemOf?: (library: ForeignLibrary) => string | undefined;
}

/** Access to native libraries through their C interfaces, for the thread that opened it. */
export interface ForeignLoader {
  /**
   * Loads the first that can be of some libraries, each given by its path or by its name on the system's search path.
   * Otherwise the reasons, a phrase: "NAME: reason; NAME: reason".
   */
  load(libraries: string | readonly string[], options?: LoadOptions): ForeignLibrary | string;
  /** Address of a view's first byte. That of a WebAssembly.Memory which is shared stays the same when it grows. */
  addressOf(view: ArrayBufferView): bigint;
}

/**
 * A native library. Prototypes are C's, with koffi's types: `int`, `float`, `uintptr_t` (a number or bigint),
 * `const float *` (a typed array, used in place, also over shared memory), `_Out_ int *` (an array, filled in). BackendError
 * for a function that the library lacks. Nothing checks that a prototype is the library's.
 */
export interface ForeignLibrary {
  /** The name or path that it was loaded by. */
  readonly name: string;
  declare<A extends readonly unknown[], R>(prototype: string): (...args: A) => R;
  /** The same, run on another thread; views in the arguments must not be touched until then. */
  declareAsync<A extends readonly unknown[], R>(prototype: string): (...args: A) => Promise<R>;
  /** Address of a function or variable; undefined if the library has none of this name. */
  addressOf(symbol: string): bigint | undefined;
}

/** Request for a trial of a BLAS: libraries, of which the first that can be loaded counts, and the backend that is to use it. */
export interface BlasRequest {
  readonly libraries: readonly string[];
  readonly threads: number;
  readonly revectorize?: boolean;
  readonly kernel?: string;
  /** Measures its speed as well: half a second. */
  readonly timed: boolean;
}

/** A BLAS that computes right on this machine. */
export interface BlasTrial {
  /** The name or path that it is loaded by. */
  readonly library: string;
  /** Its version and the like, in its own words. */
  readonly description: string;
  /** Speed with it relative to that without, of classes of shapes by name; empty if not timed. */
  readonly ratios: Readonly<Record<string, number>>;
  /** Their geometric mean. */
  readonly gain: number;
}

/**
 * Paths are Node's own. In a browser, those that begin with opfs:/ lead to the files that the browser keeps for the
 * page's site; for all else there, openSource and openStream take URLs, createSink offers a download, and the rest is an
 * InputError.
 */
export interface Platform {
  /**
   * Opens a file, URL (browser only), File or Blob. InputError when missing, a folder, or not readable. A file that
   * others may add to while it is read, such as the log of a run, is for `openStream`.
   */
  openSource(input: string | URL | Blob | Uint8Array): Promise<ByteSource>;
  /** InputError when the folder is missing or not writable. */
  createSink(path: string): Promise<ByteSink>;
  /** Opens a file for reading once, from the start; "-" is standard input. InputError as for `openSource`. */
  openStream(path: string): Promise<ByteStream>;
  /** The path that a URL means: of a file, or in a browser the URL itself. InputError for a URL of anything else. */
  pathOf(url: URL): string;
  /** Kind of a path; undefined if it does not exist. */
  pathKind(path: string): Promise<PathKind | undefined>;
  /**
   * The files that a glob matches, in code-unit order: `*` and `?` within a name, `**` for any folders. A path without
   * wildcards matches the file that it names. What exists under the very name is never a pattern; nor is `within`, a
   * folder that the pattern is matched in. `onSkip` gets what a wildcard matches and is a pipe, a socket or a device.
   */
  listFiles(pattern: string, within?: string, onSkip?: (path: string) => void): Promise<string[]>;
  /** Makes a folder and those above it, where they are missing. */
  makeFolder(path: string): Promise<void>;
  /** The same, but false, without any effect, if the path exists already. */
  makeNewFolder(path: string): Promise<boolean>;
  /** The names of the files in a folder, hidden ones and links to files included, in code-unit order; empty for a missing folder. */
  listFolder(path: string): Promise<string[]>;
  /** Adds text to a file, all or nothing; the file is made where it is missing. `flush` waits until it is on disk. */
  appendText(path: string, text: string, flush?: boolean): Promise<void>;
  /** Gives a file another name in the same folder; what had that name is gone. */
  renameFile(from: string, to: string): Promise<void>;
  /** Removes a file. A missing one is no error. */
  removeFile(path: string): Promise<void>;
  /** Removes a folder and its contents. A missing one is no error. */
  removeFolder(path: string): Promise<void>;
  /** Removes a folder with nothing in it; false if it is missing, or holds something. */
  removeEmptyFolder(path: string): Promise<boolean>;
  /**
   * Takes a lock, also from a process that has ended; InputError naming the owner when it is held. `onWatch` is
   * called when checking that the owner lives takes some milliseconds.
   */
  lockFile(path: string, onWatch?: (owner: LockOwner, ms: number) => void): Promise<FileLock>;
  /** Holder of a lock; undefined if there is none. */
  lockOwner(path: string): Promise<LockOwner | undefined>;
  sha256(): Promise<Sha256>;
  /** The bytes of a build of assembly/. BackendError when they are not there. */
  loadKernels(build: KernelBuild): Promise<Uint8Array<ArrayBuffer>>;
  startKernelWorker(): KernelWorker;
  /** Undefined where it is not known: in a browser. */
  readonly machineMemory?: MachineMemory;
  /** Number of threads that the environment asks for, by OMP_NUM_THREADS. */
  wantedThreads(): number | undefined;
  /** Cores that this process may use: by its affinity, and by its container's quota, rounded down. */
  usableCores(): number;
  /** Reason for which 128-bit operations cannot be fused to 256-bit ones here; undefined where they can. */
  problemOfSimd256(): string | undefined;
  /**
   * Compiles a module; `simd256` with 128-bit operations fused to 256-bit ones, or the reason why the engine cannot.
   * Optimised from the start where the engine has a setting for it (Node), else bit by bit while it runs.
   */
  compile(bytes: Uint8Array<ArrayBuffer>, simd256: boolean): Promise<CompiledModule | string>;
  /** Engine that compiles and runs the kernels: its version, and the processor. */
  engine(): string;
  /** A small cached text by name; undefined if there is none. */
  recall(name: string): Promise<string | undefined>;
  /** Caches a small text that can be recreated. Fails silently. */
  remember(name: string, text: string): Promise<void>;
  readonly gpu: GpuAccess;
  /** Access to native libraries, or why there is none: a phrase. */
  openForeign(): Promise<ForeignLoader | string>;
  /** Tries a BLAS where it can do no harm. Facts about it, or why it cannot be used: a phrase. */
  tryBlas(request: BlasRequest): Promise<BlasTrial | string>;
  /** True if workers may share memory: always in Node, only in isolated pages in a browser. */
  readonly sharedMemory: boolean;
}
