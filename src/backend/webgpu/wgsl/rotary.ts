/**
 * Rotary positions. Angles of a million radians need more than float32 has, and WGSL's sine is exact to 2^-11 only. So angles
 * are whole numbers here: fractions of a turn in units of 2^-32, whose multiples wrap where turns do; what remains of one
 * lies within an eighth of a turn around a quarter, for polynomials (Cephes).
 */
import { index, THREADS } from "./snippets.ts";
import type { KernelSource } from "./source.ts";

/** The turns a position of each of a head's hs / 2 points, as pairs of 32 bits: in units of 2^-32, and what remains in 2^-64. */
export function turnsOf(hs: number): Int32Array {
  const turns = new Uint32Array(hs);
  for (let i = 0; i < hs / 2; i++) {
    const units = (2 ** 32 * 10000 ** ((-2 * i) / hs)) / (2 * Math.PI);
    turns[2 * i] = Math.floor(units);
    turns[2 * i + 1] = Math.floor((units % 1) * 2 ** 32);
  }
  return new Int32Array(turns.buffer);
}

/**
 * In rows from p.first on, a thread a point of a query or key, or four next to each other: `half` and `width` count what it
 * has, halves of heads and rows.
 */
export function rotarySource(vectors: boolean): KernelSource {
  const [xe, ye] = vectors ? ["x[e]", "y[e]"] : ["x", "y"];
  return {
    operands: { qkv: vectors ? "w4" : "w", turns: "r" },
    u32: ["n", "T", "width", "half", "past", "first", "isBackward"],
    threads: THREADS,
    declarations: `
fn highHalf(a: u32, b: u32) -> u32 {
  let low = (a & 0xffffu) * (b & 0xffffu);
  let one = (a & 0xffffu) * (b >> 16u);
  let other = (a >> 16u) * (b & 0xffffu);
  let carry = ((low >> 16u) + (one & 0xffffu) + (other & 0xffffu)) >> 16u;
  return (a >> 16u) * (b >> 16u) + (one >> 16u) + (other >> 16u) + carry;
}`,
    body: `let j = ${index()};
if (j >= p.n) { return; }
let row = j / p.width;
let i = (j % p.width) % p.half;
let at = row * 3u * p.width + ((j % p.width) / p.half) * 2u * p.half + i;
let position = p.past + (p.first + row) % p.T;
var x = qkv[at];
var y = qkv[at + p.half];
for (var e = 0u; e < ${vectors ? 4 : 1}u; e++) {
  let point = ${vectors ? "4u * i + e" : "i"};
  let turn = position * bitcast<u32>(turns[2u * point]) + highHalf(position, bitcast<u32>(turns[2u * point + 1u]));
  let quarters = (turn + 0x20000000u) >> 30u;
  let angle = f32(bitcast<i32>(turn - (quarters << 30u))) * ${(2 * Math.PI) / 2 ** 32};
  let z = angle * angle;
  let small = angle + angle * z * (-1.6666654611e-1 + z * (8.3321608736e-3 + z * -1.9515295891e-4));
  let large = 1.0 - 0.5 * z + z * z * (4.166664568298827e-2 + z * (-1.388731625493765e-3 + z * 2.443315711809948e-5));
  var sine = select(small, large, (quarters & 1u) == 1u);
  var cosine = select(large, small, (quarters & 1u) == 1u);
  if (quarters == 2u || quarters == 3u) { sine = -sine; }
  if (quarters == 1u || quarters == 2u) { cosine = -cosine; }
  if (p.isBackward == 1u) { sine = -sine; }
  let before = vec2<f32>(${xe}, ${ye});
  ${xe} = before.x * cosine - before.y * sine;
  ${ye} = before.x * sine + before.y * cosine;
}
qkv[at] = x;
qkv[at + p.half] = y;`,
  };
}
