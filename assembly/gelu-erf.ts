// GELU in its erf form, x Phi(x) with Phi(x) = 0.5 (1 + erf(x / sqrt 2)): the share of a normal distribution below x.
//
// Phi(-|x|) is computed as e^(-x²/2) R(|x|), without cancellation far below zero, and Phi(|x|) = 1 - Phi(-|x|). The same
// power of e is the normal distribution's own height, which the derivative needs.
import {
  HALF, NORMAL, ONE, PHI_1, PHI_2, PHI_3, PHI_4, PHI_5, PHI_6, PHI_7, PHI_8, PHI_9, PHI_BEND,
} from "./constants";
import { exp, loadUpTo4, madd, storeUpTo4 } from "./math";
import { LINE, shareStart } from "./split";

/** e^(-x²/2) */
// @ts-ignore: decorator
@inline
function bell(x: v128): v128 {
  return exp(f32x4.mul(f32x4.mul(x, x), f32x4.neg(f32x4.splat(HALF))));
}

/** Phi(x), given e^(-x²/2). */
// @ts-ignore: decorator
@inline
function below(x: v128, height: v128): v128 {
  const one = f32x4.splat(ONE);
  const t = f32x4.div(one, madd(f32x4.abs(x), f32x4.splat(PHI_BEND), one));
  let p = madd(f32x4.splat(PHI_9), t, f32x4.splat(PHI_8));
  p = madd(p, t, f32x4.splat(PHI_7));
  p = madd(p, t, f32x4.splat(PHI_6));
  p = madd(p, t, f32x4.splat(PHI_5));
  p = madd(p, t, f32x4.splat(PHI_4));
  p = madd(p, t, f32x4.splat(PHI_3));
  p = madd(p, t, f32x4.splat(PHI_2));
  p = madd(p, t, f32x4.splat(PHI_1));
  const tail = f32x4.mul(f32x4.mul(p, t), height);
  return v128.bitselect(tail, f32x4.sub(one, tail), f32x4.lt(x, f32x4.splat(0)));
}

// @ts-ignore: decorator
@inline
function forward(x: v128): v128 {
  return f32x4.mul(x, below(x, bell(x)));
}

/** dout times the derivative: Phi(x) + x e^(-x²/2) / sqrt(2 pi). */
// @ts-ignore: decorator
@inline
function backward(x: v128, dout: v128): v128 {
  const height = bell(x);
  const slope = f32x4.mul(x, f32x4.splat(NORMAL));
  return f32x4.mul(dout, madd(slope, height, below(x, height)));
}

/** out may be inp. */
export function geluErfForward(thread: i32, threads: i32, out: usize, inp: usize, n: i32): void {
  const start = shareStart(n, LINE, thread, threads);
  const end = shareStart(n, LINE, thread + 1, threads);
  let i = start;
  let at = <usize>start << 2;
  for (; i <= end - 8; i += 8, at += 32) {
    const y0 = forward(v128.load(inp + at));
    const y1 = forward(v128.load(inp + at, 16));
    v128.store(out + at, y0);
    v128.store(out + at, y1, 16);
  }
  for (; i < end; i += 4, at += 16) {
    const count = min(4, end - i);
    storeUpTo4(out + at, forward(loadUpTo4(inp + at, count)), count);
  }
}

/** dinp may be dout. */
export function geluErfBackward(thread: i32, threads: i32, dinp: usize, inp: usize, dout: usize, n: i32): void {
  const start = shareStart(n, LINE, thread, threads);
  const end = shareStart(n, LINE, thread + 1, threads);
  let i = start;
  let at = <usize>start << 2;
  for (; i <= end - 8; i += 8, at += 32) {
    const d0 = backward(v128.load(inp + at), v128.load(dout + at));
    const d1 = backward(v128.load(inp + at, 16), v128.load(dout + at, 16));
    v128.store(dinp + at, d0);
    v128.store(dinp + at, d1, 16);
  }
  for (; i < end; i += 4, at += 16) {
    const count = min(4, end - i);
    storeUpTo4(dinp + at, backward(loadUpTo4(inp + at, count), loadUpTo4(dout + at, count)), count);
  }
}
