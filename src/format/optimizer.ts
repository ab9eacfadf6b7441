/**
 * The optimizer state of llm.c's CUDA trainer, `state_*.bin` (train_gpt2.cu's `save_state`).
 *
 * Header: [0] 20240527, [1] version, [2] processes, [3] rank, [4] master weights, [5] shuffled data, [10] step,
 * [20..21] and [22..23] random states, [30..31] shard and [32..33] sample. Then AdamW's m and v (and master weights where
 * [4] is 1), float32, in the order of the model's tensors, wte with Vp rows. For shuffled data follow the number of
 * shards (uint64), their order (int32), the number of samples in the current shard (uint64), their order (int32), and
 * the generator: seed (uint64), left (int32), next (uint32), 624 numbers and two constants (uint32).
 *
 * Of a run of N processes, each has its file. With ZeRO-1 (-z 1) it holds a part of m, v and master weights alone: of each layer of
 * each tensor the elements from rank/N on, as many as a Nth.
 *
 * Version 1 is llm.c's. Version 2 is the same for a model whose architecture is no GPT-2's: llm.c refuses it.
 */
import { InputError } from "../errors.ts";
import { type GPT2Config, isGpt2 } from "../model/config.ts";
import { parametersOf } from "../model/parameters.ts";
import type { Appender, ByteSource } from "../platform/platform.ts";
import type { Mt19937State } from "../random/mt19937.ts";
import { checkSize, fieldError, headerBytes, magic, makeHeader, readHeaderOf } from "./header.ts";
import { toFloat32, toInt32 } from "./numbers.ts";
import { chunksOf, type OnChunk, type ReadChunk, readTensors, streamOf, tensorBytes, writeTensors } from "./tensors.ts";

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

/** The files over which the moments of a state are spread, of which `source` is the first: 1, or N where N processes shared them. */
export async function filesOfState(source: ByteSource, config: GPT2Config): Promise<number> {
  const { processes, masterWeights, shuffled } = await readOptimizerHeader(source);
  if (processes === 1 || !Number.isInteger(tensorBytes(config, layout) / 4 / processes)) return 1;
  const end = (files: number) => headerBytes + (setsIn(masterWeights) * tensorBytes(config, layout)) / files;
  if (source.size < end(1)) return processes;
  // A small model's moments may be shorter than the order of its data.
  return shuffled && !(await isShuffle(source, end(1))) && (await isShuffle(source, end(processes))) ? processes : 1;
}

async function isShuffle(source: ByteSource, offset: number): Promise<boolean> {
  try {
    await readShuffle(source, offset);
    return true;
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return false;
  }
}

const setsIn = (masterWeights: boolean) => (masterWeights ? 3 : 2);

/**
 * Opens the state that belongs to a model: rank 0's file, and where it holds a part of the moments, `others` by rank.
 * InputError when one is damaged, of another model, or not of the same run.
 */
export async function readOptimizerState(
  source: ByteSource,
  config: GPT2Config,
  others: readonly ByteSource[] = [],
): Promise<OptimizerStateFile> {
  const files = [source, ...others];
  const { version, processes, masterWeights, shuffled, step, shard, sample } = await readOptimizerHeader(source);
  if (version !== versionOf(config))
    throw new InputError(
      `${source.name} has version ${version}, and the state of this model would have ${versionOf(config)}: 1 is of a ` +
        "GPT-2, 2 of a model whose architecture is another. Give the state that was saved beside the model.",
    );
  const setBytes = tensorBytes(config, layout) / files.length;
  const start = (set: number) => headerBytes + set * setBytes;
  const end = start(setsIn(masterWeights));
  if ((await filesOfState(source, config)) !== files.length)
    throw new InputError(
      `${source.name} holds a part of the moments: it belongs to a run of ${processes} processes that shared them (ZeRO-1), and ` +
        `${files.length === 1 ? "none" : files.length - 1} of the others' files ${files.length === 2 ? "is" : "are"} there. Bring the rest, or take the model file alone: ` +
        "llm-ts train --model FILE.",
    );
  for (const [i, file] of others.entries())
    await requirePart(file, { processes, masterWeights, step, rank: i + 1 }, end);
  const why = `the moments of a model of V ${config.V}, L ${config.L}, C ${config.C}`;
  if (!shuffled || source.size < end) checkSize(source, end, why);
  return {
    processes,
    step,
    shard,
    sample,
    shuffle: shuffled ? await readShuffle(source, end) : undefined,
    async readMoments(onM, onV) {
      for (const [set, onChunk] of [onM, onV].entries()) await readSet(files, start(set), config, onChunk);
    },
    readMasterWeights: masterWeights ? (onChunk) => readSet(files, start(2), config, onChunk) : undefined,
  };
}

type OfRank = Pick<OptimizerStateHeader, "processes" | "masterWeights" | "step" | "rank">;

/** InputError where a file is not the one of its rank beside rank 0's. */
async function requirePart(source: ByteSource, expected: OfRank, end: number): Promise<void> {
  const found = await readOptimizerHeader(source);
  const off = (Object.keys(expected) as (keyof OfRank)[]).find((name) => found[name] !== expected[name]);
  if (off)
    throw new InputError(
      `${source.name}: ${off} is ${found[off]}, expected ${expected[off]}, as beside rank 0's file: it is of another checkpoint.`,
    );
  if (source.size < end) checkSize(source, end, `the part of rank ${expected.rank} of ${expected.processes}`);
}

/** Reads a set of tensors from byte `offset` of each file, of which each holds an equal part of every layer. */
async function readSet(
  files: readonly ByteSource[],
  offset: number,
  config: GPT2Config,
  onChunk: OnChunk,
): Promise<void> {
  if (files.length === 1) return readTensors(files[0], offset, config, layout, onChunk);
  let position = offset;
  for (const { name, size, count } of parametersOf(config)) {
    const part = size / count / files.length;
    if (!Number.isInteger(part))
      throw new InputError(
        `${files[0].name}: ${files.length} processes cannot share the ${size / count} numbers of a layer of ${name} equally: the file ` +
          "is of another model.",
      );
    for (let begin = 0; begin < size; begin += part) {
      const rank = (begin / part) % files.length;
      for (const [start, length] of chunksOf(part))
        await onChunk(name, begin + start, toFloat32(await files[rank].read(position + 4 * start, 4 * length), "f32"));
      if (rank === files.length - 1) position += 4 * part;
    }
  }
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
