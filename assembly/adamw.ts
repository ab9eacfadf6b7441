// One update of AdamW (Loshchilov & Hutter, 2019), as torch.optim.AdamW does it: decay first, apart from the gradient.
import { loadUpTo4, madd, storeUpTo4 } from "./math";
import { LINE, shareStart } from "./split";

/** beta1 m + (1 - beta1) g, the exponential moving average of the gradient, computed as m + (1 - beta1) (g - m). */
// @ts-ignore: AssemblyScript's decorator
@inline
function firstMoment(m: v128, g: v128, beta1Rest: v128): v128 {
  return madd(f32x4.sub(g, m), beta1Rest, m);
}

/** beta2 v + (1 - beta2) g², the exponential moving average of the squared gradient. */
// @ts-ignore: AssemblyScript's decorator
@inline
function secondMoment(v: v128, g: v128, beta2: v128, beta2Rest: v128): v128 {
  return madd(f32x4.mul(g, g), beta2Rest, f32x4.mul(v, beta2));
}

/**
 * decay * param - stepSize * m / (rootScale sqrt(v) + epsilon). Adds 0 v, which is NaN where a square overflowed:
 * otherwise dividing by infinity would freeze the parameter silently.
 */
// @ts-ignore: AssemblyScript's decorator
@inline
function step(param: v128, m: v128, v: v128, decay: v128, rootScale: v128, epsilon: v128, stepSize: v128): v128 {
  const root = madd(f32x4.sqrt(v), rootScale, epsilon);
  const moved = f32x4.sub(f32x4.mul(param, decay), f32x4.div(f32x4.mul(stepSize, m), root));
  return madd(v, f32x4.splat(0), moved);
}

/**
 * n elements of one tensor, in one pass over memory, two vectors at a time, which V8 can fuse into one of 256 bits. The
 * caller computes the scalars in double precision:
 * beta1Rest = 1 - beta1, beta2Rest = 1 - beta2, decay = 1 - learningRate * weightDecay,
 * rootScale = 1 / sqrt(1 - beta2^t), stepSize = learningRate / (1 - beta1^t).
 */
export function adamw(
  part: i32, parts: i32, param: usize, grad: usize, m: usize, v: usize, n: i32,
  gradScale: f32, beta1Rest: f32, beta2: f32, beta2Rest: f32, decay: f32, rootScale: f32, epsilon: f32, stepSize: f32,
): void {
  const scale = f32x4.splat(gradScale);
  const rest1 = f32x4.splat(beta1Rest);
  const keep2 = f32x4.splat(beta2);
  const rest2 = f32x4.splat(beta2Rest);
  const keep = f32x4.splat(decay);
  const root = f32x4.splat(rootScale);
  const eps = f32x4.splat(epsilon);
  const size = f32x4.splat(stepSize);

  const start = shareStart(n, LINE, part, parts);
  const end = shareStart(n, LINE, part + 1, parts);
  let at = <usize>start << 2;
  for (const stop = <usize>(start + ((end - start) & ~7)) << 2; at < stop; at += 32) {
    const g0 = f32x4.mul(v128.load(grad + at), scale);
    const g1 = f32x4.mul(v128.load(grad + at, 16), scale);
    const m0 = firstMoment(v128.load(m + at), g0, rest1);
    const m1 = firstMoment(v128.load(m + at, 16), g1, rest1);
    const v0 = secondMoment(v128.load(v + at), g0, keep2, rest2);
    const v1 = secondMoment(v128.load(v + at, 16), g1, keep2, rest2);
    const p0 = step(v128.load(param + at), m0, v0, keep, root, eps, size);
    const p1 = step(v128.load(param + at, 16), m1, v1, keep, root, eps, size);
    v128.store(m + at, m0);
    v128.store(m + at, m1, 16);
    v128.store(v + at, v0);
    v128.store(v + at, v1, 16);
    v128.store(param + at, p0);
    v128.store(param + at, p1, 16);
  }
  for (let i = <i32>(at >> 2); i < end; i += 4, at += 16) {
    const count = min(4, end - i);
    const g = f32x4.mul(loadUpTo4(grad + at, count), scale);
    const newM = firstMoment(loadUpTo4(m + at, count), g, rest1);
    const newV = secondMoment(loadUpTo4(v + at, count), g, keep2, rest2);
    const newParam = step(loadUpTo4(param + at, count), newM, newV, keep, root, eps, size);
    storeUpTo4(m + at, newM, count);
    storeUpTo4(v + at, newV, count);
    storeUpTo4(param + at, newParam, count);
  }
}
