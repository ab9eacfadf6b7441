/**
 * Forward passes over sequences of different lengths, packed side by side in the rows of one workspace: only attention
 * knows which rows belong together, all other operations are for each row by itself. Sequences that begin alike share
 * their beginning, whose keys and values are computed once.
 */
import { type Backend, elementBytes, type KVCache, type Tensor, view } from "../backend/backend.ts";
import type { GPT2Config } from "./config.ts";
import { attend, forwardLayers } from "./gpt2.ts";
import type { Parameters } from "./tensor-set.ts";
import {
  type Allocator,
  allocCache,
  allocLossWorkspace,
  type LossWorkspace,
  reshaped,
  reshapedLoss,
} from "./workspace.ts";

/** B sequences of T tokens each, in B*T rows from `start` on, a multiple of `rowUnit`. */
export interface Segment {
  readonly start: number;
  readonly B: number;
  readonly T: number;
  /**
   * Positions before them, which the cache holds: those of the segments before this one, each behind its own past.
   * Undefined: the sequences are whole and need no cache. With a cache B is 1.
   */
  readonly past?: number;
}

/** A workspace of N rows: tokens (1,N), targets (1,N), and what only packed sequences need. */
export interface PackedWorkspace extends LossWorkspace {
  /** (1,N) int32: the position of each row in its sequence. */
  readonly rowPositions: Tensor;
  /** (1,N) int32: rows that predict a token to score, any number of times. */
  readonly predicting: Tensor;
  /** Of one sequence, for all layers in turn. */
  readonly cache: KVCache;
}

export function allocPackedWorkspace(at: Allocator, config: GPT2Config, rows: number): PackedWorkspace {
  return {
    ...allocLossWorkspace(at, config, 1, rows),
    rowPositions: at.alloc([1, rows], "i32"),
    predicting: at.alloc([1, rows], "i32"),
    cache: allocCache(at, config.maxT, 1, config.C),
  };
}

/** Segments begin at multiples of so many rows: where the backend wants its operands. */
export function rowUnit({ limits }: Pick<Backend, "limits">, { C }: GPT2Config): number {
  let rows = 1;
  while ((rows * C * elementBytes.f32) % limits.alignment !== 0) rows++;
  return rows;
}

/** What `forwardPacked` computes: so many rows, in segments, of which so many predict. */
export interface PackedSize {
  readonly rows: number;
  readonly segments: readonly Segment[];
  /** Rows that ws.predicting names. */
  readonly predicting: number;
}

/**
 * As `forward`, of the first rows of ws.tokens in segments; rows outside of these are computed too, to no purpose. Gives the
 * workspace of the rows that predict: their lnf.out, losses and targets.
 */
export function forwardPacked(
  be: Backend,
  p: Parameters,
  ws: PackedWorkspace,
  { rows, segments, predicting }: PackedSize,
): LossWorkspace {
  const { wte, wpe } = p.weights;
  const { C } = p.config;
  const all = reshaped(ws, 1, rows);
  be.embeddingForward(all.encoded, all.tokens, wte, null, 0);
  if (wpe) {
    be.embeddingForward(all.projected, view(ws.rowPositions, 0, [1, rows]), wpe, null, 0);
    be.residualForward(all.encoded, all.encoded, all.projected);
  }
  forwardLayers(be, p, all, ({ qkv, atty }) => {
    for (const { start, B, T, past } of segments) {
      const rows = {
        qkv: view(qkv, start * 3 * C, [B, T, 3 * C]),
        atty: view(atty, start * C, [B, T, C]),
        cache: past === undefined ? undefined : ws.cache,
      };
      attend(be, p.config, rows, past);
    }
  });
  const chosen = reshapedLoss(ws, 1, predicting);
  // A lookup in a table is a copy of rows. Nothing else needs the embedding any more.
  const { encoded: out } = chosen;
  be.embeddingForward(out, view(ws.predicting, 0, [1, predicting]), view(all.lnf.out, 0, [rows, C]), null, 0);
  return { ...chosen, lnf: { ...chosen.lnf, out } };
}
