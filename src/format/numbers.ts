/** Conversion between float32 and the little-endian number formats of files. */
import { fromBfloat16, toBfloat16 } from "../backend/bfloat16.ts";
import { fromFloat16, toFloat16 } from "../backend/float16.ts";
import { BLOCK, dequantize, quantize } from "../backend/int8.ts";

export type FileDType = "f32" | "bf16" | "f16";

export const bytesPer: Record<FileDType, number> = { f32: 4, bf16: 2, f16: 2 };

/** Float32 values of a file's bytes. Shares memory with `bytes` where that is possible. */
export function toFloat32(bytes: Uint8Array, dtype: FileDType): Float32Array {
  if (dtype === "f32") return new Float32Array(...aligned(bytes, 4));
  const halves = new Uint16Array(...aligned(bytes, 2));
  return dtype === "bf16" ? fromBfloat16(halves) : fromFloat16(halves);
}

/** The bytes of float32 values in a file. Shares memory with `values` for f32. */
export function fromFloat32(values: Float32Array, dtype: FileDType): Uint8Array {
  const data = dtype === "f32" ? values : (dtype === "bf16" ? toBfloat16 : toFloat16)(values);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** Arguments of a typed array over `bytes`, which are copied if misaligned. */
function aligned(bytes: Uint8Array, size: number): [ArrayBufferLike, number, number] {
  const { buffer, byteOffset, length } = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  return [buffer, byteOffset, Math.floor(length / size)];
}

export function toInt32(bytes: Uint8Array): Int32Array {
  return new Int32Array(...aligned(bytes, 4));
}

export function toUint16(bytes: Uint8Array): Uint16Array {
  return new Uint16Array(...aligned(bytes, 2));
}

/** A block of ggml's q8_0: its scale in float16, then its 32 codes. */
const SCALE_BYTES = 2;
const BLOCK_BYTES = SCALE_BYTES + BLOCK;

/** The blocks of q8_0 of numbers. InputError for a number that they cannot hold; `name` says whose it is. */
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

/** The numbers of blocks of q8_0, exact in float32. */
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
