/** ggml's q8_0: blocks of 32 numbers as bytes -127 to 127, behind their scale in float16. */
import { InputError } from "../errors.ts";
import { fromFloat32, toFloat32 } from "./numbers.ts";

const block = 32;
const blockBytes = 2 + block;
const largest = 127;

/** The blocks of numbers, rounded as ggml's reference does: half away from zero. InputError for one that is not finite. */
export function quantize(values: Float32Array, name: string): Uint8Array {
  const blocks = values.length / block;
  const bytes = new Uint8Array(blocks * blockBytes);
  const scales = new Float32Array(blocks);
  for (let b = 0; b < blocks; b++) {
    let most = 0;
    for (let i = b * block; i < (b + 1) * block; i++) {
      const size = Math.abs(values[i]);
      // Also true for NaN.
      if (!(size <= 3.4028234663852886e38))
        throw new InputError(`${name} holds ${values[i]}, which q8_0 cannot hold. Choose f32, or mend the model.`);
      most = Math.max(most, size);
    }
    const scale = Math.fround(most / largest);
    const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
    scales[b] = scale;
    for (let i = 0; i < block; i++) {
      const value = Math.fround(values[b * block + i] * inverse);
      bytes[b * blockBytes + 2 + i] = Math.sign(value) * Math.floor(Math.abs(value) + 0.5);
    }
  }
  const halves = fromFloat32(scales, "f16");
  for (let b = 0; b < blocks; b++) bytes.set(halves.subarray(2 * b, 2 * b + 2), b * blockBytes);
  return bytes;
}

export function dequantize(bytes: Uint8Array): Float32Array {
  const blocks = bytes.length / blockBytes;
  const halves = new Uint8Array(2 * blocks);
  for (let b = 0; b < blocks; b++) halves.set(bytes.subarray(b * blockBytes, b * blockBytes + 2), 2 * b);
  const scales = toFloat32(halves, "f16");
  const codes = new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  const values = new Float32Array(blocks * block);
  for (let i = 0; i < values.length; i++) {
    const b = Math.floor(i / block);
    values[i] = codes[b * blockBytes + 2 + (i % block)] * scales[b];
  }
  return values;
}
