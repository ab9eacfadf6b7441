// Rotary positions: queries and keys of qkv (B,T,3C) turn in place. Angles, sines and cosines are computed here in double
// precision, by the same operations on every machine, and rounded once.
import { loadUpTo4, storeUpTo4 } from "./math";
import { shareStart } from "./split";

const LOG_10000: f64 = 9.210340371976182736;
const LN2: f64 = 0.693147180559945309417;
const TWO_OVER_PI: f64 = 0.636619772367581343076;
/** pi/2 in two parts, of which the larger has 33 bits, so that its multiples are exact. */
const HALF_PI_HIGH: f64 = 1.57079632673412561417;
const HALF_PI_LOW: f64 = 6.07710050650619224932e-11;

/** e^-y for y from 0 to 700, within 2^-51 of it: 2^-n e^-r, |r| at most ln(2) / 2, by Taylor's series. */
function expOfNegative(y: f64): f64 {
  const n = nearest(y / LN2);
  const r = n * LN2 - y;
  let sum: f64 = 1;
  for (let k: f64 = 14; k > 0; k--) sum = sum * r / k + 1;
  return sum * reinterpret<f64>((1023 - <i64>n) << 52);
}

/** The sine of x in -pi/4 … pi/4 (fdlibm's polynomial). */
// @ts-ignore: AssemblyScript's decorator
@inline
function sineNear0(x: f64): f64 {
  const z = x * x;
  const r = 8.33333333332248946124e-03 +
    z * (-1.98412698298579493134e-04 +
      z * (2.75573137070700676789e-06 + z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)));
  return x + z * x * (-1.66666666666666324348e-01 + z * r);
}

/** The cosine of x in -pi/4 … pi/4 (fdlibm's polynomial). */
// @ts-ignore: AssemblyScript's decorator
@inline
function cosineNear0(x: f64): f64 {
  const z = x * x;
  const r = 4.16666666666666019037e-02 +
    z * (-1.38888888888741095749e-03 +
      z * (2.48015872894767294178e-05 +
        z * (-2.75573143513906633035e-07 + z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11))));
  return 1 - 0.5 * z + z * z * r;
}

/** Sine, for quarter = 0, or cosine, for quarter = 1, of 0 … 2^20: of the angle less a multiple of pi/2. */
function sineOf(angle: f64, quarter: i32): f32 {
  const n = nearest(angle * TWO_OVER_PI);
  const x = angle - n * HALF_PI_HIGH - n * HALF_PI_LOW;
  const quarters = (<i32>n + quarter) & 3;
  const value = quarters & 1 ? cosineNear0(x) : sineNear0(x);
  return <f32>(quarters & 2 ? -value : value);
}

/** A value for each of four points from the i-th on. Those beyond the last are computed and not used. */
// @ts-ignore: AssemblyScript's decorator
@inline
function sinesOf(position: i32, i: i32, hs: i32, quarter: i32): v128 {
  let four = f32x4.splat(sineOf(<f64>position * expOfNegative(LOG_10000 * <f64>(2 * i) / <f64>hs), quarter));
  four = f32x4.replace_lane(four, 1, sineOf(<f64>position * expOfNegative(LOG_10000 * <f64>(2 * i + 2) / <f64>hs), quarter));
  four = f32x4.replace_lane(four, 2, sineOf(<f64>position * expOfNegative(LOG_10000 * <f64>(2 * i + 4) / <f64>hs), quarter));
  return f32x4.replace_lane(four, 3, sineOf(<f64>position * expOfNegative(LOG_10000 * <f64>(2 * i + 6) / <f64>hs), quarter));
}

/**
 * Point i of a head has the channels i and i + hs/2; at position past + t it turns by (past + t) / 10000^(2i/hs), or back if
 * `isBackward`. Parts share the positions.
 */
export function rotary(
  part: i32, parts: i32, qkv: usize, B: i32, T: i32, C: i32, NH: i32, past: i32, isBackward: i32,
): void {
  const hs = C / NH;
  const half = <usize>(hs / 2) << 2;
  const end = shareStart(T, 1, part + 1, parts);
  for (let t = shareStart(T, 1, part, parts); t < end; t++) {
    for (let i = 0; i < hs / 2; i += 4) {
      const count = min(4, hs / 2 - i);
      const cosine = sinesOf(past + t, i, hs, 1);
      let sine = sinesOf(past + t, i, hs, 0);
      if (isBackward) sine = f32x4.neg(sine);
      for (let b = 0; b < B; b++) {
        // The heads of the queries, then those of the keys.
        let at = qkv + ((<usize>(b * T + t) * 3 * C + i) << 2);
        for (let h = 0; h < 2 * NH; h++, at += <usize>hs << 2) {
          const x = loadUpTo4(at, count);
          const y = loadUpTo4(at + half, count);
          storeUpTo4(at, f32x4.sub(f32x4.mul(x, cosine), f32x4.mul(y, sine)), count);
          storeUpTo4(at + half, f32x4.add(f32x4.mul(x, sine), f32x4.mul(y, cosine)), count);
        }
      }
    }
  }
}
