/** The two ways in which a workgroup multiplies tiles of A and B in its memory. */
import { each } from "./snippets.ts";

/** A workgroup's part of C, BM x BN, and of K. */
export interface Tile {
  readonly BM: number;
  readonly BN: number;
  readonly BK: number;
}

/** With a thread's part of C, TM x TN. */
export interface VectorTile extends Tile {
  readonly TM: number;
  readonly TN: number;
}

/** WGSL of one of them, for the loops that all matmuls have (matmul.ts). */
export interface Multiplication {
  readonly threads: number;
  readonly directives: readonly string[];
  readonly declarations: string;
  /** In front of the loop over K. */
  readonly begin: string;
  /** Puts `block[i]`, four rows or columns of A or B at one k, to vector `at` of a tile. */
  put(name: "A" | "B", at: string): string;
  /** Multiplies the two tiles. */
  readonly multiply: string;
  /** Calls `storing` with `r`, `c` and `at`, row, column and place in C, and with `sum`, the four elements from there on. */
  end(storing: string): string;
}

/** Each thread multiplies TM/4 vectors of A by TN/4 of B, which lie apart by the whole workgroup's width. */
export function vectors({ BM, BN, BK, TM, TN }: VectorTile, elements: "f16" | "f32"): Multiplication {
  const [across, down] = [BN / TN, BM / TM];
  const [M4, N4] = [BM / 4, BN / 4];
  const read = (vector: string) => (elements === "f16" ? `vec4<f32>(${vector})` : vector);
  return {
    threads: across * down,
    directives: [],
    declarations: `var<workgroup> tileA: array<vec4<${elements}>, ${BK * M4}>;
var<workgroup> tileB: array<vec4<${elements}>, ${BK * N4}>;`,
    begin: `let tx = thread % ${across}u;
let ty = thread / ${across}u;
var sums: array<array<vec4<f32>, ${TN / 4}>, ${TM}>;`,
    put: (name, at) => `tile${name}[${at}] = ${elements === "f16" ? "vec4<f16>(block[i])" : "block[i]"};`,
    multiply: `  for (var kk = 0u; kk < ${BK}u; kk++) {
${each(TM / 4, (g) => `let a${g} = ${read(`tileA[kk * ${M4}u + ty + ${g * down}u]`)};`)}
${each(TN / 4, (g) => `let b${g} = ${read(`tileB[kk * ${N4}u + tx + ${g * across}u]`)};`)}
${each(TM, (i) => each(TN / 4, (j) => `sums[${i}][${j}] += a${i >> 2}[${i & 3}] * b${j};`))}
  }`,
    end: (storing) => `for (var i = 0u; i < ${TM}u; i++) {
  let r = m0 + (ty + (i / 4u) * ${down}u) * 4u + i % 4u;
  if (r >= p.M) { continue; }
  for (var j = 0u; j < ${TN / 4}u; j++) {
    let c = n0 + (tx + j * ${across}u) * 4u;
    let at = group.z * p.splitStride + r * p.strideC + c;
    let sum = sums[i][j];
${storing}
  }
}`,
  };
}

/** The size of an adapter's matrices, and the threads of a subgroup, at most. */
export interface MatrixUnit {
  readonly M: number;
  readonly N: number;
  readonly K: number;
  readonly lanes: number;
}

/** Subgroups that share a tile. */
export const SUBGROUPS = 4;

/** The tile of a workgroup that has two by two matrices in each of its subgroups. */
export function matrixTile({ M, N, K }: MatrixUnit): Tile {
  return { BM: 4 * M, BN: 4 * N, BK: Math.max(16, K) };
}

