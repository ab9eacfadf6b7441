// GELU in its tanh form: x * 0.5 (1 + tanh u) with u = sqrt(2/pi) (x + 0.044715 x^3).
//
// 0.5 (1 + tanh u) = sigmoid(2u), which keeps its relative precision where tanh u comes close to -1.
import { GELU_BEND, GELU_CUBIC, GELU_SLOPE, ONE } from "./constants";
import { loadUpTo4, madd, sigmoid, storeUpTo4 } from "./math";
import { LINE, shareStart } from "./split";

// @ts-ignore: decorator
@inline
function gate(x: v128, square: v128): v128 {
  return sigmoid(f32x4.mul(f32x4.mul(x, f32x4.splat(GELU_SLOPE)), madd(square, f32x4.splat(GELU_CUBIC), f32x4.splat(ONE))));
}

// @ts-ignore: decorator
@inline
function forward(x: v128): v128 {
  return f32x4.mul(x, gate(x, f32x4.mul(x, x)));
}

/** dout times the derivative: s + x s (1 - s) d(2u)/dx, where s = sigmoid(2u). */
// @ts-ignore: decorator
@inline
function backward(x: v128, dout: v128): v128 {
  const square = f32x4.mul(x, x);
  const s = gate(x, square);
  const slope = madd(square, f32x4.splat(GELU_BEND), f32x4.splat(GELU_SLOPE));
  const bend = f32x4.mul(f32x4.mul(x, s), f32x4.sub(f32x4.splat(ONE), s));
  return f32x4.mul(dout, madd(bend, slope, s));
}

/** out may be inp. */
export function geluForward(thread: i32, threads: i32, out: usize, inp: usize, n: i32): void {
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
export function geluBackward(thread: i32, threads: i32, dinp: usize, inp: usize, dout: usize, n: i32): void {
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
