// One update of AdamW (Loshchilov & Hutter, 2019), as torch.optim.AdamW does it: decay first, apart from the gradient.
import { loadTail, madd, storeTail } from "./math";
import { LINE, shareStart } from "./split";

/** m moves towards the gradient by 1 - beta1. */
// @ts-ignore: decorator
@inline
function firstMoment(m: v128, g: v128, beta1Rest: v128): v128 {
  return madd(f32x4.sub(g, m), beta1Rest, m);
}

/** v becomes beta2 v + (1 - beta2) g². */
// @ts-ignore: decorator
@inline
function secondMoment(v: v128, g: v128, beta2: v128, beta2Rest: v128): v128 {
  return madd(f32x4.mul(g, g), beta2Rest, f32x4.mul(v, beta2));
}

/** decay * param - stepSize * m / (rootScale sqrt(v) + epsilon) */
// @ts-ignore: decorator
@inline
function step(param: v128, m: v128, v: v128, decay: v128, rootScale: v128, epsilon: v128, stepSize: v128): v128 {
  const root = madd(f32x4.sqrt(v), rootScale, epsilon);
  return f32x4.sub(f32x4.mul(param, decay), f32x4.div(f32x4.mul(stepSize, m), root));
}

/**
 * n elements of one tensor, in one pass over memory. The caller computes the scalars in double precision:
 * beta1Rest = 1 - beta1, beta2Rest = 1 - beta2, decay = 1 - learningRate * weightDecay,
 * rootScale = 1 / sqrt(1 - beta2^t), stepSize = learningRate / (1 - beta1^t).
 */
export function adamw(
  thread: i32, threads: i32, param: usize, grad: usize, m: usize, v: usize, n: i32,
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

  const start = shareStart(n, LINE, thread, threads);
  const end = shareStart(n, LINE, thread + 1, threads);
  const vectors = start + ((end - start) & ~3);
  let at = <usize>start << 2;
  for (const stop = <usize>vectors << 2; at < stop; at += 16) {
    const g = f32x4.mul(v128.load(grad + at), scale);
    const newM = firstMoment(v128.load(m + at), g, rest1);
    const newV = secondMoment(v128.load(v + at), g, keep2, rest2);
    const newParam = step(v128.load(param + at), newM, newV, keep, root, eps, size);
    v128.store(m + at, newM);
    v128.store(v + at, newV);
    v128.store(param + at, newParam);
  }
  const rest = end - vectors;
  if (rest == 0) return;
  const g = f32x4.mul(loadTail(grad + at, rest), scale);
  const newM = firstMoment(loadTail(m + at, rest), g, rest1);
  const newV = secondMoment(loadTail(v + at, rest), g, keep2, rest2);
  const newParam = step(loadTail(param + at, rest), newM, newV, keep, root, eps, size);
  storeTail(m + at, newM, rest);
  storeTail(v + at, newV, rest);
  storeTail(param + at, newParam, rest);
}
