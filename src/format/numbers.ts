/** The number formats of files, to and from float32. Little-endian, as every machine that JavaScript runs on. */

export type FileDType = "f32" | "bf16" | "f16";

export const bytesPer: Record<FileDType, number> = { f32: 4, bf16: 2, f16: 2 };

/** Float32 values of a file's bytes. Shares memory with `bytes` where that is possible. */
export function toFloat32(bytes: Uint8Array, dtype: FileDType): Float32Array {
  if (dtype === "f32") return new Float32Array(...aligned(bytes, 4));
  const halves = new Uint16Array(...aligned(bytes, 2));
  return dtype === "bf16" ? fromBfloat16(halves) : fromFloat16(halves);
}

/** The bytes of float32 values in a file. Shares memory with `values` for f32. */
export function fromFloat32(values: Float32Array, dtype: "f32" | "bf16"): Uint8Array {
  const data = dtype === "f32" ? values : toBfloat16(values);
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/** A typed array's buffer, offset and length over `bytes`; copied where they do not lie on the element's boundary. */
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

/** A bfloat16 is the upper half of a float32. */
function fromBfloat16(halves: Uint16Array): Float32Array {
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i] << 16;
  return new Float32Array(bits.buffer);
}

/** Rounds to the nearest bfloat16, ties to even, as PyTorch and CUDA do. NaN stays NaN. */
function toBfloat16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const nan = (bits[i] & 0x7fffffff) > 0x7f800000;
    halves[i] = nan ? (bits[i] >>> 16) | 0x40 : (bits[i] + 0x7fff + ((bits[i] >>> 16) & 1)) >>> 16;
  }
  return halves;
}

let float16Table: Float32Array | undefined;

/** All 65,536 half floats are soon tabulated: sign, 5 bits of exponent, 10 of fraction (IEEE 754 binary16). */
function fromFloat16(halves: Uint16Array): Float32Array {
  float16Table ??= Float32Array.from({ length: 0x10000 }, (_, bits) => {
    const sign = bits & 0x8000 ? -1 : 1;
    const exponent = (bits >> 10) & 31;
    const fraction = bits & 1023;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
  const values = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) values[i] = float16Table[halves[i]];
  return values;
}
