// sgemm: the single-threaded GEMM behind every layer, and a thread's scratch buffer.
//
// c (M, N) = start + a (M, K) b (K, N), where start is c itself, a bias row or zero. The classic blocking (Goto and van
// de Geijn, 2008): blocks of k; in them a is packed for up to A_ROWS rows, b for B_COLUMNS columns at a time, and for
// each pair of packed panels one tile of c is computed by a kernel of tiles.mjs. A panel of b stays in the L1 cache
// while MC rows of a pass by in L2.
//
// Bits: every element of c sums its K terms in order, in blocks of k that depend on K alone. So neither the tile,
// nor M and N, nor a cut of c between threads changes a bit.
//
// Memory: each thread is an instance of this module of its own, over one shared memory. Before any kernel that needs
// it (matmul*, attention*), give each instance its own zone: setScratch(ptr), ptr a multiple of 16 (better of 64), the
// zone scratchBytes(T) long (attention.ts), T being the longest row of attention (past + T) that it will see. What is
// in it never outlives a command.
import { copyFloats, packColumns, packRows } from "./pack";
import { tile4x8, tile6x16, tile6x8 } from "./tiles";

const KC = 384;
const MC = 264; // divisible by 6 and 4; GPT-2's 4 x 64 rows are one block
const A_ROWS = 4 * MC;
const B_COLUMNS = 192; // divisible by 16 and 8

const ZEROS_BYTES = KC * 4;
const TILE_BYTES = 6 * 16 * 4;
const B_BYTES = KC * B_COLUMNS * 4;
const A_BYTES = KC * A_ROWS * 4;
/** The part of a thread's scratch memory that sgemm takes; attention's begins behind it. */
export const GEMM_BYTES = ZEROS_BYTES + TILE_BYTES + B_BYTES + A_BYTES;

let zeros: usize = 0;
let tileBuffer: usize = 0;
let packedB: usize = 0;
let packedA: usize = 0;

let tileId: i32 = 1;
/** Rows and columns of the chosen tile. */
export let MR: i32 = 6;
export let NR: i32 = 8;

/** Gives this instance its own scratch memory: see above. */
export function setScratch(ptr: usize): void {
  zeros = ptr;
  tileBuffer = zeros + ZEROS_BYTES;
  packedB = tileBuffer + TILE_BYTES;
  packedA = packedB + B_BYTES;
  memory.fill(zeros, 0, ZEROS_BYTES);
}

/** Scratch buffer of one tile, 384 bytes, free for any use between calls of sgemm. */
export function tileScratch(): usize {
  return tileBuffer;
}

/** Address of the scratch memory after sgemm's. */
export function scratchBehindGemm(): usize {
  return zeros + GEMM_BYTES;
}

/** Chooses the kernel: 0 = 6x16, 1 = 6x8 (the default), 2 = 4x8. Speed only; the bits stay the same. */
export function setTile(id: i32): void {
  tileId = id;
  MR = id == 2 ? 4 : 6;
  NR = id == 0 ? 16 : 8;
}

/**
 * c (M, N) = start + a b. `transA`: a is stored (K, M), else (M, K). `transB`: b is stored (N, K), else (K, N).
 * lda, ldb, ldc: floats from one stored row to the next. `accumulate`: start is c; else `bias` (N), or zero if it is 0.
 */
