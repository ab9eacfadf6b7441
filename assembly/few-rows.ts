// Matmuls with few rows (decoding), as dot products: memory-bound, since each weight is used too rarely for packing to pay.
import { loadTail, loadUpTo4, madd, sumLanes } from "./math";
import { shareStart } from "./split";
import { tileScratch } from "./gemm";
import { widenUpTo4 } from "./bfloat16";
import { BLOCK, dotFourInt8, groupOf, groupsOf, inputRowBytes, laneOf } from "./int8";

/** Largest number of rows for which dot products are faster than packing; enough for a batch of samples. */
export const FEW_ROWS = 8;

/** Weight rows read side by side: one stream does not keep the memory busy. */
const STREAMS = 4;

/** FEW_ROWS, exported for the caller. */
export function fewRows(): i32 {
  return FEW_ROWS;
}

/** out (N, OC) = inp (N, C) weight (OC, C)ᵀ + bias (OC), for up to FEW_ROWS rows N; bias 0: none. */
export function matmulFewRows(
  part: i32, parts: i32, out: usize, inp: usize, weight: usize, bias: usize, N: i32, C: i32, OC: i32,
): void {
  dotProducts(out, inp, weight, bias, N, C, OC, shareStart(OC, 1, part, parts), shareStart(OC, 1, part + 1, parts), 2);
}

/** The same with a weight (OC, C) of bfloat16. The same bits as if it were float32. */
export function matmulFewRowsBf16(
  part: i32, parts: i32, out: usize, inp: usize, weight: usize, bias: usize, N: i32, C: i32, OC: i32,
): void {
  dotProducts(out, inp, weight, bias, N, C, OC, shareStart(OC, 1, part, parts), shareStart(OC, 1, part + 1, parts), 1);
}

/**
 * The same with a weight (OC, C) of int8, from a whole group on, and inp as quantizeRows gives it: for each of the lanes at
 * which rows of the weight begin, `lanes` of them, all rows.
 */
export function matmulFewRowsInt8(
  part: i32, parts: i32, out: usize, inp: usize, weight: usize, bias: usize, N: i32, C: i32, OC: i32, lanes: i32,
): void {
  const o0 = shareStart(OC, 1, part, parts);
  const o1 = shareStart(OC, 1, part + 1, parts);
  // Rows side by side begin at the same lane.
  const quarter = ((o1 - o0 + STREAMS - 1) / STREAMS + lanes - 1) / lanes * lanes;
  const blocks = C / BLOCK;
  const rowBytes = <usize>inputRowBytes(blocks);
  const sums = tileScratch();
  for (let i = 0; i < min(quarter, o1 - o0); i++) {
    const o = o0 + i;
    // A stream past the end rereads the first one's row, and its sum is dropped.
    const w0 = groupOf(weight, o * blocks);
    const w1 = groupOf(weight, (o + quarter < o1 ? o + quarter : o) * blocks);
    const w2 = groupOf(weight, (o + 2 * quarter < o1 ? o + 2 * quarter : o) * blocks);
    const w3 = groupOf(weight, (o + 3 * quarter < o1 ? o + 3 * quarter : o) * blocks);
    const groups = groupsOf(laneOf(o * blocks), blocks);
    for (let n = 0; n < N; n++) {
      dotFourInt8(sums, inp + <usize>(o % lanes * N + n) * rowBytes, w0, w1, w2, w3, groups);
      for (let s = 0; s < STREAMS && o + s * quarter < o1; s++) {
        const at = sums + (<usize>s << 5);
        finish(out, bias, n * OC, o + s * quarter, f32x4.add(v128.load(at), v128.load(at, 16)));
      }
    }
  }
}

/**
 * Columns o0 to o1 of out (N, OC) = inp (N, C) weight (OC, C)ᵀ + bias, for few rows; a weight takes 4 bytes, or 2 if it
 * is bfloat16: 1 << size. Four streams of weight rows, each a quarter of the range, so that each is read in order. A
 * column's bits do not depend on the stream that it falls into.
 */
function dotProducts(
  out: usize, inp: usize, weight: usize, bias: usize, N: i32, C: i32, OC: i32, o0: i32, o1: i32, size: i32,
): void {
  const quarter = (o1 - o0 + STREAMS - 1) / STREAMS;
  const rowBytes = <usize>C << size;
  const sums = tileScratch();
  const whole = C & ~7;
  for (let i = 0; i < quarter; i++) {
    // A stream past the end rereads the last row, and its sum is dropped.
    const w0 = weight + <usize>min(o0 + i, o1 - 1) * rowBytes;
    const w1 = weight + <usize>min(o0 + quarter + i, o1 - 1) * rowBytes;
    const w2 = weight + <usize>min(o0 + 2 * quarter + i, o1 - 1) * rowBytes;
    const w3 = weight + <usize>min(o0 + 3 * quarter + i, o1 - 1) * rowBytes;
    for (let n = 0; n < N; n++) {
      const x = inp + (<usize>(n * C) << 2);
      if (size == 2) dotFour(sums, x, w0, w1, w2, w3, <usize>whole << 2);
      else dotFourBf16(sums, x, w0, w1, w2, w3, <usize>whole << 2);
      for (let s = 0; s < STREAMS; s++) {
        const o = o0 + s * quarter + i;
        if (o >= o1) break;
        const at = sums + (<usize>s << 5);
        const w = weight + <usize>o * rowBytes;
        let sum = f32x4.add(v128.load(at), v128.load(at, 16));
        for (let c = whole; c < C; c += 4) {
          const count = min(4, C - c);
          const from = w + (<usize>c << size);
          const weights = size == 2 ? loadUpTo4(from, count) : widenUpTo4(from, count);
          sum = madd(loadUpTo4(x + (<usize>c << 2), count), weights, sum);
        }
        finish(out, bias, n * OC, o, sum);
      }
    }
  }
}

