// GEMM: c (M, N) = start + a (M, K) b (K, N), where start is c itself, a bias row or zero.
//
// The classic blocking (Goto and van de Geijn, 2008): blocks of k; in them a is packed for up to MC rows, b for up to
// B_COLUMNS columns at a time, and for each pair of packed panels one tile of c is computed by a kernel of tiles.mjs. A panel
// of b stays in the L1 cache while MC rows of a pass by in L2.
//
// Two drivers. `packShared` and `multiplyShared` are commands for all threads (src/backend/wasm/gemm.ts): the operand of the
// shorter side of c is packed first, by all, and each part packs its own share of the other. `sgemm` is one thread's, for the
// small matmuls inside of attention, as is `sgemmPacked`, for those that share an operand.
//
// Bits: every element of c sums its K terms in order, in blocks of k that depend on K alone. So neither the tile,
// nor M and N, nor a cut of c between threads changes a bit.
//
// Memory: each thread is an instance of this module of its own, over one shared memory. Before any kernel that needs
// it (multiplyShared, matmulFewRows*, attention*), give each instance its own zone: setScratch(ptr), ptr a multiple of 16
// (better of 64), the zone scratchBytes(T, hs) long (attention.ts), T being the longest row of attention (past + T) that it
// will see. What is in it never outlives a part of a command.
import { foreignSgemm, isForeign } from "./blas";
import { copyFloats, packColumns, packRows } from "./pack";
import { shareStart } from "./split";
import { tile4x8, tile6x16, tile6x8 } from "./tiles";

const KC = 384;
const MC = 264; // divisible by 6 and 4; GPT-2's 4 x 64 rows are one block
const B_COLUMNS = 192; // divisible by 16 and 8

const ZEROS_BYTES = 16 * 4; // a row of the widest tile
const TILE_BYTES = 6 * 16 * 4;
const B_BYTES = KC * B_COLUMNS * 4;
const A_BYTES = KC * MC * 4;
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

/** Bits of the last argument of packShared and multiplyShared. */
const SHARED_A = 1;
/** The operand's stored rows hold one k each: a is stored (K, M), b (K, N); else (M, K), (N, K). */
const BY_K = 2;
const ACCUMULATE = 4;

/**
 * to = the panels of `count` rows of a (SHARED_A), or columns of b, for k terms: block after block of `depth` terms.
 * `ld`: floats from one stored row to the next. Parts take whole stored rows, which are read in order.
 */
export function packShared(
  part: i32, parts: i32, to: usize, from: usize, ld: i32, count: i32, k: i32, depth: i32, bits: i32,
): void {
  const R = bits & SHARED_A ? MR : NR;
  const stride = <usize>ld << 2;
  const padded = (count + R - 1) / R * R;
  if (bits & BY_K) {
    const end = shareStart(k, 1, part + 1, parts);
    let k0 = shareStart(k, 1, part, parts);
    while (k0 < end) {
      const block = k0 / depth * depth;
      const length = min(depth, k - block);
      const stop = min(end, block + length);
      const panels = to + (<usize>(block * padded + (k0 - block) * R) << 2);
      packRows(panels, from + <usize>k0 * stride, stride, stop - k0, count, R, length);
      k0 = stop;
    }
    return;
  }
  const first = shareStart(count, R, part, parts);
  const rows = shareStart(count, R, part + 1, parts) - first;
  if (rows == 0) return;
  for (let block = 0; block < k; block += depth) {
    const length = min(depth, k - block);
    const panels = to + (<usize>(block * padded + first * length) << 2);
    packColumns(panels, from + <usize>first * stride + (<usize>block << 2), stride, length, rows, R);
  }
}

/**
 * c = start + a b for k terms, from the panels of the shared operand (`count` of its rows or columns) and the other one,
 * `from` (n of its columns or rows, ld and BY_K its own). Parts take whole panels of the n. ldc: floats from one row of c to the
 * next. Start is c itself (ACCUMULATE), else the bias row, or zero if that is 0.
 */
export function multiplyShared(
  part: i32, parts: i32, packed: usize, from: usize, ld: i32, c: usize, ldc: i32, bias: usize,
  n: i32, count: i32, k: i32, depth: i32, bits: i32,
): void {
  const sharedA = bits & SHARED_A;
  const R = sharedA ? NR : MR;
  const RS = sharedA ? MR : NR;
  const padded = (count + RS - 1) / RS * RS;
  const most = sharedA ? B_COLUMNS : MC;
  const own = sharedA ? packedB : packedA;
  const stride = <usize>ld << 2;
  const strideC = <usize>ldc << 2;
  const end = shareStart(n, R, part + 1, parts);
  for (let first = shareStart(n, R, part, parts); first < end; first += most) {
    const width = min(most, end - first);
    for (let block = 0; block < k; block += depth) {
      const length = min(depth, k - block);
      const panels = packed + (<usize>(block * padded) << 2);
      const fromC = (bits & ACCUMULATE) != 0 || block > 0;
      if (bits & BY_K) packRows(own, from + <usize>block * stride + (<usize>first << 2), stride, length, width, R, length);
      else packColumns(own, from + <usize>first * stride + (<usize>block << 2), stride, length, width, R);
      if (sharedA) {
        const column = <usize>first << 2;
        for (let i = 0; i < count; i += MC) {
          const a = panels + (<usize>(i * length) << 2);
          const corner = c + <usize>i * strideC + column;
          const start = bias ? bias + column : 0;
          multiplyPanels(min(MC, count - i), width, length, a, own, length, corner, strideC, start, fromC, ALL, ALL);
        }
      } else {
        const corner = c + <usize>first * strideC;
        multiplyPanels(width, count, length, own, panels, length, corner, strideC, bias, fromC, ALL, ALL);
      }
    }
  }
}

