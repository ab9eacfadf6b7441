// GELU in its erf form, x Phi(x) with Phi(x) = 0.5 (1 + erf(x / sqrt 2)), the standard normal CDF.
//
// Phi(-|x|) is computed as e^(-x²/2) R(|x|), without cancellation far below zero, and Phi(|x|) = 1 - Phi(-|x|). The same
// power of e gives the normal density, which the derivative needs.
import {
  HALF, NORMAL, ONE, PHI_1, PHI_2, PHI_3, PHI_4, PHI_5, PHI_6, PHI_7, PHI_8, PHI_9, PHI_BEND,
} from "./constants";
import { expOfNegative, madd } from "./math";

/** e^(-x²/2) */
// @ts-ignore: AssemblyScript's decorator
@inline
function bell(x: v128): v128 {
  return expOfNegative(f32x4.mul(f32x4.mul(x, x), f32x4.neg(f32x4.splat(HALF))));
}

/** Phi(x), given e^(-x²/2). */
// @ts-ignore: AssemblyScript's decorator
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

// @ts-ignore: AssemblyScript's decorator
@inline
export function erfForward(x: v128): v128 {
  return f32x4.mul(x, below(x, bell(x)));
}

/** dout times the derivative: Phi(x) + x e^(-x²/2) / sqrt(2 pi). */
// @ts-ignore: AssemblyScript's decorator
@inline
export function erfBackward(x: v128, dout: v128): v128 {
  const height = bell(x);
  const slope = f32x4.mul(x, f32x4.splat(NORMAL));
  return f32x4.mul(dout, madd(slope, height, below(x, height)));
}
