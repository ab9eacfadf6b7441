// Causal self-attention, all heads, forward and backward.
//
// The unit of work is one head of one sequence (b, h): parts take whole units, so bits never depend on their number.
// A unit packs its keys and values once, then processes its queries in blocks of rows: scores of a block (rows x visible
// keys) in the scratch buffer, softmax on them, and the matmuls by gemm.ts. Scores above the diagonal are skipped tile by tile.
//
// The forward saves, per row, the largest score and one over the sum of exponentials: `saved` (B, NH, T, 2). From them and
// qkv the backward recomputes the probabilities, so nothing of size T x T is ever kept (as in FlashAttention, Dao 2022).
// FlashAttention keeps one number, the logarithm of the sum; rounded to f32 it is off by 0.5 at a score of 1e7, and the
// probabilities by a factor. With two numbers and scores of the same bits they are the forward's, bit for bit.
//
// qkv (B, T, 3C): in each row queries, keys, values; in each of them the heads side by side, hs = C / NH floats each.
import { isForeign } from "./blas";
import { copyFloats } from "./pack";
import { expOfNegative, loadUpTo4, madd, maxLanes, minLanes, storeUpTo4, sumLanes } from "./math";
import { ALL, GEMM_BYTES, packPanels, panelFloats, scratchBehindGemm, sgemm, sgemmPacked } from "./gemm";
import { dot } from "./few-rows";

/** Up to this many queries (decoding), keys and values are read in order instead of packed. */
const FEW_QUERIES = 4;

/** Bytes saved per row: the largest score, as q kᵀ gives it, and one over the sum of exponentials. */
const SAVED_BYTES = 8;

/** Query rows per block, in whole tiles: fewer where T is small, so that less above the diagonal is computed. */
const MOST_ROWS = 48;

// @ts-ignore: AssemblyScript's decorator
@inline
function blockRows(T: i32): i32 {
  return T <= 128 ? 24 : MOST_ROWS;
}

/** Bytes of scratch memory (setScratch) that each instance needs to attend over rows of up to T keys, heads of hs floats. */
export function scratchBytes(T: i32, hs: i32): i32 {
  const panels = 2 * panelFloats(T, hs) + panelFloats(hs, T); // the backward's: keys, values, and keys again
  return GEMM_BYTES + (2 * MOST_ROWS * rowFloats(T) + panels << 2);
}

/** Floats from one row of scores to the next: the keys, rounded up to whole pairs of vectors. */
// @ts-ignore: AssemblyScript's decorator
@inline
function rowFloats(keys: i32): i32 {
  return (keys + 7) & ~7;
}

/**
 * Keys to compute scores for, where a block's last row sees `seen` of `keys`: a few more if that makes whole tiles,
 * which are quicker than a part of one.
 */
// @ts-ignore: AssemblyScript's decorator
@inline
function wholeTiles(seen: i32, keys: i32): i32 {
  return min(keys, (seen + 15) & ~15);
}

/**
 * out (B, T, C); saved (B, NH, T, 2), or 0 if no backward follows; qkv (B, T, 3C).
 *
 * With a cache, keys and values (B, S, C): first the T new keys and values are copied to its positions past to
 * past + T - 1, then query t sees positions 0 to past + t. Without, keys = values = 0 and past = 0.
 */
