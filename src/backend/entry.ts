/** What each kind of backend tells of itself before there is one: an entry of the registry. */
import type { Backend } from "./backend.ts";

/** How a backend is to compute. Each takes what it knows; only a kernel is refused where there is none to choose. */
export interface BackendOptions {
  /** Worker threads: OMP_NUM_THREADS, else one a core. Always 1 without shared memory. */
  readonly threads?: number;
  /** Memory shared with worker threads: used where the platform allows it, unless false. */
  readonly shared?: boolean;
  /**
   * Lets V8 fuse 128-bit operations into 256-bit ones, which doubles the speed on x86. V8 calls this experimental, so
   * it is off unless asked for, here or by the name of a kernel. Only the kernels are compiled so.
   */
  readonly revectorize?: boolean;
  /** Which kernels compute; "auto", the default, takes the fastest of those that compute right here. */
  readonly kernel?: string;
}

export interface BackendEntry {
  readonly name: string;
  /** The names that `BackendOptions.kernel` may have besides "auto". */
  readonly kernels: readonly string[];
  /** True, or the reason why this machine has no such backend: a phrase for people, without a full stop. Cheap. */
  available(): Promise<true | string>;
  /** Called where `available`. UsageError for invalid options, BackendError or MemoryError when starting fails. */
  create(options: BackendOptions): Promise<Backend>;
  /** Measures and checks all kernels, and keeps what was fastest for later starts. */
  survey?(): Promise<Survey>;
}

/** What the kernels of a backend are worth on this machine. */
export interface Survey {
  readonly threads: number;
  /** Bytes that tensors may take together. */
  readonly memoryLimit: number;
  readonly candidates: readonly Candidate[];
  /** What "auto" takes from now on; undefined when nothing computes right. */
  readonly chosen?: string;
  /** What it would have taken without this measurement, as kept by an earlier start; undefined if nothing was, or long ago. */
  readonly kept?: string;
}

export interface Candidate {
  readonly kernel: string;
  /** Of one thread; undefined where it cannot run. */
  readonly gflops?: number;
  /** Why it is out, if it is. */
  readonly problem?: string;
}
