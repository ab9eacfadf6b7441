// The matmul layer: out = inp weightᵀ + bias, and the two matmuls of its backward.
//
// Every kernel is `name(thread, threads, …)`: all threads run it at once, and each computes its own rectangle of the
// output. N rows (B * T), C input channels, OC output channels; weight is (OC, C).
import { dotProducts, FEW_ROWS } from "./few-rows";
import { MR, NR, sgemm } from "./gemm";
import { loadUpTo4, storeUpTo4 } from "./math";

// The rectangle of this thread, set by takeRectangle.
let row0: i32 = 0;
let rows: i32 = 0;
let column0: i32 = 0;
let columns: i32 = 0;

/**
 * Splits an output (M, N) into a grid of `threads` rectangles and selects that of `thread`. Of the possible grids, the
 * one whose largest rectangle costs least: its area in multiply-adds, plus its two sides in packing, where packing a
 * float takes about as long as PACK multiply-adds.
 */
function takeRectangle(thread: i32, threads: i32, M: i32, N: i32): void {
  const PACK = 8;
  const tilesDown = (M + MR - 1) / MR;
  const tilesAcross = (N + NR - 1) / NR;
  let best = f64.MAX_VALUE;
  let down = 1;
  for (let d = 1; d <= threads; d++) {
    if (threads % d) continue;
    const across = threads / d;
    const h = <f64>((tilesDown + d - 1) / d * MR);
    const w = <f64>((tilesAcross + across - 1) / across * NR);
    const cost = h * w + PACK * (h + w);
    if (cost < best) {
      best = cost;
      down = d;
    }
  }
  const across = threads / down;
  const i = thread / across;
  const j = thread % across;
  row0 = min(M, tilesDown * i / down * MR);
  rows = min(M, tilesDown * (i + 1) / down * MR) - row0;
  column0 = min(N, tilesAcross * j / across * NR);
  columns = min(N, tilesAcross * (j + 1) / across * NR) - column0;
}

/** out (N, OC) = inp (N, C) weight (OC, C)ᵀ + bias (OC); bias 0: none. */
export function matmulForward(
  thread: i32, threads: i32, out: usize, inp: usize, weight: usize, bias: usize, N: i32, C: i32, OC: i32,
): void {
  if (N <= FEW_ROWS) {
    const o0 = <i32>(<i64>OC * thread / threads);
    const o1 = <i32>(<i64>OC * (thread + 1) / threads);
    dotProducts(out, inp, weight, bias, N, C, OC, o0, o1, 2);
    return;
  }
  takeRectangle(thread, threads, N, OC);
  if (rows == 0 || columns == 0) return;
  const a = inp + (<usize>row0 * C << 2);
  const b = weight + (<usize>column0 * C << 2);
  const c = out + (<usize>row0 * OC + column0 << 2);
  const biasAt = bias ? bias + (<usize>column0 << 2) : 0;
  sgemm(false, true, rows, columns, C, a, C, b, C, c, OC, biasAt, false);
}

/** dinp (N, C) = dout (N, OC) weight (OC, C). */
export function matmulBackwardInput(
  thread: i32, threads: i32, dinp: usize, dout: usize, weight: usize, N: i32, C: i32, OC: i32,
): void {
  takeRectangle(thread, threads, N, C);
  if (rows == 0 || columns == 0) return;
  const a = dout + (<usize>row0 * OC << 2);
  const b = weight + (<usize>column0 << 2);
  const c = dinp + (<usize>row0 * C + column0 << 2);
  sgemm(false, false, rows, columns, OC, a, OC, b, C, c, C, 0, false);
}

/** dweight (OC, C) = dout (N, OC)ᵀ inp (N, C), dbias (OC) = sum of dout's rows (0: none); += if `accumulate`. */
export function matmulBackwardWeight(
  thread: i32, threads: i32, dweight: usize, dbias: usize, dout: usize, inp: usize, N: i32, C: i32, OC: i32,
  accumulate: i32,
): void {
  if (dbias) sumRows(thread, threads, dbias, dout, N, OC, accumulate);
  takeRectangle(thread, threads, OC, C);
  if (rows == 0 || columns == 0) return;
  const a = dout + (<usize>row0 << 2);
  const b = inp + (<usize>column0 << 2);
  const c = dweight + (<usize>row0 * C + column0 << 2);
  sgemm(true, false, rows, columns, N, a, OC, b, C, c, C, 0, accumulate != 0);
}

/** out (OC) (+)= the sum of the rows of inp (N, OC), in order; each thread its own columns, 16 side by side. */
function sumRows(thread: i32, threads: i32, out: usize, inp: usize, N: i32, OC: i32, accumulate: i32): void {
  const groups = (OC + 15) / 16;
  const first = groups * thread / threads * 16;
  const end = min(OC, groups * (thread + 1) / threads * 16);
  const stride = <usize>OC << 2;
  let j = first;
  for (; j + 16 <= end; j += 16) {
    const to = out + (<usize>j << 2);
    let from = inp + (<usize>j << 2);
    let s0 = accumulate ? v128.load(to) : f32x4.splat(0);
    let s1 = accumulate ? v128.load(to, 16) : f32x4.splat(0);
    let s2 = accumulate ? v128.load(to, 32) : f32x4.splat(0);
    let s3 = accumulate ? v128.load(to, 48) : f32x4.splat(0);
    for (let n = 0; n < N; n++) {
      s0 = f32x4.add(s0, v128.load(from));
      s1 = f32x4.add(s1, v128.load(from, 16));
      s2 = f32x4.add(s2, v128.load(from, 32));
      s3 = f32x4.add(s3, v128.load(from, 48));
      from += stride;
    }
    v128.store(to, s0);
    v128.store(to, s1, 16);
    v128.store(to, s2, 32);
    v128.store(to, s3, 48);
  }
  for (; j < end; j += 4) {
    const count = min(4, end - j);
    const to = out + (<usize>j << 2);
    let from = inp + (<usize>j << 2);
    let sum = accumulate ? loadUpTo4(to, count) : f32x4.splat(0);
    for (let n = 0; n < N; n++) {
      sum = f32x4.add(sum, loadUpTo4(from, count));
      from += stride;
    }
    storeUpTo4(to, sum, count);
  }
}