/**
 * By the GPU's matrix units: four subgroups have a quarter of the tile each, as 2 x 2 matrices of the adapter's size that are
 * spread over the subgroup's threads.
 *
 *        BN
 *   ┌────┬────┐   subgroup 0 │ 1        For every K of the tiles a subgroup loads two left matrices and two right ones from
 *   │▒▒  │    │   ───────────┼──        workgroup memory, and multiplies each with each. Results go through workgroup memory,
 *   ├────┼────┤ BM         2 │ 3        a matrix of each subgroup at a time, since C has bounds, a bias and types of its own.
 *   │    │    │
 *   └────┴────┘   ▒: M x N
 *
 * Language: Dawn's chromium_experimental_subgroup_matrix, docs/dawn/features/subgroup_matrix.md in its repository.
 */
export function matrices(unit: MatrixUnit, elements: "f16" | "f32"): Multiplication {
  const { M, N, K, lanes } = unit;
  const { BM, BN, BK } = matrixTile(unit);
  const quarter = (M * N) / 4; // vectors of four in a result
  const left = `subgroup_matrix_left<${elements}, ${K}, ${M}>`;
  const right = `subgroup_matrix_right<${elements}, ${N}, ${K}>`;
  return {
    threads: SUBGROUPS * lanes,
    directives: [
      "enable subgroups",
      "enable chromium_experimental_subgroup_matrix",
      "diagnostic(off, chromium.subgroup_matrix_uniformity)", // a whole subgroup takes a branch that depends on its number
    ],
    declarations: `var<workgroup> tileA: array<${elements}, ${BK * BM}>;
var<workgroup> tileB: array<${elements}, ${BK * BN}>;
var<workgroup> results: array<f32, ${SUBGROUPS * M * N}>;`,
    // Where subgroups are smaller than they can be, there are more than four: the rest only brings tiles.
    begin: `let subgroup = thread / subgroupSize;
let row0 = (subgroup / 2u) * ${BM / 2}u;
let column0 = (subgroup % 2u) * ${BN / 2}u;
var sums: array<array<subgroup_matrix_result<f32, ${N}, ${M}>, 2>, 2>;`,
    put: (name, at) => `for (var e = 0u; e < 4u; e++) { tile${name}[4u * (${at}) + e] = ${elements}(block[i][e]); }`,
    multiply: `  if (subgroup < ${SUBGROUPS}u) {
    for (var kk = 0u; kk < ${BK}u; kk += ${K}u) {
      var b: array<${right}, 2>;
      for (var j = 0u; j < 2u; j++) {
        b[j] = subgroupMatrixLoad<${right}, row_major>(&tileB, kk * ${BN}u + column0 + j * ${N}u, ${BN}u);
      }
      for (var i = 0u; i < 2u; i++) {
        let a = subgroupMatrixLoad<${left}, col_major>(&tileA, kk * ${BM}u + row0 + i * ${M}u, ${BM}u);
        for (var j = 0u; j < 2u; j++) { sums[i][j] = subgroupMatrixMultiplyAccumulate(a, b[j], sums[i][j]); }
      }
    }
  }`,
    end: (storing) => `for (var i = 0u; i < 2u; i++) {
  for (var j = 0u; j < 2u; j++) {
    if (subgroup < ${SUBGROUPS}u) {
      subgroupMatrixStore<row_major>(&results, subgroup * ${M * N}u, sums[i][j], ${N}u);
    }
    workgroupBarrier();
    for (var v = thread; v < ${SUBGROUPS * quarter}u; v += ${SUBGROUPS * lanes}u) {
      let q = v / ${quarter}u;
      let inside = v % ${quarter}u;
      let r = m0 + (q / 2u) * ${BM / 2}u + i * ${M}u + inside / ${N / 4}u;
      let c = n0 + (q % 2u) * ${BN / 2}u + j * ${N}u + (inside % ${N / 4}u) * 4u;
      if (r >= p.M) { continue; }
      let at = group.z * p.splitStride + r * p.strideC + c;
      let sum = vec4<f32>(results[4u * v], results[4u * v + 1u], results[4u * v + 2u], results[4u * v + 3u]);
${storing}
    }
    workgroupBarrier();
  }
}`,
  };
}
