import { type Backend, view } from "../backend/backend.ts";
import { logits } from "../model/gpt2.ts";
import type { Parameters } from "../model/tensor-set.ts";
import type { Allocator, Workspace } from "../model/workspace.ts";

/** Rows computed at once: enough to keep a backend busy, few enough that GPT-2's fit 13 MB. */
const blockRows = 64;

export interface LogitReader {
  /** The logits (V) of position `row` of the B*T. Quick when rows are asked for in order. */
  read(row: number): Promise<Float32Array>;
}

/** After `forward`: the logits of any position, by a block of memory from `at`. All of them at once would be too many. */
export function logitReader(be: Backend, at: Allocator, p: Parameters, ws: Workspace): LogitReader {
  const { C, V, Vp } = p.config;
  const N = ws.B * ws.T;
  const block = at.alloc([Math.min(N, blockRows), Vp]);
  let first = Number.NEGATIVE_INFINITY;
  let values: Float32Array = new Float32Array();
  return {
    async read(row) {
      if (row < first || row >= first + blockRows) {
        first = row - (row % blockRows);
        const rows = Math.min(blockRows, N - first);
        const out = view(block, 0, [rows, Vp]);
        logits(be, p, out, view(ws.lnf.out, first * C, [rows, C]));
        values = await be.read(out);
      }
      return values.subarray((row - first) * Vp, (row - first) * Vp + V);
    },
  };
}
