/**
 * int8, ggml's q8_0: blocks of 32 numbers as codes -127 to 127 with one scale, a half float; a number is code times scale. The
 * rows of a matrix are whole blocks.
 */
import { InputError } from "../errors.ts";
import { fromFloat16, toFloat16 } from "./float16.ts";

/** Numbers of a block. */
export const BLOCK = 32;

/** Operands of operations begin at a multiple of so many elements: eight blocks, which a backend may store together. */
export const GROUP = 8 * BLOCK;

const LARGEST = 127;

/** The largest magnitude of a block: the scale is a half float. */
const LIMIT = 65504 * LARGEST;

/** The smallest half float above zero. */
const LEAST_SCALE = 2 ** -24;

/** Codes of numbers, and the scale of each block of them. */
export interface Quantized {
  readonly codes: Int8Array<ArrayBuffer>;
  readonly scales: Float32Array<ArrayBuffer>;
}

/**
 * The blocks of numbers, rounded as ggml's reference does, half away from zero: blocks that were read keep their bytes.
 * InputError for a number that a block cannot hold; `name` says whose it is.
 */
export function quantize(values: Float32Array, name: string): Quantized {
  const codes = new Int8Array(values.length);
  const scales = new Float32Array(values.length / BLOCK);
  for (let b = 0; b < scales.length; b++) {
    const [start, end] = [b * BLOCK, (b + 1) * BLOCK];
    let most = 0;
    for (let i = start; i < end; i++) most = Math.max(most, Math.abs(values[i]));
    // False for NaN as well.
    if (!(most <= LIMIT)) throw new InputError(problemOf(values.subarray(start, end), name));
    const scale = Math.fround(most / LARGEST);
    scales[b] = scale;
    // Zero as a half float.
    if (scale <= LEAST_SCALE / 2) continue;
    const inverse = Math.fround(1 / scale);
    for (let i = start; i < end; i++) {
      const value = Math.fround(values[i] * inverse);
      codes[i] = value < 0 ? value - 0.5 : value + 0.5; // truncated
    }
  }
  return { codes, scales: fromFloat16(toFloat16(scales)) };
}

function problemOf(block: Float32Array, name: string): string {
  const value = block.find((value) => !(Math.abs(value) <= LIMIT));
  return (
    `${name} holds ${value}, and int8 (q8_0) holds numbers up to ${LIMIT.toExponential(1)}. Choose f32 or bf16, or mend ` +
    "the model."
  );
}

export function dequantize({ codes, scales }: Quantized): Float32Array<ArrayBuffer> {
  const values = new Float32Array(codes.length);
  for (let b = 0; b < scales.length; b++)
    for (let i = b * BLOCK; i < (b + 1) * BLOCK; i++) values[i] = codes[i] * scales[b];
  return values;
}

/** The numbers that blocks hold of `values`. */
export function throughInt8(values: Float32Array, name: string): Float32Array<ArrayBuffer> {
  return dequantize(quantize(values, name));
}