export function attentionForward(
  part: i32, parts: i32, out: usize, saved: usize, qkv: usize, keys: usize, values: usize,
  B: i32, T: i32, C: i32, NH: i32, past: i32, S: i32,
): void {
  const hs = C / NH;
  const end = B * NH * (part + 1) / parts;
  for (let unit = B * NH * part / parts; unit < end; unit++) {
    const b = unit / NH;
    const column = <usize>(unit % NH * hs) << 2; // of the head, in bytes, in any row of C floats
    const q = qkv + (<usize>(b * T) * 3 * C << 2) + column;
    let k = q + (<usize>C << 2);
    let v = k + (<usize>C << 2);
    let ld = 3 * C;
    if (keys) {
      const cachedK = keys + (<usize>(b * S) * C << 2) + column;
      const cachedV = values + (<usize>(b * S) * C << 2) + column;
      for (let t = 0; t < T; t++) {
        const from = <usize>(t * 3) * C << 2;
        const to = <usize>(past + t) * C << 2;
        copyFloats(cachedK + to, k + from, hs);
        copyFloats(cachedV + to, v + from, hs);
      }
      k = cachedK;
      v = cachedV;
      ld = C;
    }
    const o = out + (<usize>(b * T) * C << 2) + column;
    headForward(o, saved ? saved + <usize>unit * T * SAVED_BYTES : 0, q, k, v, ld, T, C, hs, past);
  }
}

/** One head of one sequence: o (T, hs) in rows of C floats, q in rows of 3C, k and v (past + T, hs) in rows of ld. */
function headForward(
  o: usize, saved: usize, q: usize, k: usize, v: usize, ld: i32, T: i32, C: i32, hs: i32, past: i32,
): void {
  const scale: f32 = 1 / Mathf.sqrt(<f32>hs);
  const keys = past + T;
  const scores = scratchBehindGemm();
  const row = rowFloats(keys);
  const block = blockRows(T);
  const keyPanels = scores + (<usize>(block * row) << 2);
  const valuePanels = keyPanels + (<usize>panelFloats(keys, hs) << 2);
  if (T > FEW_QUERIES) {
    packPanels(keyPanels, true, keys, hs, k, ld);
    packPanels(valuePanels, false, hs, keys, v, ld);
  }
  for (let t0 = 0; t0 < T; t0 += block) {
    const rows = min(block, T - t0);
    const first = past + t0 + 1; // keys that the block's first row sees
    const seen = past + t0 + rows; // and its last one
    const qBlock = q + (<usize>(t0 * 3) * C << 2);
    const oBlock = o + (<usize>t0 * C << 2);
    if (T <= FEW_QUERIES) dotScores(scores, row, qBlock, 3 * C, k, ld, rows, seen, hs);
    else timesTransposed(scores, row, qBlock, 3 * C, k, ld, keyPanels, rows, seen, keys, hs);
    for (let i = 0; i < rows; i++) {
      const at = scores + (<usize>(i * row) << 2);
      softmaxRow(at, first + i, seen, scale, saved ? saved + <usize>(t0 + i) * SAVED_BYTES : 0);
    }
    if (T <= FEW_QUERIES) weightedSums(oBlock, C, scores, row, v, ld, rows, seen, hs);
    else times(oBlock, C, scores, row, v, ld, valuePanels, rows, seen, keys, hs);
  }
}

/**
 * c (rows, seen) = a bᵀ of a block of rows, of which each sees one key more than the one before and the last one `seen`: scores, or
 * the gradients of probabilities. b (keys, hs) is keys or values, `panels` the same packed. Columns that a row does not see are
 * not set, or are a few more than `seen`, up to `keys`.
 */
function timesTransposed(
  c: usize, ldc: i32, a: usize, lda: i32, b: usize, ldb: i32, panels: usize, rows: i32, seen: i32, keys: i32, hs: i32,
): void {
  const columns = wholeTiles(seen, keys);
  if (isForeign(rows, columns, hs)) sgemm(false, true, rows, columns, hs, a, lda, b, ldb, c, ldc, false);
  else sgemmPacked(rows, columns, hs, a, lda, panels, hs, c, ldc, seen - rows + 1, ALL);
}

/** c (rows, hs) = a b of such a block: a (rows, seen) is 0 where a row does not see a key, b (keys, hs) values or keys. */
function times(
  c: usize, ldc: i32, a: usize, lda: i32, b: usize, ldb: i32, panels: usize, rows: i32, seen: i32, keys: i32, hs: i32,
): void {
  if (isForeign(rows, hs, seen)) sgemm(false, false, rows, hs, seen, a, lda, b, ldb, c, ldc, false);
  else sgemmPacked(rows, hs, seen, a, lda, panels, keys, c, ldc, ALL, seen - rows + 1);
}

