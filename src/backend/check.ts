/**
 * Start-up check of a backend. The code that engines and drivers generate for kernels depends on their version, flags and
 * the processor, so every new backend computes a few small cases of the suite, and is refused if its results differ from
 * the reference backend's. Those of mixed precision are computed when it is first asked for (`Backend.selfCheck`).
 *
 * In Node the checked code is the code that runs later, optimised already. A browser, and a Node whose flags cannot be used,
 * optimises it after some calls, by its ordinary compiler: nothing experimental is enabled there.
 */

import { takeTurns } from "../turns.ts";
import type { Backend } from "./backend.ts";
import { createReferenceBackend } from "./reference/reference.ts";
import * as cases from "./suite/cases.ts";
import { problemsOf, type Results, runCase, runCases } from "./suite/run.ts";

/**
 * N, C and OC of the matmuls. The first has whole tiles of every size and the ends of rows and columns behind them;
 * the second is deeper than one block of k; the third has the few rows of decoding, which no tile computes.
 */
const shapes = [
  [31, 45, 43],
  [7, 401, 19],
  [2, 37, 11],
] as const;

const matmuls = shapes.flatMap(([N, C, OC]) => [
  cases.matmulForward(N, C, OC),
  cases.matmulBackwardInput(N, C, OC),
  cases.matmulBackwardWeight(N, C, OC, true),
]);
/** Weights that are read in place by few rows, and widened for many, there and back; the embedding. */
const narrow = (["bf16", "int8"] as const).flatMap((weights) => [
  cases.matmulForward(2, 64, 11, true, weights),
  cases.matmulForward(29, 64, 11, true, weights),
  cases.matmulBackwardInput(29, 64, 11, weights),
  cases.embedding(2, 3, 64, 0, weights),
]);

const others = [
  cases.embedding(2, 11, 24),
  cases.layernorm(22, 27, true),
  cases.rmsnorm(22, 27, true),
  cases.rotary(2, 11, 2, 12),
  cases.attention(2, 11, 2, 12),
  cases.gelu(77, "tanh"),
  cases.gelu(77, "erf"),
  cases.residual(77),
  cases.addScaled(77),
  cases.head(22, 24, 45, 48, false),
  cases.head(22, 24, 45, 48, true, 22, true),
  cases.reductions(77),
  cases.adamw(77),
];

/** Mixed precision, in the types that a training step's operands have. */
const mixed = [
  cases.inBfloat16(cases.matmulForward(29, 72, 48), "out", "x", "w"),
  cases.inBfloat16(cases.matmulBackwardInput(29, 72, 48), "dx", "dout", "w"),
  cases.inBfloat16(cases.matmulBackwardInput(29, 72, 48), "dx", "w"),
  cases.inBfloat16(cases.matmulBackwardWeight(29, 72, 48, true), "dout", "x"),
  cases.inBfloat16(cases.matmulBackwardWeight(29, 72, 48, true), "x"),
  cases.inBfloat16(cases.layernorm(22, 24, true), "out", "dout"),
  cases.inBfloat16(cases.rmsnorm(22, 24, true), "out", "dout"),
  cases.inBfloat16(cases.rotary(2, 11, 2, 8), "qkv", "dqkv"),
  cases.inBfloat16(cases.attention(2, 11, 2, 8), "out", "lean", "qkv", "dout", "dqkv"),
  cases.geluInBfloat16(72, "tanh"),
  cases.geluInBfloat16(72, "erf"),
  cases.residualInBfloat16(72),
  cases.inBfloat16(cases.head(22, 24, 45, 48, true, 22, true), "dx", "x", "wte"),
  cases.adamwCopy(72),
];

/** Rounding stays far below this in sums as small as these. Wrong code does not. */
const tolerance = 1e-4;

/**
 * Of matmuls of float16: rounding a factor changes a product by up to 2^-11, which over 401 products of numbers below 1 adds up
 * to 0.002 (root mean square).
 */
const halfTolerance = 2 ** -7;

/** Problems with the matmuls of the selected tile; undefined if there are none. */
export function problemOfMatmuls(backend: Backend): Promise<string | undefined> {
  return problemOf([...matmuls, ...narrow], backend);
}

/** Problems with the other operations; undefined if there are none. */
export function problemOfOthers(backend: Backend): Promise<string | undefined> {
  return problemOf(others, backend);
}

/** Problems with mixed precision, on a backend that has it; undefined if there are none. */
export function problemOfMixed(backend: Backend): Promise<string | undefined> {
  return problemOf(mixed, backend);
}

/** Runs every operation once, ignoring the results. */
export async function runOperations(backend: Backend): Promise<void> {
  await runCases(backend, casesFor(backend, [...matmuls, ...narrow, ...others]));
}

function casesFor({ weightTypes }: Backend, all: readonly cases.Case[]): cases.Case[] {
  return all.filter(({ weights = "f32" }) => weightTypes.includes(weights));
}

async function problemOf(all: readonly cases.Case[], backend: Backend): Promise<string | undefined> {
  const chosen = casesFor(backend, all);
  const [results, expected] = await Promise.all([resultsOf(backend, chosen), expectedOf(chosen)]);
  const least = backend.promises.halfMatmuls ? halfTolerance : tolerance;
  const wrong = new Set(chosen.flatMap((one, i) => problemsOf(one, results[i], expected[i], least)));
  return wrong.size === 0 ? undefined : `wrong result of ${[...wrong].join(", ")}`;
}

/** All cases, without waiting for one before the next: a GPU compiles their kernels side by side. */
async function resultsOf(backend: Backend, chosen: readonly cases.Case[]): Promise<Results[]> {
  const turn = takeTurns();
  const results: Promise<Results>[] = [];
  for (const one of chosen) {
    const result = runCase(backend, one);
    result.catch(() => {}); // awaited below
    results.push(result);
    await turn();
  }
  return Promise.all(results);
}

const expectations = new Map<cases.Case, Results>();

/** The reference's results, computed once. */
async function expectedOf(chosen: readonly cases.Case[]): Promise<Results[]> {
  const missing = chosen.filter((one) => !expectations.has(one));
  const results = await resultsOf(createReferenceBackend(), missing);
  for (const [i, one] of missing.entries()) expectations.set(one, results[i]);
  return chosen.flatMap((one) => expectations.get(one) ?? []);
}
