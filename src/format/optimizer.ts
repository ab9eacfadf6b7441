/**
 * The optimizer state of llm.c's CUDA trainer, `state_*.bin` (train_gpt2.cu's `save_state`).
 *
 * Header: [0] 20240527, [1] version, [2] processes, [3] rank, [4] master weights, [5] shuffled data, [10] step,
 * [20..21] and [22..23] random states, [30..31] shard and [32..33] sample. Then AdamW's m and v (and master weights where
 * [4] is 1), float32, in the order of the model's tensors, wte with Vp rows. For shuffled data follow the number of
 * shards (uint64), their order (int32), the number of samples in the current shard (uint64), their order (int32), and
 * the generator: seed (uint64), left (int32), next (uint32), 624 numbers and two constants (uint32).
 *
 * Version 1 is llm.c's. Version 2 is the same for a model whose architecture is no GPT-2's: llm.c refuses it.
 */
import { InputError } from "../errors.ts";
import { type GPT2Config, isGpt2 } from "../model/config.ts";
import type { Appender, ByteSource } from "../platform/platform.ts";
import type { Mt19937State } from "../random/mt19937.ts";
import { checkSize, fieldError, headerBytes, magic, makeHeader, readHeaderOf } from "./header.ts";
import { toInt32 } from "./numbers.ts";
import { type OnChunk, type ReadChunk, readTensors, streamOf, tensorBytes, writeTensors } from "./tensors.ts";

