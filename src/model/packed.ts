/**
 * Forward passes over sequences of different lengths, packed side by side in the rows of one workspace: only attention
 * knows which rows belong together, all other operations are for each row by itself. Sequences that begin alike share
 * their beginning, whose keys and values are computed once.
 */
import { type Backend, elementBytes, type KVCache, type Tensor, view } from "../backend/backend.ts";
import type { GPT2Config } from "./config.ts";
import { attend, forwardLayers } from "./gpt2.ts";
import type { Parameters } from "./tensor-set.ts";
import { type Allocator, allocCache, allocLossWorkspace, type LossWorkspace, reshapedLoss } from "./workspace.ts";

/** B sequences of T tokens each, in B*T rows from `start` on, a multiple of `rowUnit`. */
export interface Segment {
  readonly start: number;
  readonly B: number;
  readonly T: number;
  /**
   * Positions before them, which the cache holds: those of the segments before this one, back to the last with a `past` of 0.
   * Undefined: the sequences are whole and need no cache. With a cache B is 1.
   */
  readonly past?: number;
}

/** A workspace of N rows: tokens (1,N), targets (1,N), and what only packed sequences need. */
export interface PackedWorkspace extends LossWorkspace {
  /** (1,N) int32: the position of each row in its sequence. */
  readonly rowPositions: Tensor;
  /** Of one sequence, for all layers in turn. */
  readonly cache: KVCache;
}

export function allocPackedWorkspace(at: Allocator, config: GPT2Config, rows: number): PackedWorkspace {
  return {
    ...allocLossWorkspace(at, config, 1, rows),
    rowPositions: at.alloc([1, rows], "i32"),
    cache: allocCache(at, config.maxT, 1, config.C),
  };
}

/** The first `rows` rows of a workspace. */
export function firstRows(ws: PackedWorkspace, rows: number): PackedWorkspace {
  return { ...reshapedLoss(ws, 1, rows), rowPositions: view(ws.rowPositions, 0, [1, rows]), cache: ws.cache };
}

/** Segments begin at multiples of so many rows: where the backend wants its operands. */
export function rowUnit({ limits }: Pick<Backend, "limits">, { C }: GPT2Config): number {
  let rows = 1;
  while ((rows * C * elementBytes.f32) % limits.alignment !== 0) rows++;
  return rows;
}

/** As `forward`, of ws.tokens (1,N) in segments. Rows outside of them are computed too, to no purpose. */
export function forwardPacked(be: Backend, p: Parameters, ws: PackedWorkspace, segments: readonly Segment[]): void {
  const { wte, wpe } = p.weights;
  const { C } = p.config;
  be.embeddingForward(ws.encoded, ws.tokens, wte, null, 0);
  if (wpe) {
    be.embeddingForward(ws.projected, ws.rowPositions, wpe, null, 0);
    be.residualForward(ws.encoded, ws.encoded, ws.projected);
  }
  forwardLayers(be, p, ws, ({ qkv, atty }) => {
    for (const { start, B, T, past } of segments) {
      const rows = {
        qkv: view(qkv, start * 3 * C, [B, T, 3 * C]),
        atty: view(atty, start * C, [B, T, C]),
        cache: past === undefined ? undefined : ws.cache,
      };
      attend(be, p.config, rows, past);
    }
  });
}