export function sgemm(
  transA: bool, transB: bool, M: i32, N: i32, K: i32, a: usize, lda: i32, b: usize, ldb: i32,
  c: usize, ldc: i32, bias: usize, accumulate: bool,
): void {
  const strideA = <usize>lda << 2;
  const strideB = <usize>ldb << 2;
  const strideC = <usize>ldc << 2;
  const blocks = (K + KC - 1) / KC;
  const depth = (K + blocks - 1) / blocks; // equal blocks of k, not a full one and a small remainder
  for (let k0 = 0; k0 < K; k0 += depth) {
    const k = min(depth, K - k0);
    const fromC = accumulate || k0 > 0;
    const blockA = a + (transA ? <usize>k0 * strideA : <usize>k0 << 2);
    const blockB = b + (transB ? <usize>k0 << 2 : <usize>k0 * strideB);
    for (let i0 = 0; i0 < M; i0 += A_ROWS) {
      const rows = min(A_ROWS, M - i0);
      packA(transA, blockA, strideA, i0, rows, k);
      for (let j0 = 0; j0 < N; j0 += B_COLUMNS) {
        const columns = min(B_COLUMNS, N - j0);
        if (transB) packColumns(packedB, blockB + <usize>j0 * strideB, strideB, k, columns, NR, zeros);
        else packRows(packedB, blockB + (<usize>j0 << 2), strideB, k, columns, NR);
        for (let i = 0; i < rows; i += MC) {
          const corner = c + <usize>(i0 + i) * strideC + (<usize>j0 << 2);
          const biasAt = bias ? bias + (<usize>j0 << 2) : 0;
          multiplyPanels(min(MC, rows - i), columns, k, i, corner, strideC, biasAt, fromC);
        }
      }
    }
  }
}

/** Packs `rows` rows of a from row i0 on, MC at a time, so that not too many panels are written at once. */
function packA(transA: bool, a: usize, stride: usize, i0: i32, rows: i32, k: i32): void {
  for (let i = 0; i < rows; i += MC) {
    const count = min(MC, rows - i);
    const to = packedA + (<usize>(i * k) << 2);
    if (transA) packRows(to, a + (<usize>(i0 + i) << 2), stride, k, count, MR);
    else packColumns(to, a + <usize>(i0 + i) * stride, stride, k, count, MR, zeros);
  }
}

/** c (rows, columns) from the packed panels of a, from its packed row `first` on, and all those of b. */
function multiplyPanels(
  rows: i32, columns: i32, k: i32, first: i32, c: usize, stride: usize, bias: usize, fromC: bool,
): void {
  const panelA = <usize>(k * MR) << 2;
  const panelB = <usize>(k * NR) << 2;
  const start = packedA + (<usize>(first * k) << 2);
  let pb = packedB;
  for (let j = 0; j < columns; j += NR) {
    const init = bias ? bias + (<usize>j << 2) : zeros;
    const width = min(NR, columns - j);
    let pa = start;
    for (let i = 0; i < rows; i += MR) {
      const at = c + <usize>i * stride + (<usize>j << 2);
      const height = min(MR, rows - i);
      const from = fromC ? at : init;
      const fromStride = fromC ? stride : 0;
      if (height == MR && width == NR) tile(k, pa, pb, from, fromStride, at, stride);
      else edgeTile(height, width, k, pa, pb, from, fromStride, at, stride);
      pa += panelA;
    }
    pb += panelB;
  }
}

// @ts-ignore: AssemblyScript's decorator
@inline
function tile(k: i32, a: usize, b: usize, init: usize, initStride: usize, c: usize, stride: usize): void {
  if (tileId == 0) tile6x16(k, a, b, init, initStride, c, stride);
  else if (tileId == 1) tile6x8(k, a, b, init, initStride, c, stride);
  else tile4x8(k, a, b, init, initStride, c, stride);
}

/** A tile of which only (height, width) lies in c: computed whole in a buffer of its own, then that part copied. */
function edgeTile(
  height: i32, width: i32, k: i32, a: usize, b: usize, init: usize, initStride: usize, c: usize, stride: usize,
): void {
  const rowBytes = <usize>NR << 2;
  for (let i: usize = 0; i < <usize>height; i++) copyFloats(tileBuffer + i * rowBytes, init + i * initStride, width);
  tile(k, a, b, tileBuffer, rowBytes, tileBuffer, rowBytes);
  for (let i: usize = 0; i < <usize>height; i++) copyFloats(c + i * stride, tileBuffer + i * rowBytes, width);
}
