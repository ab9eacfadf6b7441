// Probe for the engine's and the machine's implementation of relaxed instructions.
import { madd } from "./math";

/** 1 if madd rounds once (fused), 0 if the product is rounded before the sum. x must be 1 + 2^-12. */
export function isFused(x: f32): i32 {
  // x² = 1 + 2^-11 + 2^-24, whose last term only a fused operation keeps.
  const square = madd(f32x4.splat(x), f32x4.splat(x), f32x4.splat(-1));
  return f32x4.extract_lane(square, 0) != <f32>0.00048828125 ? 1 : 0;
}
