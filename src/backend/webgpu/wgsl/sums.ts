/** Sums over all elements, in pairs of floats whose sum is the result: some 46 bits, where a GPU has no double precision. */

import { groupIndex, THREADS } from "./snippets.ts";
import type { KernelSource } from "./source.ts";

/** Elements that one workgroup adds up. */
export const CHUNK = 16_384;

/**
 * Error-free transformations: Knuth's sum, and Dekker's product with Veltkamp's split. `opaque` returns its argument by way
 * of its bits and a parameter that is always 0, so that no compiler simplifies the error terms away.
 */
const pairs = `fn opaque(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) ^ p.zero); }
fn add(a: vec2<f32>, b: f32) -> vec2<f32> {
  let s = opaque(a.x + b);
  let t = opaque(s - a.x);
  let e = opaque(a.x - opaque(s - t)) + opaque(b - t);
  return vec2<f32>(s, a.y + e);
}
fn addSquare(a: vec2<f32>, x: f32) -> vec2<f32> {
  let c = opaque(4097.0 * x);
  let h = opaque(c - opaque(c - x));
  let l = opaque(x - h);
  let q = opaque(x * x);
  let e = opaque(opaque(opaque(h * h) - q) + opaque(2.0 * opaque(h * l))) + opaque(l * l);
  let s = add(a, q);
  return vec2<f32>(s.x, s.y + e);
}
var<workgroup> shared_: array<vec2<f32>, ${THREADS}>;
fn total(thread: u32, x: vec2<f32>) -> vec2<f32> {
  shared_[thread] = x;
  workgroupBarrier();
  for (var half = ${THREADS / 2}u; half > 0u; half >>= 1u) {
    if (thread < half) { let other = shared_[thread + half]; var s = add(shared_[thread], other.x); s.y += other.y; shared_[thread] = s; }
    workgroupBarrier();
  }
  return shared_[0];
}`;

/** part (2 floats a chunk, from chunk p.first on): the sum of each chunk of inp (p.n), or of its squares. */
export const chunkSumsSource = (squares: boolean): KernelSource => ({
  operands: { part: "w", inp: "r" },
  u32: ["n", "first", "zero"],
  threads: THREADS,
  declarations: pairs,
  body: `let chunk = ${groupIndex};
var s = vec2<f32>();
for (var j = thread; j < ${CHUNK}u; j += ${THREADS}u) {
  let i = chunk * ${CHUNK}u + j;
  if (i < p.n) { s = ${squares ? "addSquare" : "add"}(s, inp[i]); }
}
s = total(thread, s);
if (thread == 0u && chunk * ${CHUNK}u < p.n) {
  part[2u * (p.first + chunk)] = s.x;
  part[2u * (p.first + chunk) + 1u] = s.y;
}`,
});

/** out (1) = the sum of all p.n chunks, over p.divisor. */
export const combineSource: KernelSource = {
  operands: { out: "w", part: "r" },
  u32: ["n", "zero"],
  f32: ["divisor"],
  threads: THREADS,
  declarations: pairs,
  body: `var s = vec2<f32>();
for (var i = thread; i < p.n; i += ${THREADS}u) { s = add(s, part[2u * i]); s.y += part[2u * i + 1u]; }
s = total(thread, s);
if (thread == 0u) { out[0] = (s.x + s.y) / p.divisor; }`,
};