/**
 * c (M, N) = start + a b. `transA`: a is stored (K, M), else (M, K). `transB`: b is stored (N, K), else (K, N).
 * lda, ldb, ldc: floats from one stored row to the next. `accumulate`: start is c; else zero.
 */
export function sgemm(
  transA: bool, transB: bool, M: i32, N: i32, K: i32, a: usize, lda: i32, b: usize, ldb: i32,
  c: usize, ldc: i32, accumulate: bool,
): void {
  if (isForeign(M, N, K)) {
    foreignSgemm(transA, transB, M, N, K, a, lda, b, ldb, c, ldc, accumulate);
    return;
  }
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
    for (let j0 = 0; j0 < N; j0 += B_COLUMNS) {
      const columns = min(B_COLUMNS, N - j0);
      if (transB) packColumns(packedB, blockB + <usize>j0 * strideB, strideB, k, columns, NR);
      else packRows(packedB, blockB + (<usize>j0 << 2), strideB, k, columns, NR, k);
      for (let i0 = 0; i0 < M; i0 += MC) {
        const rows = min(MC, M - i0);
        if (transA) packRows(packedA, blockA + (<usize>i0 << 2), strideA, k, rows, MR, k);
        else packColumns(packedA, blockA + <usize>i0 * strideA, strideA, k, rows, MR);
        const corner = c + <usize>i0 * strideC + (<usize>j0 << 2);
        multiplyPanels(rows, columns, k, packedA, packedB, k, corner, strideC, 0, fromC, ALL, ALL);
      }
    }
  }
}

/** No limit of columns or terms. */
export const ALL = i32.MAX_VALUE >> 1;

/** Floats of the panels of b (K, N), of any tile. */
export function panelFloats(N: i32, K: i32): i32 {
  return (N + 15 & ~15) * K;
}

/** Panels of b (K, N) for sgemmPacked. `transB`: b is stored (N, K). */
export function packPanels(panels: usize, transB: bool, N: i32, K: i32, b: usize, ldb: i32): void {
  if (transB) packColumns(panels, b, <usize>ldb << 2, K, N, NR);
  else packRows(panels, b, <usize>ldb << 2, K, N, NR, K);
}

/**
 * c (M, N) = a b for the first K of the `length` terms of b's panels. M is at most MC. As in a causal mask, row i of c needs only its
 * first `columns` + i, and has no more than `terms` + i terms (the others being 0), or ALL: what tiles beyond hold is not set.
 */
export function sgemmPacked(
  M: i32, N: i32, K: i32, a: usize, lda: i32, panels: usize, length: i32, c: usize, ldc: i32, columns: i32, terms: i32,
): void {
  for (let k0 = 0; k0 < K; k0 += KC) {
    const k = min(KC, K - k0);
    packColumns(packedA, a + (<usize>k0 << 2), <usize>lda << 2, k, M, MR);
    const b = panels + (<usize>(k0 * NR) << 2);
    multiplyPanels(M, N, k, packedA, b, length, c, <usize>ldc << 2, 0, k0 > 0, columns, terms - k0);
  }
}

/**
 * c (M, N) from panels of a, k long, and the first k of those of b, `length` long. Row i needs only its first `columns` + i, and has
 * no more than `terms` + i terms.
 */
function multiplyPanels(
  M: i32, N: i32, k: i32, a: usize, b: usize, length: i32, c: usize, stride: usize, bias: usize, fromC: bool, columns: i32, terms: i32,
): void {
  const panelA = <usize>(k * MR) << 2;
  const panelB = <usize>(length * NR) << 2;
  for (let j = 0; j < N; j += NR) {
    const init = bias ? bias + (<usize>j << 2) : zeros;
    const width = min(NR, N - j);
    const first = max(0, j - columns + 1) / MR;
    let pa = a + <usize>first * panelA;
    for (let i = first * MR; i < M; i += MR) {
      const at = c + <usize>i * stride + (<usize>j << 2);
      const height = min(MR, M - i);
      const from = fromC ? at : init;
      const fromStride = fromC ? stride : 0;
      const depth = min(k, terms + i + height - 1);
      // 0 or less: all of its terms are in the blocks before.
      if (depth > 0) {
        if (height == MR && width == NR) tile(depth, pa, b, from, fromStride, at, stride);
        else edgeTile(height, width, depth, pa, b, from, fromStride, at, stride);
      }
      pa += panelA;
    }
    b += panelB;
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
