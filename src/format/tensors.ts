/**
 * Tensors in the layout of llm.c's files: contiguous in `parametersOf` order, each over all layers. Read and written in
 * chunks, so that a checkpoint of any size needs only a few megabytes of memory.
 */
import type { GPT2Config } from "../model/config.ts";
import { type ParameterTensor, parametersOf, type TensorName } from "../model/parameters.ts";
import type { Appender, ByteSource } from "../platform/platform.ts";
import { bytesPer, fromFloat32, toFloat32 } from "./numbers.ts";

/** Receives elements of a tensor (wte with Vp rows) from `start` on; each element exactly once, in order. */
export type OnChunk = (name: TensorName, start: number, data: Float32Array) => Promise<void>;

/** Returns `length` elements of a tensor from `start` on. */
export type ReadChunk = (name: TensorName, start: number, length: number) => Promise<Float32Array>;

/** A model as a stream of tensors: every element once, in order, in chunks of at most 8 MB. */
export interface TensorStream {
  readonly config: GPT2Config;
  readTensors(onChunk: OnChunk): Promise<void>;
}

/** Elements of a chunk: 8 MB. */
const chunkElements = 1 << 21;

export interface TensorLayout {
  readonly dtype: "f32" | "bf16";
  /** True if wte has Vp rows in the file; the first files, of April 2024, have V. */
  readonly padded: boolean;
}

/** Bytes of a model's tensors in a file. */
export function tensorBytes(config: GPT2Config, { dtype, padded }: TensorLayout): number {
  return parametersOf(config).reduce((sum, tensor) => sum + sizeIn(tensor, padded), 0) * bytesPer[dtype];
}

/** Elements of a tensor that a file holds. */
function sizeIn({ size, padding }: ParameterTensor, padded: boolean): number {
  return padded ? size : size - padding;
}

/** Reads all tensors from byte `offset` of a file whose length was checked. Rows that the file lacks come as zeros. */
export async function readTensors(
  source: ByteSource,
  offset: number,
  config: GPT2Config,
  { dtype, padded }: TensorLayout,
  onChunk: OnChunk,
): Promise<void> {
  let position = offset;
  for (const tensor of parametersOf(config)) {
    const { name, size } = tensor;
    const inFile = sizeIn(tensor, padded);
    for (const [start, length] of chunksOf(inFile)) {
      const bytes = await source.read(position, length * bytesPer[dtype]);
      await onChunk(name, start, toFloat32(bytes, dtype));
      position += bytes.length;
    }
    for (const [start, length] of chunksOf(size - inFile))
      await onChunk(name, inFile + start, new Float32Array(length));
  }
}

/** Stream of the tensors that `readChunk` returns. */
export function streamOf(config: GPT2Config, readChunk: ReadChunk): TensorStream {
  return {
    config,
    async readTensors(onChunk) {
      for (const { name, size } of parametersOf(config))
        for (const [start, length] of chunksOf(size)) await onChunk(name, start, await readChunk(name, start, length));
    },
  };
}

/** Appends all tensors to a file. */
export async function writeTensors(sink: Appender, model: TensorStream, dtype: "f32" | "bf16"): Promise<void> {
  await model.readTensors((_name, _start, data) => sink.write(fromFloat32(data, dtype)));
}

/** Chunks of `size` elements, of at most 8 MB each. */
export function* chunksOf(size: number): Generator<[start: number, length: number]> {
  for (let start = 0; start < size; start += chunkElements) yield [start, Math.min(chunkElements, size - start)];
}
