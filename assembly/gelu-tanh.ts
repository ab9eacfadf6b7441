// GELU in its tanh form: x * 0.5 (1 + tanh u) with u = sqrt(2/pi) (x + 0.044715 x^3).
//
// 0.5 (1 + tanh u) = sigmoid(2u), which keeps its relative precision where tanh u comes close to -1.
import { GELU_BEND, GELU_CUBIC, GELU_MINUS_SLOPE, GELU_SLOPE, ONE } from "./constants";
import { madd, sigmoidOfMinus } from "./math";

// @ts-ignore: AssemblyScript's decorator
@inline
function gate(x: v128, square: v128): v128 {
  const cubic = madd(square, f32x4.splat(GELU_CUBIC), f32x4.splat(ONE));
  return sigmoidOfMinus(f32x4.mul(f32x4.mul(x, f32x4.splat(GELU_MINUS_SLOPE)), cubic));
}

// @ts-ignore: AssemblyScript's decorator
@inline
export function tanhForward(x: v128): v128 {
  return f32x4.mul(x, gate(x, f32x4.mul(x, x)));
}

/** dout times the derivative: s + x s (1 - s) d(2u)/dx, where s = sigmoid(2u). */
// @ts-ignore: AssemblyScript's decorator
@inline
export function tanhBackward(x: v128, dout: v128): v128 {
  const square = f32x4.mul(x, x);
  const s = gate(x, square);
  const slope = madd(square, f32x4.splat(GELU_BEND), f32x4.splat(GELU_SLOPE));
  const bend = f32x4.mul(f32x4.mul(x, s), f32x4.sub(f32x4.splat(ONE), s));
  return f32x4.mul(dout, madd(bend, slope, s));
}
