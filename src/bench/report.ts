/** What a benchmark found, as `llm-ts bench --json` writes it. Times are milliseconds, rates are left to the reader. */
import { messageOf } from "../errors.ts";

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
}

/** What the machine can do at most with so many threads, as far as WebAssembly reaches. */
export interface Limits {
  readonly threads: number;
  /** Single-precision multiply-adds, two operations each, touching no memory. */
  readonly gflops: number;
  /** GB/s through memory that no cache holds: bytes read and written by the program. */
  readonly copy: number;
  readonly triad: number;
  readonly read: number;
}

/** The median of some measurements, and the measurements. */
export interface Figure {
  readonly ms: number;
  readonly samples: readonly number[];
}

export interface Problem {
  /** Why there is no figure. */
  readonly problem: string;
}

export type RowKind = "product" | "step" | "generation";

/** One thing that was measured: a matrix product, a training step, or a token written. */
export interface Row {
  readonly kind: RowKind;
  readonly name: string;
  readonly threads: number;
  /** Floating-point operations that it takes, and bytes that must go to or from memory. */
  readonly flops: number;
  readonly bytes: number;
  /** What it would take at the machine's limits. */
  readonly floorMs: number;
  /** Tokens that it works through: of a training step, B * T. */
  readonly tokens?: number;
  readonly ours: Figure;
  /** By the peer's name. A peer that does not do this kind of thing is not here. */
  readonly peers: Readonly<Record<string, Figure | Problem>>;
}

export interface Peer {
  readonly name: string;
  /** Version, kernels, threads; or what is missing, and how it is had. */
  readonly description: string;
  readonly missing: boolean;
}

/** One operation of a training step, all its calls in the step together. */
export interface ProfileRow {
  readonly operation: string;
  readonly calls: number;
  readonly ms: number;
  /** Of the step's operations together. */
  readonly share: number;
  readonly flops: number;
  readonly bytes: number;
}

export interface Profile {
  readonly name: string;
  readonly threads: number;
  /** One command and the wait for it, subtracted from every call. */
  readonly roundTripMs: number;
  /** The sum of all operations. */
  readonly ms: number;
  readonly rows: readonly ProfileRow[];
}

export interface BenchReport {
  readonly format: "llm-ts bench";
  readonly version: 1;
  readonly date: string;
  readonly node: string;
  readonly v8: string;
  readonly kernels: string;
  readonly threads: number;
  readonly repeats: number;
  readonly machine: Machine;
  readonly limits: readonly Limits[];
  readonly peers: readonly Peer[];
  readonly rows: readonly Row[];
  readonly profiles: readonly Profile[];
}

/** Anything that went wrong with a peer, in one line. */
export function problemOf(error: unknown): Problem {
  return { problem: messageOf(error).split("\n")[0] || "it failed without a word" };
}

export function isFigure(figure: Figure | Problem | undefined): figure is Figure {
  return figure !== undefined && "ms" in figure;
}
