/**
 * A model's tensors as llm.c's files hold them: one after the other in `parametersOf` order, each over all layers. They
 * are read and written in chunks, so that a checkpoint of any size needs only a few megabytes on its way.
 */
import type { GPT2Config } from "../model/config.ts";
import { type ParameterTensor, parametersOf, type TensorName } from "../model/parameters.ts";
import type { Appender, ByteSource } from "../platform/platform.ts";
import { bytesPer, fromFloat32, toFloat32 } from "./numbers.ts";

/** Takes elements `start` … of a tensor (wte with its Vp rows). Each element is given exactly once, in order. */
export type OnChunk = (name: TensorName, start: number, data: Float32Array) => Promise<void>;

/** Gives `length` elements of a tensor from `start` on. */
export type ReadChunk = (name: TensorName, start: number, length: number) => Promise<Float32Array>;

/** A model whose tensors come by themselves: every element once, in order, in chunks of at most 8 MB. */
export interface TensorStream {
  readonly config: GPT2Config;
  readTensors(onChunk: OnChunk): Promise<void>;
}

/** Most elements handed over at once: 8 MB. */
const chunkElements = 1 << 21;

export interface TensorLayout {
  readonly dtype: "f32" | "bf16";
  /** Whether wte has Vp rows in the file; the first files of April 2024 have only V. */
  readonly padded: boolean;
}

/** Bytes that a model's tensors take in a file. */
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

/** The tensors that `readChunk` gives, one chunk after the other. */
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

/** Cuts `size` elements into pieces of at most 8 MB: pairs of start and length. */
export function* chunksOf(size: number): Generator<[start: number, length: number]> {
  for (let start = 0; start < size; start += chunkElements) yield [start, Math.min(chunkElements, size - start)];
}
