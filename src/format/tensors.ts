/**
 * Tensors in the layout of llm.c's files: contiguous in `parametersOf` order, each over all layers. Read and written in
 * chunks, so that a checkpoint of any size needs only a few megabytes of memory.
 */
import { sizeOf } from "../backend/shape.ts";
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

/** Hands over a model's tensors, and embeddings for the tokens from its vocabulary up to `vocabSize`: the mean of its own. */
export async function readGrown(model: TensorStream, vocabSize: number, onChunk: OnChunk): Promise<void> {
  const { V, C } = model.config;
  const sums = new Float64Array(C);
  await model.readTensors(async (name, start, data) => {
    const own = name === "wte" ? Math.min(data.length, V * C - start) : 0;
    for (let i = 0; i < own; i++) sums[(start + i) % C] += data[i];
    await onChunk(name, start, data);
  });
  const added = Float32Array.from({ length: (vocabSize - V) * C }, (_, i) => sums[i % C] / V);
  await onChunk("wte", V * C, added);
}

/** Appends all tensors to a file. */
export async function writeTensors(sink: Appender, model: TensorStream, dtype: "f32" | "bf16"): Promise<void> {
  await model.readTensors((_name, _start, data) => sink.write(fromFloat32(data, dtype)));
}

/** A parameter of one layer, as files have it that keep layers apart and have no rows that pad wte. */
export interface LayerPart {
  readonly parameter: ParameterTensor;
  readonly layer: number;
  /** First element in our tensor. */
  readonly start: number;
  /** Rows and columns as we have them, without padding. */
  readonly shape: readonly number[];
  /** Elements of ours that follow and are not stored: zeros. */
  readonly padding: number;
}

/** All parts in our order: tensor by tensor, layer by layer. */
export function layerParts(config: GPT2Config): LayerPart[] {
  return parametersOf(config).flatMap((parameter) => {
    const { shape, count, padding } = parameter;
    const [rows, ...columns] = shape;
    return Array.from({ length: count }, (_, layer) => ({
      parameter,
      layer,
      start: layer * sizeOf(shape),
      shape: [rows - padding / sizeOf(columns), ...columns],
      padding,
    }));
  });
}

/** Hands over a model part by part, in pieces; `done`: elements of the part that came before. */
export async function readByLayer<P extends LayerPart>(
  model: TensorStream,
  parts: readonly P[],
  onPiece: (part: P, piece: Float32Array, done: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  let done = 0;
  await model.readTensors(async (tensor, _start, data) => {
    // A chunk may hold the end of one layer and the start of the next. What follows the last part is wte's padding.
    for (let from = 0; from < data.length && parts[next]?.parameter.name === tensor; ) {
      const part = parts[next];
      const size = sizeOf(part.shape);
      const piece = data.subarray(from, from + size - done);
      await onPiece(part, piece, done);
      from += piece.length;
      done += piece.length;
      if (done < size) return;
      next++;
      done = 0;
    }
  });
}

/** Hands over the zeros behind a part. */
export async function readPadding({ parameter, start, shape, padding }: LayerPart, onChunk: OnChunk): Promise<void> {
  const end = start + sizeOf(shape);
  for (const [from, length] of chunksOf(padding)) await onChunk(parameter.name, end + from, new Float32Array(length));
}

/** True if two places of a file hold the same bytes. */
export async function sameContent(source: ByteSource, a: number, b: number, bytes: number): Promise<boolean> {
  for (const [start, length] of chunksOf(bytes)) {
    const [one, other] = [await source.read(a + start, length), await source.read(b + start, length)];
    if (!one.every((byte, i) => byte === other[i])) return false;
  }
  return true;
}

/** Chunks of `size` elements, of at most 8 MB each. */
export function* chunksOf(size: number): Generator<[start: number, length: number]> {
  for (let start = 0; start < size; start += chunkElements) yield [start, Math.min(chunkElements, size - start)];
}