/**
 * One row, in place: x = softmax(scale x) over its first `count`, 0 from there to `end`. Puts the largest x and one over
 * the sum of exponentials at `saved`, unless that is 0. Two vectors at a time, which V8 can make one of 256 bits.
 *
 * NaN throughout if an x is not finite: also if it is minus infinity, which may be a partial sum that overflowed.
 */
export function softmaxRow(x: usize, count: i32, end: i32, scale: f32, saved: usize): void {
  const stop = padRow(x, count, f32.load(x));
  let m0 = v128.load(x);
  let m1 = v128.load(x, 16);
  let l0 = m0;
  let l1 = m1;
  for (let at = x + 32; at < stop; at += 32) {
    const x0 = v128.load(at);
    const x1 = v128.load(at, 16);
    m0 = f32x4.pmax(m0, x0);
    m1 = f32x4.pmax(m1, x1);
    l0 = f32x4.pmin(l0, x0);
    l1 = f32x4.pmin(l1, x1);
  }
  const smallest = minLanes(f32x4.pmin(l0, l1));
  const largest: f32 = smallest > -Infinity ? maxLanes(f32x4.pmax(m0, m1)) : NaN;

  padRow(x, count, -Infinity);
  const scales = f32x4.splat(scale);
  const shift = f32x4.splat(largest);
  let s0 = f32x4.splat(0);
  let s1 = s0;
  for (let at = x; at < stop; at += 32) {
    const p0 = expOfNegative(f32x4.mul(f32x4.sub(v128.load(at), shift), scales));
    const p1 = expOfNegative(f32x4.mul(f32x4.sub(v128.load(at, 16), shift), scales));
    v128.store(at, p0);
    v128.store(at, p1, 16);
    s0 = f32x4.add(s0, p0);
    s1 = f32x4.add(s1, p1);
  }
  const inverse: f32 = 1 / sumLanes(f32x4.add(s0, s1));
  const inverses = f32x4.splat(inverse);
  for (let at = x; at < stop; at += 32) {
    const p0 = f32x4.mul(v128.load(at), inverses);
    const p1 = f32x4.mul(v128.load(at, 16), inverses);
    v128.store(at, p0);
    v128.store(at, p1, 16);
  }
  clear(stop, x + (<usize>end << 2));
  if (!saved) return;
  f32.store(saved, largest);
  f32.store(saved, inverse, 4);
}

/**
 * Sets x from `count` up to the next multiple of 8 to `value`, and gives the address behind it. The exponential of minus
 * infinity is 0.
 */
// @ts-ignore: AssemblyScript's decorator
@inline
function padRow(x: usize, count: i32, value: f32): usize {
  const end = (count + 7) & ~7;
  for (let i = count; i < end; i++) f32.store(x + (<usize>i << 2), value);
  return x + (<usize>end << 2);
}

/** Zeros from `at` to `stop`, rounded up to eight floats. */
// @ts-ignore: AssemblyScript's decorator
@inline
function clear(at: usize, stop: usize): void {
  for (; at < stop; at += 32) {
    v128.store(at, f32x4.splat(0));
    v128.store(at, f32x4.splat(0), 16);
  }
}

/** scores (rows, keys) = q kᵀ for few rows (decoding): each key is read once. */
function dotScores(
  scores: usize, row: i32, q: usize, ldq: i32, k: usize, ld: i32, rows: i32, keys: i32, hs: i32,
): void {
  for (let s = 0; s < keys; s++) {
    const key = k + (<usize>s * ld << 2);
    for (let i = 0; i < rows; i++) {
      f32.store(scores + (<usize>(i * row + s) << 2), dot(q + (<usize>i * ldq << 2), key, hs));
    }
  }
}

