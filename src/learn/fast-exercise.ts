import type { Exercise } from "./exercise.ts";
import { forwardExercises, matmulCase } from "./forward-exercises.ts";

const matmul = forwardExercises.find(({ name }) => name === "matmul");
if (!matmul) throw new Error("there is an exercise matmul");

/**
 * Sizes of the measured matmul: the first of GPT-2's MLP, for few positions, since the slow start takes seconds. A column of its
 * output has its elements 3 x 4,096 bytes apart, which evict each other from the first cache.
 */
export const measured = { N: 96, C: 768, OC: 3072 } as const;

/**
 * How many times as fast the function should become: the order of the loops makes it 6 times, a tile 15, on Node 20 8 or 9 times
 * (docs/LOG.md).
 */
export const goal = 10;

/** The function as it is given: right, and slow. */
export const slowLines: readonly string[] = [
  "const out = new Float32Array(N * OC);",
  "for (let c = 0; c < C; c++)",
  "  for (let o = 0; o < OC; o++)",
  "    for (let n = 0; n < N; n++) out[n * OC + o] += inp[n * C + c] * weight[o * C + c];",
  "for (let n = 0; n < N; n++) for (let o = 0; o < OC; o++) out[n * OC + o] += bias[o];",
  "return out;",
];

export const fastExercise: Exercise = {
  ...matmul,
  id: "16-fast-matmul",
  title: "The same result, ten times as fast",
  text: [
    "This matmul is right and slow. Make it fast: the check measures yours beside it, on this machine, with",
    `N ${measured.N}, C ${measured.C}, OC ${measured.OC}: the first matmul of GPT-2's MLP. Any order of the sum is right within rounding.`,
    "",
    "Then let 15-train import matmul from here.",
  ],
  hints: [
    "Memory first: the innermost loop walks down two columns, a row's length apart at each step; in out that is 3 x 4,096 bytes, a step at which numbers evict each other from the cache. Let the innermost loop be over c, where inp and weight are both read in order.",
    "Then writing: keep the sum in a variable, and write out[n * OC + o] once.",
    "Then reuse: compute four rows times four outputs at once, in sixteen variables. Each number that is read takes part in four multiplications. Sizes need not be multiples of four: finish the rest with the simple loop.",
    "Each addition waits for the one before, but sixteen sums do not wait for each other. Leave the arithmetic in double precision: Math.fround around every product and sum makes it slower here.",
    "docs/learn/15-fast-and-big.md continues from there: vectors of four (WebAssembly SIMD), packing, cache blocks, threads.",
  ],
  cases: () => [...matmul.cases(), matmulCase(13, 13, 21, 17), matmulCase(8, 8, 16, 12)],
};

/** The measured call. */
export function measuredCase() {
  return matmulCase(measured.N, measured.N, measured.C, measured.OC);
}
