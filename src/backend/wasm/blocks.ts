/**
 * int8 blocks as kernels read them (assembly/int8.ts): 2 bytes of scale, then 32 codes. A scale is a half float and not negative,
 * so that its bits as a float, without the 13 zeros of its fraction and counted from an exponent below the smallest half
 * float's, fit 16 bits: widening it is a shift and an addition. Zero becomes that exponent, which codes of 0 make zero again.
 */
import { UsageError } from "../../errors.ts";
import type { Tensor } from "../backend.ts";
import { BLOCK, dequantize, quantize } from "../int8.ts";

const SCALE_BYTES = 2;
export const BLOCK_BYTES = SCALE_BYTES + BLOCK;

const FRACTION_ZEROS = 13;
/** 2^-25, as assembly/int8.ts has it. */
const LEAST = 102 << 23;

/** UsageError for a part of an int8 tensor that is not whole blocks. */
export function requireBlocks({ dtype, offset }: Tensor, length: number): void {
  if (dtype !== "int8" || (offset % BLOCK === 0 && length % BLOCK === 0)) return;
  throw new UsageError(
    `int8 is read and written in blocks of ${BLOCK} elements, not ${length} from element ${offset} on. Take whole blocks.`,
  );
}

/** The blocks of numbers. InputError for one that they cannot hold. */
export function packBlocks(values: Float32Array): Uint8Array {
  const { codes, scales } = quantize(values, "A matrix");
  const scaleBits = new Uint32Array(scales.buffer);
  const codeBytes = new Uint8Array(codes.buffer);
  const bytes = new Uint8Array(scales.length * BLOCK_BYTES);
  for (let b = 0; b < scales.length; b++) {
    const start = b * BLOCK_BYTES;
    const scale = Math.max(0, (scaleBits[b] - LEAST) >> FRACTION_ZEROS);
    bytes[start] = scale;
    bytes[start + 1] = scale >> 8;
    bytes.set(codeBytes.subarray(b * BLOCK, (b + 1) * BLOCK), start + SCALE_BYTES);
  }
  return bytes;
}

/** The numbers that blocks hold. */
export function unpackBlocks(bytes: Uint8Array): Float32Array {
  const blocks = bytes.length / BLOCK_BYTES;
  const codes = new Int8Array(blocks * BLOCK);
  const scaleBits = new Uint32Array(blocks);
  for (let b = 0; b < blocks; b++) {
    const start = b * BLOCK_BYTES;
    scaleBits[b] = ((bytes[start] | (bytes[start + 1] << 8)) << FRACTION_ZEROS) + LEAST;
    codes.set(bytes.subarray(start + SCALE_BYTES, start + BLOCK_BYTES), b * BLOCK);
  }
  return dequantize({ codes, scales: new Float32Array(scaleBits.buffer) });
}
