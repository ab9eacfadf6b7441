/** The bytes of ggml's q8_0: each block's scale in float16, then its 32 codes. */
import { BLOCK, dequantize, quantize } from "../backend/int8.ts";
import { fromFloat32, toFloat32 } from "./numbers.ts";

const SCALE_BYTES = 2;
const BLOCK_BYTES = SCALE_BYTES + BLOCK;

/** The blocks of numbers. InputError for a number that they cannot hold; `name` says whose it is. */
export function toQ8(values: Float32Array, name: string): Uint8Array {
  const { codes, scales } = quantize(values, name);
  const bytes = new Uint8Array(scales.length * BLOCK_BYTES);
  const halves = fromFloat32(scales, "f16");
  const codeBytes = new Uint8Array(codes.buffer);
  for (let b = 0; b < scales.length; b++) {
    bytes.set(halves.subarray(SCALE_BYTES * b, SCALE_BYTES * (b + 1)), b * BLOCK_BYTES);
    bytes.set(codeBytes.subarray(b * BLOCK, (b + 1) * BLOCK), b * BLOCK_BYTES + SCALE_BYTES);
  }
  return bytes;
}

/** The numbers of blocks, exact in float32. */
export function fromQ8(bytes: Uint8Array): Float32Array {
  const blocks = bytes.length / BLOCK_BYTES;
  const halves = new Uint8Array(SCALE_BYTES * blocks);
  const codes = new Int8Array(BLOCK * blocks);
  for (let b = 0; b < blocks; b++) {
    const start = b * BLOCK_BYTES;
    halves.set(bytes.subarray(start, start + SCALE_BYTES), SCALE_BYTES * b);
    codes.set(bytes.subarray(start + SCALE_BYTES, start + BLOCK_BYTES), BLOCK * b);
  }
  return dequantize({ codes, scales: Float32Array.from(toFloat32(halves, "f16")) });
}