/** o (rows, hs) = p (rows, keys) v for few rows. */
function weightedSums(
  o: usize, ldo: i32, p: usize, row: i32, v: usize, ld: i32, rows: i32, keys: i32, hs: i32,
): void {
  const stride = <usize>ld << 2;
  for (let i = 0; i < rows; i++) {
    const weights = p + (<usize>(i * row) << 2);
    const to = o + (<usize>(i * ldo) << 2);
    let j = 0;
    for (; j + 32 <= hs; j += 32) weightedSum32(to + (<usize>j << 2), weights, v + (<usize>j << 2), stride, keys);
    for (; j < hs; j += 4) {
      const count = min(4, hs - j);
      let sum = f32x4.splat(0);
      let value = v + (<usize>j << 2);
      for (let s = 0; s < keys; s++) {
        sum = madd(v128.load32_splat(weights + (<usize>s << 2)), loadUpTo4(value, count), sum);
        value += stride;
      }
      storeUpTo4(to + (<usize>j << 2), sum, count);
    }
  }
}

/** to (32) = the sum of keys rows of v, `stride` bytes apart, each times its weight. */
export function weightedSum32(to: usize, weights: usize, v: usize, stride: usize, keys: i32): void {
  let s0 = f32x4.splat(0);
  let s1 = f32x4.splat(0);
  let s2 = f32x4.splat(0);
  let s3 = f32x4.splat(0);
  let s4 = f32x4.splat(0);
  let s5 = f32x4.splat(0);
  let s6 = f32x4.splat(0);
  let s7 = f32x4.splat(0);
  for (const end = weights + (<usize>keys << 2); weights < end; weights += 4) {
    const weight = v128.load32_splat(weights);
    s0 = madd(weight, v128.load(v), s0);
    s1 = madd(weight, v128.load(v, 16), s1);
    s2 = madd(weight, v128.load(v, 32), s2);
    s3 = madd(weight, v128.load(v, 48), s3);
    s4 = madd(weight, v128.load(v, 64), s4);
    s5 = madd(weight, v128.load(v, 80), s5);
    s6 = madd(weight, v128.load(v, 96), s6);
    s7 = madd(weight, v128.load(v, 112), s7);
    v += stride;
  }
  v128.store(to, s0);
  v128.store(to, s1, 16);
  v128.store(to, s2, 32);
  v128.store(to, s3, 48);
  v128.store(to, s4, 64);
  v128.store(to, s5, 80);
  v128.store(to, s6, 96);
  v128.store(to, s7, 112);
}

/** dqkv (B, T, 3C) is overwritten; dout (B, T, C); saved (B, NH, T, 2) from the forward. */
export function attentionBackward(
  part: i32, parts: i32, dqkv: usize, dout: usize, qkv: usize, saved: usize,
  B: i32, T: i32, C: i32, NH: i32,
): void {
  const hs = C / NH;
  const end = B * NH * (part + 1) / parts;
  for (let unit = B * NH * part / parts; unit < end; unit++) {
    const b = unit / NH;
    const column = <usize>(unit % NH * hs) << 2;
    const inQkv = (<usize>(b * T) * 3 * C << 2) + column;
    const inOut = (<usize>(b * T) * C << 2) + column;
    const rows = saved + <usize>unit * T * SAVED_BYTES;
    headBackward(dqkv + inQkv, dout + inOut, qkv + inQkv, rows, T, C, hs);
  }
}

/**
 * One head of one sequence. With P the probabilities, S = scale q kᵀ the scores before the softmax, and per row
 * D = sum of P * dP:
 *
 *   dV = Pᵀ dO,   dP = dO Vᵀ,   dS = P * (dP - D),   dQ = scale dS K,   dK = scale dSᵀ Q
 *
 * The block with the last rows comes first: it sees all keys, so it sets all of dK and dV; the others add to them.
 */
