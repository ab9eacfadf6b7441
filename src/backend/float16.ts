/** Half floats (IEEE 754 binary16): a sign, 5 bits of exponent, 10 of fraction. */
function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

/** The exponent of a float is 112 more than that of a half float: their biases are 127 and 15. */
const rebase = 112 << 23;

let float16Table: Uint32Array | undefined;

/** Widens half floats by a table of all 65,536. */
export function fromFloat16(halves: Uint16Array): Float32Array<ArrayBuffer> {
  float16Table ??= Uint32Array.from({ length: 0x10000 }, (_, half) => float16Bits(half));
  const bits = new Uint32Array(halves.length);
  for (let i = 0; i < halves.length; i++) bits[i] = float16Table[halves[i]];
  return new Float32Array(bits.buffer);
}

/** Bits of the float32 with the value of a half float. */
function float16Bits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const magnitude = (half & 0x7fff) << 13;
  if (magnitude >= 0x0f800000) return sign | 0x7f800000 | magnitude;
  if (magnitude >= 0x00800000) return sign | (magnitude + rebase);
  return sign | bitsOf(Float32Array.of((half & 0x7fff) * 2 ** -24))[0];
}

/** Rounds to half floats, ties to even: infinity from 65520 on, denormals (steps of 2^-24) below 2^-14. */
export function toFloat16(values: Float32Array): Uint16Array {
  const bits = bitsOf(values);
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < bits.length; i++) {
    const sign = (bits[i] >>> 16) & 0x8000;
    halves[i] = sign | roundToFloat16(bits[i] & 0x7fffffff);
  }
  return halves;
}

function roundToFloat16(x: number): number {
  if (x > 0x7f800000) return 0x7c00 | ((x >>> 13) & 0x3ff || 0x200);
  if (x >= 0x477ff000) return 0x7c00;
  if (x >= rebase + (1 << 23)) return (x - rebase + 0xfff + ((x >>> 13) & 1)) >>> 13;
  // Denormal: the fraction, with its leading 1, is shifted to steps of 2^-24.
  const shift = 126 - (x >>> 23);
  if (shift > 24) return 0;
  const fraction = (x & 0x7fffff) | 0x800000;
  return (fraction + (1 << (shift - 1)) - 1 + ((fraction >>> shift) & 1)) >>> shift;
}
