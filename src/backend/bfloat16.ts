/** A bfloat16 is the upper half of a float32. */
export function fromBfloat16(halves: Uint16Array): Float32Array {
  const values = new Float32Array(halves.length);
  widenBfloat16(halves, values);
  return values;
}

/** The same, to the start of `values`. */
export function widenBfloat16(halves: Uint16Array, values: Float32Array): void {
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < halves.length; i++) bits[i] = halves[i] << 16;
}

/**
 * Rounds to the nearest bfloat16, ties to even, as PyTorch and CUDA do. NaN stays NaN, with what fits of its payload: it
 * must not become infinity.
 */
export function toBfloat16(values: Float32Array): Uint16Array<ArrayBuffer> {
  const halves = new Uint16Array(values.length);
  roundToBfloat16(values, halves);
  return halves;
}

/** The same, to the start of `halves`. */
export function roundToBfloat16(values: Float32Array, halves: Uint16Array): void {
  // Signed: half of all unsigned numbers would be computed as doubles, which takes twice as long.
  const bits = new Int32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) {
    const x = bits[i];
    const upper = x >> 16;
    if ((x & 0x7fffffff) > 0x7f800000) halves[i] = upper & 0x7f ? upper : upper | 0x40;
    else halves[i] = (((x + 0x7fff) | 0) + (upper & 1)) >> 16;
  }
}
