/**
 * The optimizer state of llm.c's CUDA trainer, `state_*.bin` (train_gpt2.cu's `save_state`): what its header tells.
 *
 * [0] 20240527, [1] version 1, [2] processes, [3] rank, [4] master weights, [5] shuffled data, [10] step, [20..21] and
 * [22..23] random states, [30..31] shard and [32..33] sample. Then AdamW's m and v (and master weights), float32, then
 * for shuffled data the order in which it goes on.
 */
import type { ByteSource } from "../platform/platform.ts";
import { fieldError, headerBytes, readHeaderOf } from "./header.ts";

export interface OptimizerStateHeader {
  readonly processes: number;
  readonly rank: number;
  readonly masterWeights: boolean;
  readonly shuffled: boolean;
  readonly step: number;
  readonly shard: number;
  readonly sample: number;
  /** Bytes after the header. */
  readonly bytes: number;
}

export async function readOptimizerHeader(source: ByteSource): Promise<OptimizerStateHeader> {
  const header = await readHeaderOf(source, "optimizer");
  const [, version, processes, rank, masterWeights, shuffled] = header;
  if (version !== 1) throw fieldError(source, header, 1, "version", "1");
  if (processes < 1) throw fieldError(source, header, 2, "processes", "at least 1");
  if (rank < 0 || rank >= processes) throw fieldError(source, header, 3, "rank", `0 to ${processes - 1}`);
  for (const [index, field] of [
    [4, "master weights"],
    [5, "shuffled data"],
  ] as const)
    if (header[index] !== 0 && header[index] !== 1) throw fieldError(source, header, index, field, "0 or 1");
  const positions = new BigUint64Array(header.slice(30, 34).buffer);
  return {
    processes,
    rank,
    masterWeights: masterWeights === 1,
    shuffled: shuffled === 1,
    step: header[10],
    shard: Number(positions[0]),
    sample: Number(positions[1]),
    bytes: source.size - headerBytes,
  };
}
