/** Benchmark report, as `llm-ts bench --json` writes it. Times are in milliseconds; rates follow from flops and bytes. */
import { cpus, totalmem, type } from "node:os";
import type { Precision } from "../backend/backend.ts";
import { messageOf } from "../errors.ts";

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
}

export function describeMachine(): Machine {
  const processors = cpus();
  return {
    processor: processors[0]?.model.trim() ?? process.arch,
    cores: processors.length,
    memoryGiB: Math.round((totalmem() / 2 ** 30) * 10) / 10,
    system: `${type()} ${process.arch}`,
  };
}

/** A GPU. */
export interface Adapter {
  readonly name: string;
  /** Name and version, where known. */
  readonly driver: string;
  /** Software on the CPU. */
  readonly isSoftware: boolean;
  /** Profiles are by timestamp queries, else by waiting for each operation. */
  readonly hasTimestamps: boolean;
}

/** Cost of a training step to the calling thread of a GPU. */
export interface Encoding {
  readonly name: string;
  /** From the first operation to the last submit. */
  readonly ms: number;
  readonly dispatches: number;
  readonly submits: number;
  /** Made in the second step: none, if all is well. */
  readonly pipelines: number;
  readonly bindGroups: number;
}

/** Limits of the machine at a number of threads as far as WebAssembly reaches, or of a GPU as far as WebGPU does. */
export interface Limits {
  readonly threads: number;
  /** Single-precision multiply-adds, two operations each, touching no memory. */
  readonly gflops: number;
  /** GB/s of memory beyond the caches: bytes read and written by the program. */
  readonly copy: number;
  readonly triad: number;
  readonly read: number;
  /** Of a GPU, in microseconds: a dispatch without work among many, and a submit of one. */
  readonly dispatchUs?: number;
  readonly submitUs?: number;
}

/** Median and samples of a measurement. */
export interface Figure {
  readonly ms: number;
  readonly samples: readonly number[];
}

export interface Problem {
  /** Reason why there is no figure. */
  readonly problem: string;
}

export type RowKind = "product" | "step" | "generation";

/** One measured workload: a matmul ("product"), a training step, or the generation of a token. */
export interface Row {
  readonly kind: RowKind;
  readonly name: string;
  readonly threads: number;
  /** Floating-point operations, and bytes that must go to or from memory. */
  readonly flops: number;
  readonly bytes: number;
  /** Duration at the machine's limits. */
  readonly floorMs: number;
  /** Tokens processed: B * T of a training step. */
  readonly tokens?: number;
  /** Storage of a training step; absent in reports before this field, which are of fp32. */
  readonly precision?: Precision;
  readonly ours: Figure;
  /** By the peer's name; without peers that do not run this workload. */
  readonly peers: Readonly<Record<string, Figure | Problem>>;
}

export interface Peer {
  readonly name: string;
  /** Version, kernels, threads; or what is missing, and how to install it. */
  readonly description: string;
  readonly missing: boolean;
  /** The workloads that it can run; absent in reports before this field. */
  readonly kind?: RowKind;
}

/** One operation of a training step, summed over its calls. */
export interface ProfileRow {
  readonly operation: string;
  readonly calls: number;
  readonly ms: number;
  /** Fraction of the sum of all operations. */
  readonly share: number;
  readonly flops: number;
  readonly bytes: number;
}

export interface Profile {
  readonly name: string;
  readonly threads: number;
  /** Round trip of one command, subtracted from every call; undefined for times by the GPU's clock. */
  readonly roundTripMs?: number;
  /** Sum of all operations. */
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
  /** The GPU that computed, if one did. */
  readonly adapter?: Adapter;
  readonly threads: number;
  readonly repeats: number;
  readonly machine: Machine;
  readonly limits: readonly Limits[];
  readonly peers: readonly Peer[];
  readonly rows: readonly Row[];
  /** On a GPU, of each model. */
  readonly encodings?: readonly Encoding[];
  readonly profiles: readonly Profile[];
}

/** An error of a peer, in one line. */
export function problemOf(error: unknown): Problem {
  return { problem: messageOf(error).split("\n")[0] || "it failed without a message" };
}

export function isFigure(figure: Figure | Problem | undefined): figure is Figure {
  return figure !== undefined && "ms" in figure;
}
