/** Products of few rows, as in decoding, from dot products. */
import { each } from "./snippets.ts";
import type { KernelSource } from "./source.ts";

/** Up to this many rows, a product is made of dot products. */
export const FEW_ROWS = 4;

/** Threads that share one column of the dot products, and columns of a workgroup. */
const LANES = 16;
export const DOT_COLUMNS = 64 / LANES;

/**
 * Decoding: out (R,OC) = inp (R,C) weight (OC,C)ᵀ + bias for few rows R. Weights are read once, each column's by 16 threads,
 * whose sums are added in order.
 */
export function dotsSource(R: number, vectors: boolean, bias: boolean): KernelSource {
  const access = vectors ? "r4" : "r";
  const T = vectors ? "vec4<f32>" : "f32";
  const horizontal = (x: string) => (vectors ? `(${x}.x + ${x}.y) + (${x}.z + ${x}.w)` : x);
  return {
    operands: { out: "w", inp: access, weight: access, ...(bias ? { bias: "r" as const } : {}) },
    // C counts vectors, if rows are read so.
    u32: ["C", "OC", "stride"],
    threads: 64,
    declarations: `var<workgroup> sums: array<f32, ${64 * R}>;`,
    body: `let column = (group.y * groups.x + group.x) * ${DOT_COLUMNS}u + thread / ${LANES}u;
let lane = thread % ${LANES}u;
${each(R, (r) => `var s${r} = ${T}();`)}
if (column < p.OC) {
  for (var k = lane; k < p.C; k += ${LANES}u) {
    let w = weight[column * p.C + k];
${each(R, (r) => `s${r} += inp[${r}u * p.C + k] * w;`)}
  }
}
${each(R, (r) => `sums[${64 * r}u + thread] = ${horizontal(`s${r}`)};`)}
workgroupBarrier();
if (lane < ${R}u && column < p.OC) {
  var s = 0.0;
  for (var i = 0u; i < ${LANES}u; i++) { s += sums[lane * 64u + (thread / ${LANES}u) * ${LANES}u + i]; }
  out[lane * p.stride + column] = s${bias ? " + bias[column]" : ""};
}`,
  };
}
