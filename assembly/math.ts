// Vector arithmetic shared by every kernel: fused multiply-add, exp, tanh and sigmoid on four floats, and loads and
// stores of one to three floats for the ends of rows.
//
// There is no scalar exp on purpose. A row's last one to three elements go through the same vector code
// (loadTail, compute, storeTail), so an element's bits never depend on where in a row it stands.

/** a * b + c, rounded once where the relaxed build runs on hardware with FMA, twice otherwise. */
// @ts-ignore: decorator
@inline
export function madd(a: v128, b: v128, c: v128): v128 {
  if (ASC_FEATURE_RELAXED_SIMD) return f32x4.relaxed_madd(a, b, c);
  return f32x4.add(f32x4.mul(a, b), c);
}

/** The first `count` (1 to 3) floats at `ptr`, the other lanes 0. Reads nothing beyond them. */
// @ts-ignore: decorator
@inline
export function loadTail(ptr: usize, count: i32): v128 {
  if (count == 1) return v128.load32_zero(ptr);
  const two = v128.load64_zero(ptr);
  return count == 2 ? two : v128.load32_lane(ptr, two, 2, 8);
}

/** Stores the first `count` (1 to 3) lanes at `ptr`. Writes nothing beyond them. */
// @ts-ignore: decorator
@inline
export function storeTail(ptr: usize, value: v128, count: i32): void {
  if (count == 1) {
    v128.store32_lane(ptr, value, 0);
    return;
  }
  v128.store64_lane(ptr, value, 0);
  if (count == 3) v128.store32_lane(ptr, value, 2, 8);
}

/** Sum of the four lanes, in the fixed order (0 + 2) + (1 + 3). */
// @ts-ignore: decorator
@inline
export function sumLanes(x: v128): f32 {
  const pairs = f32x4.add(x, v128.shuffle<i32>(x, x, 2, 3, 0, 1));
  return f32x4.extract_lane(pairs, 0) + f32x4.extract_lane(pairs, 1);
}

/** Largest of the four lanes; NaN if one is. */
// @ts-ignore: decorator
@inline
export function maxLanes(x: v128): f32 {
  const pairs = f32x4.max(x, v128.shuffle<i32>(x, x, 2, 3, 0, 1));
  return max(f32x4.extract_lane(pairs, 0), f32x4.extract_lane(pairs, 1));
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
  let series: f64 = 1.0 / 19;
  for (let odd = 17; odd >= 1; odd -= 2) series = series * z + 1.0 / <f64>odd;
  return <f64>exponent * 0.6931471805599453 + 2 * s * series;
}

/**
 * e to the x, within 1 unit in the last place. Underflows gradually to 0, overflows to infinity, keeps NaN.
 *
 * x = n ln 2 + r with |r| <= ln 2 / 2; e^r by the polynomial of Cephes' expf; then times 2^n. The multiplication by
 * 2^n is done in two halves, because n = 128 and n < -126 have no float of their own.
 */
// @ts-ignore: decorator
@inline
export function exp(x: v128): v128 {
  // pmin and pmax return their first operand when it is NaN.
  const clamped = f32x4.pmax(f32x4.pmin(x, f32x4.splat(89)), f32x4.splat(-105));
  // Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits of the float.
  const magic = f32x4.splat(12582912);
  const shifted = madd(clamped, f32x4.splat(1.44269504088896341), magic);
  const nInt = i32x4.sub(shifted, magic);
  const n = f32x4.sub(shifted, magic);
  // ln 2 in two parts; n times the first is exact.
  let r = madd(n, f32x4.splat(-0.693359375), clamped);
  r = madd(n, f32x4.splat(2.12194440e-4), r);

  let p = madd(f32x4.splat(1.9875691500e-4), r, f32x4.splat(1.3981999507e-3));
  p = madd(p, r, f32x4.splat(8.3334519073e-3));
  p = madd(p, r, f32x4.splat(4.1665795894e-2));
  p = madd(p, r, f32x4.splat(1.6666665459e-1));
  p = madd(p, r, f32x4.splat(5.0000001201e-1));
  p = f32x4.add(madd(p, f32x4.mul(r, r), r), f32x4.splat(1));

  const half = i32x4.shr_s(nInt, 1);
  const rest = i32x4.sub(nInt, half);
  const one = f32x4.splat(1); // adding n << 23 to its bits gives 2^n
  p = f32x4.mul(p, i32x4.add(one, i32x4.shl(half, 23)));
  return f32x4.mul(p, i32x4.add(one, i32x4.shl(rest, 23)));
}

/**
 * 1 / (1 + e^-x), within 3 units in the last place everywhere, also far below zero.
 *
 * GELU wants this rather than tanh: 0.5 (1 + tanh u) = sigmoid(2 u), without the cancellation at negative u.
 */
// @ts-ignore: decorator
@inline
export function sigmoid(x: v128): v128 {
  const one = f32x4.splat(1);
  return f32x4.div(one, f32x4.add(one, exp(f32x4.neg(x))));
}

/** Hyperbolic tangent, within 2 units in the last place: Cephes' tanhf, both branches computed, then selected. */
// @ts-ignore: decorator
@inline
export function tanh(x: v128): v128 {
  const magnitude = f32x4.abs(x);
  const one = f32x4.splat(1);
  const far = f32x4.sub(one, f32x4.div(f32x4.splat(2), f32x4.add(exp(f32x4.add(magnitude, magnitude)), one)));
  const signed = v128.or(far, v128.and(x, f32x4.splat(-0.0)));

  const z = f32x4.mul(x, x);
  let p = madd(f32x4.splat(-5.70498872745e-3), z, f32x4.splat(2.06390887954e-2));
  p = madd(p, z, f32x4.splat(-5.37397155531e-2));
  p = madd(p, z, f32x4.splat(1.33314422036e-1));
  p = madd(p, z, f32x4.splat(-3.33332819422e-1));
  const near = madd(f32x4.mul(p, z), x, x);

  return v128.bitselect(near, signed, f32x4.lt(magnitude, f32x4.splat(0.625)));
}
