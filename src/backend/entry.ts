/** An entry of the registry: the description of a kind of backend, known before it is created. */
import type { OptionNames } from "../option-names.ts";
import type { BlasTrial } from "../platform/platform.ts";
import type { Backend, Precision, WeightType } from "./backend.ts";

/** One of the parts of a start, the `number`th `of` so many. */
export interface StartPart {
  readonly name: string;
  readonly number: number;
  readonly of: number;
}

export type OnStart = (what: string, share: number, part?: StartPart) => void;

/** "3 of 11: forward, small" */
export function partInWords({ name, number, of }: StartPart): string {
  return `${number} of ${of}: ${name}`;
}

/** Largest number of worker threads. */
export const MAX_THREADS = 64;

/** Options of all backends. A backend ignores those that do not apply to it, but refuses a kernel that it does not have. */
export interface BackendOptions {
  /**
   * Worker threads, at most 64: OMP_NUM_THREADS, else one a core, or fewer where a measurement shows that they are
   * as fast. Always 1 without shared memory.
   */
  readonly threads?: number;
  /** Memory shared with worker threads: used where the platform allows it, unless false. */
  readonly shared?: boolean;
  /**
   * Lets V8 fuse 128-bit operations into 256-bit ones, which doubles the speed on x86. V8 calls this experimental, so
   * it is off unless asked for, here or by the name of a kernel. Only the kernels are compiled so.
   */
  readonly revectorize?: boolean;
  /**
   * Bytes of tensors in the WebAssembly memory of the wasm backend, 4 GiB at most; others are outside of it, and copied in
   * where they are needed. Default: as many as it takes. For tests.
   */
  readonly wasmMemory?: number;
  /** True lets webgpu take an adapter that is software on the CPU, slower than wasm: for tests. */
  readonly fallbackAdapter?: boolean;
  /** Called while the first start on a device takes seconds: what it does, the share that is done, 0 to 1, and the part under way. */
  readonly onStart?: OnStart;
  /**
   * Library of the system whose sgemm computes the matmuls of wasm, in Node with the package koffi: accelerate, armpl, mkl,
   * openblas, blis, or a library's path; "auto" is the fastest that is faster than the kernels. Default: "none".
   */
  readonly blas?: string;
  /** Kernel by name; "auto", the default, is the fastest that passes the start-up check. */
  readonly kernel?: string;
}

export const backendOptionNames: OptionNames<BackendOptions> = {
  threads: true,
  shared: true,
  revectorize: true,
  wasmMemory: true,
  fallbackAdapter: true,
  onStart: true,
  blas: true,
  kernel: true,
};

export type Processor = "CPU" | "GPU";

export interface BackendEntry {
  readonly name: string;
  /** Valid names for `BackendOptions.kernel` besides "auto". */
  readonly kernels: readonly string[];
  /** That of the backends: see there. */
  readonly precisions: readonly Precision[];
  readonly weightTypes: readonly WeightType[];
  /** The processor whose speed it uses; absent: slow, to compare others with. */
  readonly processor?: Processor;
  /** True, or the reason why this machine has no such backend: a phrase for people, without a full stop. Cheap. */
  available(options?: BackendOptions): Promise<true | string>;
  /** Where `available`: facts about the device, for people and for reports. */
  describe?(options?: BackendOptions): Promise<string>;
  /** Called where `available`. UsageError for invalid options, BackendError or MemoryError when starting fails. */
  create(options: BackendOptions): Promise<Backend>;
  /** Measures and checks all kernels, and caches the fastest for later starts. */
  survey?(): Promise<Survey>;
  /** The system's BLAS libraries, where the backend can use one. */
  readonly blas?: {
    /** Valid names for `BackendOptions.blas` besides "auto", "none" and paths. */
    readonly names: readonly string[];
    /** Tries and times those that are known by name, and caches what those do that can be used. */
    survey(options: BackendOptions): Promise<readonly BlasCandidate[]>;
    /** Those that were measured on this machine in the last month. */
    recall(options: BackendOptions): Promise<readonly BlasCandidate[]>;
  };
}

/** A BLAS by its name in `BackendOptions.blas`: what a trial found, or why it cannot be used. */
export type BlasCandidate =
  | { readonly name: string; readonly trial: BlasTrial; readonly problem?: undefined }
  | { readonly name: string; readonly trial?: undefined; readonly problem: string };

/** Of several libraries the one that gains most, if the backend is more than `least` times as fast with it as without. */
export function fastestOf(candidates: readonly BlasCandidate[], least = 1) {
  const usable = candidates.filter((candidate) => candidate.trial !== undefined);
  const [best] = usable.sort((a, b) => b.trial.gain - a.trial.gain);
  return best && best.trial.gain > least ? best : undefined;
}

/** Measurements of all kernels of a backend on this machine. */
export interface Survey {
  /** Number of threads that commands use from now on. */
  readonly threads: number;
  /** Speeds by which it was chosen; undefined where OMP_NUM_THREADS or a missing shared memory leaves no choice. */
  readonly threadSpeeds?: readonly ThreadSpeed[];
  /** Limit of all tensors together, in bytes. */
  readonly memoryLimit: number;
  readonly candidates: readonly Candidate[];
  /** The kernel of "auto" from now on; undefined when none passes the check. */
  readonly chosen?: string;
  /** The kernel that two earlier starts measured as fastest; undefined if there is none, or it has expired. */
  readonly kept?: string;
}

export interface ThreadSpeed {
  readonly threads: number;
  /** GFLOP/s of all threads together. */
  readonly gflops: number;
}

export interface Candidate {
  readonly kernel: string;
  /** Speed on one thread; undefined if it cannot run. */
  readonly gflops?: number;
  /** Reason for its exclusion. */
  readonly problem?: string;
}
