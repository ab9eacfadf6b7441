/** Programs that llm.ts is compared with, where they are installed. */
import type { GPT2 } from "../../api/gpt2.ts";
import type { Blas } from "../../backend/backend.ts";
import type { GPT2Config } from "../../model/config.ts";
import type { Runner } from "../comparison.ts";
import type { Matmul } from "../matmuls.ts";
import type { Peer, RowKind } from "../report.ts";

export interface PeerProgram {
  /** `missing` where it is not installed; `description` then has the reason and what to do. */
  readonly peer: Peer;
  /** Runner of a matmul on `threads` threads, each measurement at least `minMs`. */
  matmul?(matmul: Matmul, threads: number, minMs: number): Runner;
  /** Runner of a training step; undefined for an unsupported shape. */
  step?(config: GPT2Config, B: number, T: number): Runner | undefined;
  /** Frees the memory of the matmuls. */
  endMatmuls?(): void;
  dispose(): Promise<void>;
}

/** Context of peer programs. */
export interface PeerContext {
  readonly threads: number;
  /** The library that computes our own matmuls, if one does. */
  readonly blas: Blas | undefined;
  /** All matmuls of the benchmark. */
  readonly matmuls: readonly Matmul[];
  /** The d12 model once it exists, for a program that reads a checkpoint. */
  readonly d12: () => GPT2 | undefined;
  /** Measured steps per round of a program that is restarted each round, after one that is not measured. */
  readonly steps: number;
}

/** A program that is not installed. */
export function missing(name: string, kind: RowKind, description: string): PeerProgram {
  return { peer: { name, kind, description, missing: true }, async dispose() {} };
}