function headBackward(dq: usize, dout: usize, q: usize, saved: usize, T: i32, C: i32, hs: i32): void {
  const scale: f32 = 1 / Mathf.sqrt(<f32>hs);
  const third = <usize>C << 2;
  const k = q + third;
  const v = k + third;
  const dk = dq + third;
  const dv = dk + third;
  const ld = 3 * C;
  const row = rowFloats(T);
  const block = blockRows(T);
  const probabilities = scratchBehindGemm();
  const dscores = probabilities + (<usize>(block * row) << 2);
  const keyPanels = dscores + (<usize>(block * row) << 2);
  const valuePanels = keyPanels + (<usize>panelFloats(T, hs) << 2);
  const keyRowPanels = valuePanels + (<usize>panelFloats(T, hs) << 2);
  packPanels(keyPanels, true, T, hs, k, ld);
  packPanels(valuePanels, true, T, hs, v, ld);
  packPanels(keyRowPanels, false, hs, T, k, ld);
  let later = false;
  for (let t0 = (T - 1) / block * block; t0 >= 0; t0 -= block) {
    const rows = min(block, T - t0);
    const seen = t0 + rows;
    const qBlock = q + (<usize>t0 * ld << 2);
    const doutBlock = dout + (<usize>t0 * C << 2);
    if (T <= FEW_QUERIES) dotScores(probabilities, row, qBlock, ld, k, ld, rows, seen, hs);
    else timesTransposed(probabilities, row, qBlock, ld, k, ld, keyPanels, rows, seen, T, hs);
    timesTransposed(dscores, row, doutBlock, C, v, ld, valuePanels, rows, seen, T, hs);
    for (let i = 0; i < rows; i++) {
      const p = probabilities + (<usize>(i * row) << 2);
      const ds = dscores + (<usize>(i * row) << 2);
      softmaxRowBackward(p, ds, t0 + i + 1, seen, scale, saved + <usize>(t0 + i) * SAVED_BYTES);
    }
    sgemm(true, false, seen, hs, rows, probabilities, row, doutBlock, C, dv, ld, later);
    sgemm(true, false, seen, hs, rows, dscores, row, qBlock, ld, dk, ld, later);
    times(dq + (<usize>t0 * ld << 2), ld, dscores, row, k, ld, keyRowPanels, rows, seen, T, hs);
    later = true;
  }
}

/**
 * One row: p holds raw scores and becomes probabilities, ds holds dP and becomes scale dS; 0 from `count` to `end`. D is the
 * sum of p dP itself, not of dout * out, which rounds differently: where one key has probability 1, dP - D is exactly 0.
 */
export function softmaxRowBackward(p: usize, ds: usize, count: i32, end: i32, scale: f32, saved: usize): void {
  const bytes = padRow(p, count, -Infinity) - p;
  padRow(ds, count, 0);
  const scales = f32x4.splat(scale);
  const shift = v128.load32_splat(saved);
  const inverses = v128.load32_splat(saved, 4);
  let d0 = f32x4.splat(0);
  let d1 = d0;
  for (let i: usize = 0; i < bytes; i += 32) {
    const p0 = f32x4.mul(expOfNegative(f32x4.mul(f32x4.sub(v128.load(p + i), shift), scales)), inverses);
    const p1 = f32x4.mul(expOfNegative(f32x4.mul(f32x4.sub(v128.load(p + i, 16), shift), scales)), inverses);
    v128.store(p + i, p0);
    v128.store(p + i, p1, 16);
    d0 = madd(p0, v128.load(ds + i), d0);
    d1 = madd(p1, v128.load(ds + i, 16), d1);
  }
  const minusD = f32x4.splat(-sumLanes(f32x4.add(d0, d1)));
  for (let i: usize = 0; i < bytes; i += 32) {
    const ds0 = f32x4.mul(f32x4.mul(v128.load(p + i), f32x4.add(v128.load(ds + i), minusD)), scales);
    const ds1 = f32x4.mul(f32x4.mul(v128.load(p + i, 16), f32x4.add(v128.load(ds + i, 16), minusD)), scales);
    v128.store(ds + i, ds0);
    v128.store(ds + i, ds1, 16);
  }
  clear(p + bytes, p + (<usize>end << 2));
  clear(ds + bytes, ds + (<usize>end << 2));
}
