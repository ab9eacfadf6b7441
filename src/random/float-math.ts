/**
 * Logarithm, sine and cosine in single precision, to the bit as PyTorch computes them for normal numbers on x86
 * (avx_mathfun.h, compiled with fused multiply-add). The method and its coefficients are those of Cephes (Moshier).
 *
 * With numbers that already are floats, a product is exact in double precision, so rounding product plus sum once to
 * a float is a fused multiply-add, but for one case in 2^29 in which double precision itself has to round to a tie.
 */
const round = Math.fround;

function fma(a: number, b: number, c: number): number {
  return round(a * b + c);
}

/** ln 2 in two parts, of which the larger has few digits, so that its multiples are exact. */
const LN2_HIGH = 0.693359375;
const LN2_LOW = round(-2.1219444e-4);
const SQRT_HALF = round(Math.SQRT1_2);
const LOG = [
  7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
  2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
].map(round);
const [l0, l1, l2, l3, l4, l5, l6, l7, l8] = LOG;

const float = new Float32Array(1);
const bits = new Int32Array(float.buffer);

/** ln x, for normal floats above 0: x is brought between sqrt(1/2) and sqrt(2), the remainder is a multiple of ln 2. */
export function logFloat(value: number): number {
  float[0] = value;
  let exponent = (bits[0] >>> 23) - 126;
  bits[0] = (bits[0] & 0x7fffff) | 0x3f000000;
  let x = float[0];
  if (x < SQRT_HALF) {
    exponent--;
    x = round(round(x - 1) + x);
  } else x = round(x - 1);
  const z = round(x * x);
  let y = fma(fma(fma(fma(l0, x, l1), x, l2), x, l3), x, l4);
  y = fma(fma(fma(fma(y, x, l5), x, l6), x, l7), x, l8);
  y = fma(round(y * x), z, round(exponent * LN2_LOW));
  y = round(y - z * 0.5);
  return fma(exponent, LN2_HIGH, round(x + y));
}

const FOUR_OVER_PI = round(4 / Math.PI);
/** -pi/4 in three parts, for the same reason as ln 2. */
const [p1, p2, p3] = [-0.78515625, -2.4187564849853516e-4, -3.774894977445941e-8].map(round);
const [s0, s1, s2] = [-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1].map(round);
const [c0, c1, c2] = [2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2].map(round);

/** Puts the sine and the cosine of an angle from 0 to 8192 into `out`. */
export function sinCosFloat(angle: number, out: { sine: number; cosine: number }): void {
  // The angle less an even number of eighths of a turn lies between -pi/4 and pi/4.
  const eighths = (round(angle * FOUR_OVER_PI) + 1) & ~1;
  const x = fma(p3, eighths, fma(p2, eighths, fma(p1, eighths, angle)));
  const z = round(x * x);
  const cosine = round(fma(round(fma(fma(c0, z, c1), z, c2) * z), z, -0.5 * z) + 1);
  const sine = fma(round(fma(fma(s0, z, s1), z, s2) * z), x, x);
  // Every quarter turn swaps the two; which are negative depends on the quarter.
  const swapped = (eighths & 2) !== 0;
  const s = swapped ? cosine : sine;
  const c = swapped ? sine : cosine;
  out.sine = (eighths & 4) !== 0 ? -s : s;
  out.cosine = ((eighths - 2) & 4) === 0 ? -c : c;
}
