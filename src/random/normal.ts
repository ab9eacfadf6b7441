import { logFloat, sinCosFloat } from "./float-math.ts";
import type { Mt19937 } from "./mt19937.ts";

const BLOCK = 16;

const TWO_PI = Math.fround(2 * Math.PI);
const angles = { sine: 0, cosine: 0 };

/** Box-Muller on one block of uniforms, as torch's `normal_fill_16`: the first half the radii, the second the angles. */
function transformBlock(x: Float32Array, start: number, std: number): void {
  const round = Math.fround;
  for (let i = start; i < start + BLOCK / 2; i++) {
    const radius = round(Math.sqrt(round(-2 * logFloat(1 - x[i]))));
    sinCosFloat(round(TWO_PI * x[i + BLOCK / 2]), angles);
    x[i] = round(radius * angles.cosine) * std;
    x[i + BLOCK / 2] = round(radius * angles.sine) * std;
  }
}

/**
 * `count` normal numbers of mean 0, in chunks: to the bit what `torch.Tensor.normal_` puts into a float tensor of that
 * size on x86 (AVX2), given the same generator. torch draws all uniforms first and transforms blocks of 16 after, which
 * block by block comes to the same, except at the end of a size that is no multiple of 16: there the last 16 values are
 * redrawn.
 */
export function* normals(rng: Mt19937, count: number, std: number, chunkSize = 1 << 18): Generator<Float32Array> {
  if (count < BLOCK) {
    yield Float32Array.from({ length: count }, () => rng.normal() * std);
    return;
  }
  const floatStd = Math.fround(std);
  const rest = count % BLOCK;
  // With a remainder, the last whole block belongs to the tail, since the redrawn values overlap it.
  const whole = count - rest - (rest > 0 ? BLOCK : 0);
  for (let start = 0; start < whole; start += chunkSize) {
    const chunk = uniforms(rng, Math.min(chunkSize, whole - start));
    for (let i = 0; i < chunk.length; i += BLOCK) transformBlock(chunk, i, floatStd);
    yield chunk;
  }
  if (rest === 0) return;
  const tail = uniforms(rng, BLOCK + rest);
  transformBlock(tail, 0, floatStd);
  tail.set(uniforms(rng, BLOCK), rest);
  transformBlock(tail, rest, floatStd);
  yield tail;
}

function uniforms(rng: Mt19937, count: number): Float32Array {
  const x = new Float32Array(count);
  for (let i = 0; i < count; i++) x[i] = rng.randfloat32();
  return x;
}
