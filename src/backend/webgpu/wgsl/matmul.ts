/**
 * Kernels of the matrix product C (M,N) = A B, one generator for all forms: forward (A and B with k contiguous), gradient of
 * the input (A with k contiguous) and of the weight (neither).
 *
 *          n0 … n0+BN                 A workgroup computes BM x BN elements of C, each thread TM x TN of them. For every
 *         ┌──────────┐                BK of K it loads a tile of A and one of B into workgroup memory, k-major, in vectors
 *         │  B tile  │ BK             of four rows or columns; then each thread multiplies TM/4 vectors of A by TN/4 of B,
 *         └──────────┘                which lie apart by the whole workgroup's width, so that neighbouring threads read
 *   ┌──┐  ┌──────────┐                neighbouring vectors.
 *   │A │  │  ▒▒      │
 *   │  │  │  ▒▒ TMxTN│ BM            Loops over 4, TM and TN/4 have constant bounds, which drivers unroll; what is in the
 *   └──┘  └──────────┘                innermost loop is unrolled here.
 *    BK
 */
import type { TileName } from "../tile-names.ts";
import { each } from "./snippets.ts";
import type { KernelSource } from "./source.ts";

interface Tile {
  readonly BM: number;
  readonly BN: number;
  readonly BK: number;
  readonly TM: number;
  readonly TN: number;
}

/** All take at most half of the workgroup memory that every adapter has, 16 KiB. */
export const tiles: Readonly<Record<TileName, Tile>> = {
  "32x32": { BM: 32, BN: 32, BK: 16, TM: 4, TN: 4 },
  "64x64": { BM: 64, BN: 64, BK: 16, TM: 8, TN: 8 },
  "64x64-4x4": { BM: 64, BN: 64, BK: 16, TM: 4, TN: 4 },
  "128x64": { BM: 128, BN: 64, BK: 8, TM: 8, TN: 8 },
  "128x128": { BM: 128, BN: 128, BK: 8, TM: 8, TN: 8 },
};

export interface MatmulForm {
  /** A is stored (M,K), else (K,M); B is stored (N,K), else (K,N). */
  readonly kInnerA: boolean;
  readonly kInnerB: boolean;
  /** Which operands can be read or written in vectors of four along their contiguous dimension. */
  readonly vectorsA: boolean;
  readonly vectorsB: boolean;
  readonly vectorsC: boolean;
  readonly bias: boolean;
}

export function matmulKey(tile: TileName, form: MatmulForm): string {
  const { kInnerA, kInnerB, vectorsA, vectorsB, vectorsC, bias } = form;
  const flags = [kInnerA, kInnerB, vectorsA, vectorsB, vectorsC, bias].map(Number).join("");
  return `matmul ${tile} ${flags}`;
}

/**
 * Parameters: M, N, K; the rows' distances in A, B and C; `accumulate`; `kSplit`, how much of K each workgroup in z takes,
 * and `splitStride`, how far apart their results are in C.
 */