/** Column o of the row of out that begins at element `row`: four sums and the bias. */
// @ts-ignore: AssemblyScript's decorator
@inline
function finish(out: usize, bias: usize, row: i32, o: i32, sum: v128): void {
  const start: f32 = bias ? f32.load(bias + (<usize>o << 2)) : 0;
  f32.store(out + (<usize>(row + o) << 2), start + sumLanes(sum));
}

/** Four times eight sums of x[i] w[i], by i modulo 8: two vectors side by side, of which V8 can make one. */
export function dotFour(sums: usize, x: usize, w0: usize, w1: usize, w2: usize, w3: usize, bytes: usize): void {
  sumFour(sums, x, w0, w1, w2, w3, bytes, 2);
}

/** The same with weights of bfloat16; `bytes` are those of x. */
export function dotFourBf16(sums: usize, x: usize, w0: usize, w1: usize, w2: usize, w3: usize, bytes: usize): void {
  sumFour(sums, x, w0, w1, w2, w3, bytes, 1);
}

/** `size` is a constant where this is inlined, as is the choice of `low` and `high`. */
// @ts-ignore: AssemblyScript's decorator
@inline
function sumFour(
  sums: usize, x: usize, w0: usize, w1: usize, w2: usize, w3: usize, bytes: usize, size: i32,
): void {
  let a0 = f32x4.splat(0);
  let a1 = f32x4.splat(0);
  let b0 = f32x4.splat(0);
  let b1 = f32x4.splat(0);
  let c0 = f32x4.splat(0);
  let c1 = f32x4.splat(0);
  let d0 = f32x4.splat(0);
  let d1 = f32x4.splat(0);
  for (const end = x + bytes; x < end; x += 32) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    a0 = madd(x0, low(w0, size), a0);
    a1 = madd(x1, high(w0, size), a1);
    b0 = madd(x0, low(w1, size), b0);
    b1 = madd(x1, high(w1, size), b1);
    c0 = madd(x0, low(w2, size), c0);
    c1 = madd(x1, high(w2, size), c1);
    d0 = madd(x0, low(w3, size), d0);
    d1 = madd(x1, high(w3, size), d1);
    w0 += 8 << size;
    w1 += 8 << size;
    w2 += 8 << size;
    w3 += 8 << size;
  }
  v128.store(sums, a0);
  v128.store(sums, a1, 16);
  v128.store(sums, b0, 32);
  v128.store(sums, b1, 48);
  v128.store(sums, c0, 64);
  v128.store(sums, c1, 80);
  v128.store(sums, d0, 96);
  v128.store(sums, d1, 112);
}

/**
 * The first four weights of eight. V8 fuses widening loads side by side, not shuffles. They have to stand in order, here and in
 * dotFourInt8: the fused load begins where the first one does. The check at a start finds an engine that does otherwise.
 */
// @ts-ignore: AssemblyScript's decorator
@inline
function low(weights: usize, size: i32): v128 {
  return size == 2 ? v128.load(weights) : i32x4.shl(v128.load_ext<u16>(weights), 16);
}

/** The other four. */
// @ts-ignore: AssemblyScript's decorator
@inline
function high(weights: usize, size: i32): v128 {
  return size == 2 ? v128.load(weights, 16) : i32x4.shl(v128.load_ext<u16>(weights, 8), 16);
}

/** Sum of a[i] b[i], in 16 lanes that are added at the end. */
export function dot(a: usize, b: usize, count: i32): f32 {
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  let s2 = f32x4.splat(0);
  let s3 = f32x4.splat(0);
  let i = 0;
  for (; i + 16 <= count; i += 16) {
    s0 = madd(v128.load(a), v128.load(b), s0);
    s1 = madd(v128.load(a, 16), v128.load(b, 16), s1);
    s2 = madd(v128.load(a, 32), v128.load(b, 32), s2);
    s3 = madd(v128.load(a, 48), v128.load(b, 48), s3);
    a += 64;
    b += 64;
  }
  for (; i + 4 <= count; i += 4) {
    s0 = madd(v128.load(a), v128.load(b), s0);
    a += 16;
    b += 16;
  }
  if (i < count) s1 = madd(loadTail(a, count - i), loadTail(b, count - i), s1);
  return sumLanes(f32x4.add(f32x4.add(s0, s1), f32x4.add(s2, s3)));
}