export interface OptimizerStateHeader {
  readonly version: number;
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

/** Order of llm.c's loader over shuffled data. */
export interface ShuffleState {
  readonly shards: readonly number[];
  /** Order of the samples in the current shard. */
  readonly samples: readonly number[];
  readonly random: Mt19937State;
}

/** State besides the moments. */
export interface OptimizerState {
  /** Updates made. */
  readonly step: number;
  /** Index of the current shard in the order, and of its next sample. */
  readonly shard: number;
  readonly sample: number;
  /** Undefined for data in file order. */
  readonly shuffle?: ShuffleState;
}

/** A state file whose header and size were checked. */
export interface OptimizerStateFile extends OptimizerState {
  /** Processes of the run, to which its position in the data belongs: llm.c writes a file for each. */
  readonly processes: number;
  readMoments(onM: OnChunk, onV: OnChunk): Promise<void>;
  /** Reads the float32 master weights, which are exact where the model file is rounded; undefined without them. */
  readonly readMasterWeights?: (onChunk: OnChunk) => Promise<void>;
}

/** Initial state of llm.c's generator for stochastic rounding, which float32 does not use. */
const roundingState = 13371337;

/** Constants of mt19937_state, by which llm.c recognises a seeded generator. */
const matrixA = [0, 0x9908b0df];
const generatorBytes = 8 + 4 + 4 + 624 * 4 + matrixA.length * 4;

const layout = { dtype: "f32", padded: true } as const;

export async function readOptimizerHeader(source: ByteSource): Promise<OptimizerStateHeader> {
  const header = await readHeaderOf(source, "optimizer");
  const [, version, processes, rank, masterWeights, shuffled] = header;
  if (version !== 1 && version !== 2) throw fieldError(source, header, 1, "version", "1 or 2");
  if (processes < 1) throw fieldError(source, header, 2, "processes", "at least 1");
  if (rank < 0 || rank >= processes) throw fieldError(source, header, 3, "rank", `0 to ${processes - 1}`);
  for (const [index, field] of [
    [4, "master weights"],
    [5, "shuffled data"],
  ] as const)
    if (header[index] !== 0 && header[index] !== 1) throw fieldError(source, header, index, field, "0 or 1");
  if (header[10] < 0) throw fieldError(source, header, 10, "step", "0 or more");
  const positions = new BigUint64Array(header.slice(30, 34).buffer);
  return {
    version,
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

const versionOf = (config: GPT2Config) => (isGpt2(config) ? 1 : 2);

/** Writes the state of a run of one process without master weights; the caller commits. */
export async function writeOptimizerState(
  sink: Appender,
  config: GPT2Config,
  { step, shard, sample, shuffle }: OptimizerState,
  readM: ReadChunk,
  readV: ReadChunk,
): Promise<void> {
  const random = { 20: roundingState, 22: roundingState };
  const position = { 10: step, 30: shard, 32: sample };
  await sink.write(
    makeHeader({ 0: magic.optimizer, 1: versionOf(config), 2: 1, 5: shuffle ? 1 : 0, ...random, ...position }),
  );
  for (const readChunk of [readM, readV]) await writeTensors(sink, streamOf(config, readChunk), "f32");
  if (!shuffle) return;
  for (const order of [shuffle.shards, shuffle.samples]) {
    await sink.write(new Uint8Array(BigUint64Array.of(BigInt(order.length)).buffer));
    await sink.write(new Uint8Array(Int32Array.from(order).buffer));
  }
  const { left, next, state } = shuffle.random;
  // The seed is first; llm.c leaves it unset, hence 0.
  await sink.write(new Uint8Array(Uint32Array.of(0, 0, left, next, ...state, ...matrixA).buffer));
}

/**
 * Opens the state that belongs to a model. Of a run of several processes of llm.c's, rank 0's holds all moments (-z 0) or a part
 * of them (-z 1). InputError when it is damaged, of another model, or holds a part.
 */
export async function readOptimizerState(source: ByteSource, config: GPT2Config): Promise<OptimizerStateFile> {
  const { version, processes, masterWeights, shuffled, step, shard, sample } = await readOptimizerHeader(source);
  if (version !== versionOf(config))
    throw new InputError(
      `${source.name} has version ${version}, and the state of this model would have ${versionOf(config)}: 1 is of a ` +
        "GPT-2, 2 of a model whose architecture is another. Give the state that was saved beside the model.",
    );
  const setBytes = tensorBytes(config, layout);
  const start = (set: number) => headerBytes + set * setBytes;
  const end = start(masterWeights ? 3 : 2);
  if (processes > 1 && source.size < end)
    throw new InputError(
      `${source.name} holds a part of the moments: it belongs to a run of ${processes} processes that shared them (ZeRO-1). ` +
        "Take the model file alone: llm-ts train --model FILE.",
    );
  const why = `the moments of a model of V ${config.V}, L ${config.L}, C ${config.C}`;
  if (!shuffled || source.size < end) checkSize(source, end, why);
  return {
    processes,
    step,
    shard,
    sample,
    shuffle: shuffled ? await readShuffle(source, end) : undefined,
    async readMoments(onM, onV) {
      for (const [set, onChunk] of [onM, onV].entries()) await readTensors(source, start(set), config, layout, onChunk);
    },
    readMasterWeights: masterWeights ? (onChunk) => readTensors(source, start(2), config, layout, onChunk) : undefined,
  };
}

/** The remainder of the file from `offset` on. Counts are checked against the file's size before they are used. */
async function readShuffle(source: ByteSource, offset: number): Promise<ShuffleState> {
  let position = offset;
  const read = async (bytes: number) => {
    const data = await source.read(position, bytes);
    position += bytes;
    return data;
  };
  const readOrder = async (what: string) => {
    const count = Number(new BigUint64Array((await read(8)).slice().buffer)[0]);
    if (4 * count > source.size - position)
      throw new InputError(
        `${source.name}: byte ${position - 8} says that there are ${count} ${what}, and the file ends before. ` +
          "It is damaged, or of another model: use another checkpoint.",
      );
    return [...toInt32(await read(4 * count))];
  };
  const shards = await readOrder("shards");
  const samples = await readOrder("samples");
  checkSize(source, position + generatorBytes, `an order of ${shards.length} shards and ${samples.length} samples`);
  const [, , left, next, ...rest] = new Uint32Array((await read(generatorBytes)).slice().buffer);
  return { shards, samples, random: { left, next, state: rest.slice(0, 624) } };
}
