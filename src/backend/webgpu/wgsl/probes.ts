/** Micro-kernels that measure a GPU: multiply-adds without memory access, memory access without arithmetic, nothing. */
import { each, index, THREADS } from "./snippets.ts";
import type { KernelSource } from "./source.ts";

/** Vectors of four per thread: independent sums, as many as a GPU needs to have its latencies hidden. */
const SUMS = 8;

/** Floating-point operations of a thread in one round: a multiplication and an addition for each element of a sum. */
export const FMA_PER_ROUND = SUMS * 4 * 2;

/** p.rounds of multiply-adds in every thread. What they come to is read by nobody, but no compiler knows. */
export const fmaSource: KernelSource = {
  operands: { out: "w4" },
  u32: ["rounds"],
  f32: ["factor", "summand"],
  threads: THREADS,
  body: `let f = vec4<f32>(p.factor);
let s = vec4<f32>(p.summand);
${each(SUMS, (i) => `var a${i} = vec4<f32>(f32(thread + ${i}u));`)}
for (var round = 0u; round < p.rounds; round++) {
${each(SUMS, (i) => `  a${i} = fma(a${i}, f, s);`)}
}
let total = ${Array.from({ length: SUMS }, (_, i) => `a${i}`).join(" + ")};
if (total.x == -1.0) { out[0] = total; }`,
};

const stream = (operands: KernelSource["operands"], line: string): KernelSource => ({
  operands,
  u32: ["n"],
  threads: THREADS,
  body: `let i = ${index()};\nif (i < p.n) { ${line} }`,
});

export const copySource = stream({ out: "w4", inp: "r4" }, "out[i] = inp[i];");

export const triadSource = stream({ out: "w4", a: "r4", b: "r4" }, "out[i] = a[i] + 0.5 * b[i];");

/** inp holds no -1, so nothing is written. */
export const readSource = stream(
  { out: "w4", inp: "r4" },
  "let x = inp[i]; if (x.x + x.y + x.z + x.w == -1.0) { out[0] = x; }",
);

export const nothingSource: KernelSource = {
  operands: { out: "w4" },
  u32: ["n"],
  threads: THREADS,
  body: "if (p.n == 1u) { out[0] = vec4<f32>(1.0); }",
};