export function matmulSource(name: TileName, form: MatmulForm): KernelSource {
  const { BM, BN, BK, TM, TN } = tiles[name];
  const { kInnerA, kInnerB, vectorsA, vectorsB, vectorsC, bias } = form;
  const [across, down] = [BN / TN, BM / TM];
  const threads = across * down;
  const [M4, N4] = [BM / 4, BN / 4];
  const vectors = (yes: boolean) => (yes ? ("r4" as const) : ("r" as const));
  return {
    operands: {
      C: vectorsC ? "w4" : "w",
      A: vectors(vectorsA),
      B: vectors(vectorsB),
      ...(bias ? { bias: "r" as const } : {}),
    },
    u32: ["M", "N", "K", "strideA", "strideB", "strideC", "accumulate", "kSplit", "splitStride"],
    threads,
    declarations: `var<workgroup> tileA: array<vec4<f32>, ${BK * M4}>;
var<workgroup> tileB: array<vec4<f32>, ${BK * N4}>;
${loader("A", kInnerA, vectorsA, "M")}
${loader("B", kInnerB, vectorsB, "N")}`,
    body: `let tx = thread % ${across}u;
let ty = thread / ${across}u;
let m0 = group.y * ${BM}u;
let n0 = group.x * ${BN}u;
let kEnd = min(p.K, (group.z + 1u) * p.kSplit);
var sums: array<array<vec4<f32>, ${TN / 4}>, ${TM}>;
for (var k0 = group.z * p.kSplit; k0 < kEnd; k0 += ${BK}u) {
${stage("A", kInnerA, M4, BK / 4, threads, "m0")}
${stage("B", kInnerB, N4, BK / 4, threads, "n0")}
  workgroupBarrier();
  for (var kk = 0u; kk < ${BK}u; kk++) {
${each(TM / 4, (g) => `let a${g} = tileA[kk * ${M4}u + ty + ${g * down}u];`)}
${each(TN / 4, (g) => `let b${g} = tileB[kk * ${N4}u + tx + ${g * across}u];`)}
${each(TM, (i) => each(TN / 4, (j) => `sums[${i}][${j}] += a${i >> 2}[${i & 3}] * b${j};`))}
  }
  workgroupBarrier();
}
for (var i = 0u; i < ${TM}u; i++) {
  let r = m0 + (ty + (i / 4u) * ${down}u) * 4u + i % 4u;
  if (r >= p.M) { continue; }
  for (var j = 0u; j < ${TN / 4}u; j++) {
    let c = n0 + (tx + j * ${across}u) * 4u;
    let at = group.z * p.splitStride + r * p.strideC + c;
    let sum = sums[i][j];
${store(vectorsC, bias)}
  }
}`,
  };
}

/** load(r, k): four numbers along the contiguous dimension, from row r of A (column of B) and k; zero outside. */
function loader(name: "A" | "B", kInner: boolean, vectors: boolean, size: "M" | "N"): string {
  const [outer, inner] = kInner ? ["r", "k"] : ["k", "r"];
  const [outerEnd, innerEnd] = kInner ? [`p.${size}`, "kEnd"] : ["kEnd", `p.${size}`];
  const at = `${outer} * p.stride${name} + ${inner}`;
  const body = vectors
    ? `if (${outer} >= ${outerEnd} || ${inner} >= ${innerEnd}) { return vec4<f32>(); }
  return ${name}[(${at}) / 4u];`
    : `var v = vec4<f32>();
  if (${outer} >= ${outerEnd}) { return v; }
  for (var e = 0u; e < 4u; e++) { if (${inner} + e < ${innerEnd}) { v[e] = ${name}[${at} + e]; } }
  return v;`;
  return `fn load${name}(r: u32, k: u32, kEnd: u32) -> vec4<f32> {\n  ${body}\n}`;
}

/** All threads together bring a tile into workgroup memory, in blocks of 4 x 4, transposed where k is contiguous. */
function stage(name: "A" | "B", kInner: boolean, R4: number, K4: number, threads: number, origin: string): string {
  // Neighbouring threads read neighbouring memory.
  const [r4, k4] = kInner ? [`b / ${K4}u`, `b % ${K4}u`] : [`b % ${R4}u`, `b / ${R4}u`];
  return `for (var b = thread; b < ${R4 * K4}u; b += ${threads}u) {
  let r4 = ${r4};
  let k4 = ${k4};
  let r = ${origin} + r4 * 4u;
  let k = k0 + k4 * 4u;
  var block: mat4x4<f32>;
  for (var i = 0u; i < 4u; i++) { block[i] = load${name}(${kInner ? "r + i, k" : "r, k + i"}, kEnd); }
  ${kInner ? "block = transpose(block);" : ""}
  for (var i = 0u; i < 4u; i++) { tile${name}[(k4 * 4u + i) * ${R4}u + r4] = block[i]; }
}`;
}

/** Puts `sum`, four elements of C from (r, c) on, to `at`. */
function store(vectors: boolean, bias: boolean): string {
  if (vectors)
    return `if (c < p.N) {
  var v = sum;
  ${bias ? "for (var e = 0u; e < 4u; e++) { v[e] += bias[c + e]; }" : ""}
  if (p.accumulate == 1u) { v += C[at / 4u]; }
  C[at / 4u] = v;
}`;
  return `for (var e = 0u; e < 4u && c + e < p.N; e++) {
  var v = sum[e]${bias ? " + bias[c + e]" : ""};
  if (p.accumulate == 1u) { v += C[at + e]; }
  C[at + e] = v;
}`;
}
