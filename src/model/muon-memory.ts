import type { Backend, Tensor } from "../backend/backend.ts";
import type { GPT2Config } from "./config.ts";

/** What updates the matrices of layers; all else is AdamW's. */
export const optimizers = ["adamw", "muon"] as const;
export type Optimizer = (typeof optimizers)[number];

/** Memory of the orthogonalization for the largest matrix, and the squared norm of each. */
export interface MuonScratch {
  readonly gram: Tensor;
  readonly square: Tensor;
  readonly product: Tensor;
  readonly squares: Tensor;
}

/** The shorter side of a matrix is C at most; queries, keys and values are matrices of their own, which makes six a layer. */
export function allocMuonScratch(at: Pick<Backend, "alloc">, { C, hidden, L }: GPT2Config): MuonScratch {
  return {
    gram: at.alloc([C * C]),
    square: at.alloc([C * C]),
    product: at.alloc([C * Math.max(C, hidden)]),
    squares: at.alloc([6 * L]),
  };
}
