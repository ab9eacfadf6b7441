// Vector arithmetic shared by every kernel: fused multiply-add, exp and sigmoid on four floats, and loads and stores of
// one to three floats for the ends of rows.
//
// There is no scalar exp on purpose. A row's last one to three elements go through the same vector code
// (loadTail, compute, storeTail), so an element's bits never depend on its position in a row.
import {
  EXP_2, EXP_3, EXP_4, EXP_5, EXP_6, EXP_7, EXP_HIGHEST, EXP_LOWEST, LN2_HIGH, LN2_LOW, LOG2_E, ONE, ROUND,
} from "./constants";

/** a * b + c, rounded once where the relaxed build runs on hardware with FMA, twice otherwise. */
// @ts-ignore: AssemblyScript's decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** The first `count` (1 to 3) floats at `ptr`, the other lanes 0. Reads nothing beyond them. */
// @ts-ignore: AssemblyScript's decorator
@inline
export function loadTail(ptr: usize, count: i32): v128 {
  if (count == 1) return v128.load32_zero(ptr);
  const two = v128.load64_zero(ptr);
  return count == 2 ? two : v128.load32_lane(ptr, two, 2, 8);
}

/** Stores the first `count` (1 to 3) lanes at `ptr`. Writes nothing beyond them. */
// @ts-ignore: AssemblyScript's decorator
@inline
export function storeTail(ptr: usize, value: v128, count: i32): void {
  if (count == 1) {
    v128.store32_lane(ptr, value, 0);
    return;
  }
  v128.store64_lane(ptr, value, 0);
  if (count == 3) v128.store32_lane(ptr, value, 2, 8);
}

/** The same for 1 to 4 floats. */
// @ts-ignore: AssemblyScript's decorator
@inline
export function loadUpTo4(ptr: usize, count: i32): v128 {
  return count == 4 ? v128.load(ptr) : loadTail(ptr, count);
}

// @ts-ignore: AssemblyScript's decorator
@inline
export function storeUpTo4(ptr: usize, value: v128, count: i32): void {
  if (count == 4) v128.store(ptr, value);
  else storeTail(ptr, value, count);
}

/** Sum of the four lanes, in the fixed order (0 + 2) + (1 + 3). */
// @ts-ignore: AssemblyScript's decorator
@inline
export function sumLanes(x: v128): f32 {
  const pairs = f32x4.add(x, v128.shuffle<i32>(x, x, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}

/** The first two lanes in double precision. */
// @ts-ignore: AssemblyScript's decorator
@inline
export function low(x: v128): v128 {
  return f64x2.promote_low_f32x4(x);
}

/** The last two. */
// @ts-ignore: AssemblyScript's decorator
@inline
export function high(x: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<i32>(x, x, 2, 3, 0, 1));
}

// @ts-ignore: AssemblyScript's decorator
@inline
export function sumF64(a: v128, b: v128): f64 {
  const s = f64x2.add(a, b);
  return f64x2.extract_lane(s, 0) + f64x2.extract_lane(s, 1);
}

/** Largest of the four lanes; NaN if one is. */
// @ts-ignore: AssemblyScript's decorator
@inline
export function maxLanes(x: v128): f32 {
  const pairs = f32x4.max(x, v128.shuffle<i32>(x, x, 2, 3, 0, 1));
  return max(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1));
}

/** Smallest of the four lanes; NaN if one is. */
// @ts-ignore: AssemblyScript's decorator
@inline
export function minLanes(x: v128): f32 {
  const pairs = f32x4.min(x, v128.shuffle<i32>(x, x, 2, 3, 0, 1));
  return min(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1));
}

/**
 * Natural logarithm of a normal, positive x, to about 1e-15; infinity and NaN stay. The standard library's brings a
 * table along, and tables are static data, which instances that share one memory must not have.
 */
export function log(x: f64): f64 {
  if (!(x < Infinity)) return x;
  const bits = reinterpret<i64>(x);
  let exponent = <i32>(bits >> 52) - 1023;
  let mantissa = reinterpret<f64>((bits & 0x000fffffffffffff) | 0x3ff0000000000000); // 1 to 2
  if (mantissa > 1.4142135623730951) {
    mantissa *= 0.5;
    exponent++;
  }
  // log m = 2 artanh s, a series in odd powers of s; |s| < 0.172.
  const s = (mantissa - 1) / (mantissa + 1);
  const z = s * s;
  let series: f64 = 1.0 / 19 * z + 1.0 / 17;
  series = series * z + 1.0 / 15;
  series = series * z + 1.0 / 13;
  series = series * z + 1.0 / 11;
  series = series * z + 1.0 / 9;
  series = series * z + 1.0 / 7;
  series = series * z + 1.0 / 5;
  series = series * z + 1.0 / 3;
  series = series * z + 1;
  return <f64>exponent * 0.6931471805599453 + 2 * s * series;
}

/** e to the x, for x of at most 0, within 1 unit in the last place. 0 below -87.33 (no denormal numbers: they are slow), NaN stays. */
// @ts-ignore: AssemblyScript's decorator
@inline
export function expOfNegative(x: v128): v128 {
  const lowest = f32x4.splat(EXP_LOWEST);
  // pmin and pmax return their first operand when it is NaN.
  return v128.andnot(expWithin(f32x4.pmax(x, lowest)), f32x4.lt(x, lowest));
}

/**
 * e to the x, from EXP_LOWEST to EXP_HIGHEST; infinity above 88.37, NaN stays.
 *
 * x = n ln 2 + r with |r| <= ln 2 / 2; e^r by a polynomial; then times 2^n, whose bits are 1's with n in the exponent.
 */
// @ts-ignore: AssemblyScript's decorator
@inline
function expWithin(x: v128): v128 {
  const round = f32x4.splat(ROUND);
  const one = f32x4.splat(ONE);
  const shifted = madd(x, f32x4.splat(LOG2_E), round);
  const n = f32x4.sub(shifted, round);
  let r = madd(n, f32x4.splat(LN2_HIGH), x);
  r = madd(n, f32x4.splat(LN2_LOW), r);

  let p = madd(f32x4.splat(EXP_7), r, f32x4.splat(EXP_6));
  p = madd(p, r, f32x4.splat(EXP_5));
  p = madd(p, r, f32x4.splat(EXP_4));
  p = madd(p, r, f32x4.splat(EXP_3));
  p = madd(p, r, f32x4.splat(EXP_2));
  p = f32x4.add(madd(p, f32x4.mul(r, r), r), one);

  return f32x4.mul(p, i32x4.add(one, i32x4.shl(shifted, 23)));
}

/**
 * 1 / (1 + e^x), the sigmoid of -x, within 3 units in the last place everywhere, also far above zero. Beside 1 the smallest
 * power of e is nothing, flushed or not.
 *
 * GELU uses this instead of tanh: 0.5 (1 + tanh u) = sigmoid(2 u), without the cancellation at negative u.
 */
// @ts-ignore: AssemblyScript's decorator
@inline
export function sigmoidOfMinus(x: v128): v128 {
  const one = f32x4.splat(ONE);
  const clamped = f32x4.pmax(f32x4.pmin(x, f32x4.splat(EXP_HIGHEST)), f32x4.splat(EXP_LOWEST));
  return f32x4.div(one, f32x4.add(one, expWithin(clamped)));
}
