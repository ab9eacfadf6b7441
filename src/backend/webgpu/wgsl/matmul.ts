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
import { BackendError } from "../../../errors.ts";
import { isHalf, isMatrix, type MatrixTileName, type TileName } from "../tile-names.ts";
import {
  type MatrixUnit,
  type Multiplication,
  matrices,
  matrixTile,
  type Tile,
  type VectorTile,
  vectors,
} from "./multiply.ts";
import type { KernelSource } from "./source.ts";

/** All take at most half of the workgroup memory that every adapter has, 16 KiB. */
const tiles: Readonly<Record<Exclude<TileName, MatrixTileName>, VectorTile>> = {
  "32x32": { BM: 32, BN: 32, BK: 16, TM: 4, TN: 4 },
  "64x64": { BM: 64, BN: 64, BK: 16, TM: 8, TN: 8 },
  "64x64-4x4": { BM: 64, BN: 64, BK: 16, TM: 4, TN: 4 },
  "128x64": { BM: 128, BN: 64, BK: 8, TM: 8, TN: 8 },
  "128x128": { BM: 128, BN: 128, BK: 8, TM: 8, TN: 8 },
  "64x64-f16": { BM: 64, BN: 64, BK: 16, TM: 8, TN: 8 },
};

/** `unit`: the adapter's, for matrices. */
export function tileOf(name: TileName, unit?: MatrixUnit): Tile {
  return isMatrix(name) ? matrixTile(requireUnit(name, unit)) : tiles[name];
}

function requireUnit(name: TileName, unit: MatrixUnit | undefined): MatrixUnit {
  if (!unit) throw new BackendError(`The kernel ${name} needs an adapter that was opened for it.`);
  return unit;
}

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
 * and `splitStride`, how far apart their results are in C. In float16 A is multiplied by `scale`, and the sums by `unscale`.
 * `unit`: for matrices, the size of one.
 */
export function matmulSource(name: TileName, form: MatmulForm, unit?: MatrixUnit): KernelSource {
  const { BM, BN, BK } = tileOf(name, unit);
  const { kInnerA, kInnerB, vectorsA, vectorsB, vectorsC, bias } = form;
  const half = isHalf(name);
  const elements = half ? "f16" : "f32";
  const of = isMatrix(name) ? matrices(requireUnit(name, unit), elements) : vectors(tiles[name], elements);
  const access = (yes: boolean) => (yes ? ("r4" as const) : ("r" as const));
  return {
    operands: {
      C: vectorsC ? "w4" : "w",
      A: access(vectorsA),
      B: access(vectorsB),
      ...(bias ? { bias: "r" as const } : {}),
    },
    u32: ["M", "N", "K", "strideA", "strideB", "strideC", "accumulate", "kSplit", "splitStride"],
    f32: half ? ["scale", "unscale"] : [],
    threads: of.threads,
    directives: [...(half ? ["enable f16"] : []), ...of.directives],
    declarations: `${of.declarations}
${loader("A", kInnerA, vectorsA, "M")}
${loader("B", kInnerB, vectorsB, "N")}`,
    body: `let m0 = group.y * ${BM}u;
let n0 = group.x * ${BN}u;
let kEnd = min(p.K, (group.z + 1u) * p.kSplit);
${of.begin}
for (var k0 = group.z * p.kSplit; k0 < kEnd; k0 += ${BK}u) {
${stage("A", kInnerA, [BM / 4, BK / 4], half ? "p.scale * " : "", "m0", of)}
${stage("B", kInnerB, [BN / 4, BK / 4], "", "n0", of)}
  workgroupBarrier();
${of.multiply}
  workgroupBarrier();
}
${of.end(store(vectorsC, bias, half ? "p.unscale * sum" : "sum"))}`,
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
function stage(
  name: "A" | "B",
  kInner: boolean,
  [R4, K4]: readonly [number, number],
  factor: string,
  origin: string,
  { threads, put }: Multiplication,
): string {
  // Neighbouring threads read neighbouring memory.
  const [r4, k4] = kInner ? [`b / ${K4}u`, `b % ${K4}u`] : [`b % ${R4}u`, `b / ${R4}u`];
  return `for (var b = thread; b < ${R4 * K4}u; b += ${threads}u) {
  let r4 = ${r4};
  let k4 = ${k4};
  let r = ${origin} + r4 * 4u;
  let k = k0 + k4 * 4u;
  var block: mat4x4<f32>;
  for (var i = 0u; i < 4u; i++) { block[i] = ${factor}load${name}(${kInner ? "r + i, k" : "r, k + i"}, kEnd); }
  ${kInner ? "block = transpose(block);" : ""}
  for (var i = 0u; i < 4u; i++) { ${put(name, `(k4 * 4u + i) * ${R4}u + r4`)} }
}`;
}

/** Puts `value`, four elements of C from (r, c) on, to `at`. */
function store(vectors: boolean, bias: boolean, value: string): string {
  if (vectors)
    return `if (c < p.N) {
  var v = ${value};
  ${bias ? "for (var e = 0u; e < 4u; e++) { v[e] += bias[c + e]; }" : ""}
  if (p.accumulate == 1u) { v += C[at / 4u]; }
  C[at / 4u] = v;
}`;
  return `let values = ${value};
for (var e = 0u; e < 4u && c + e < p.N; e++) {
  var v = values[e]${bias ? " + bias[c + e]" : ""};
  if (p.accumulate == 1u) { v += C[at + e]; }
  C[at + e] = v;
}`;
}
