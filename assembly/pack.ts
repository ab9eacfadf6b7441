// Packing: copies a block of a matrix into panels that the tiles (tiles.mjs) read straight through.
//
// A panel holds R rows of a, or columns of b, side by side for every k: [k][R], R being the tile's MR or NR (4, 6,
// 8 or 16). Panels follow each other, k * R floats apart; what the last one has beyond the block is never used. Nothing
// outside the block is read.
import { loadTail, storeTail } from "./math";

/** Copies `count` floats. */
// @ts-ignore: AssemblyScript's decorator
@inline
export function copyFloats(dst: usize, src: usize, count: i32): void {
  let i = 0;
  for (; i + 4 <= count; i += 4) v128.store(dst + (<usize>i << 2), v128.load(src + (<usize>i << 2)));
  if (i < count) storeTail(dst + (<usize>i << 2), loadTail(src + (<usize>i << 2), count - i), count - i);
}

/**
 * src (k, n) with rows `stride` bytes apart, into panels of R of the n. The panels are `length` long: more than k where
 * others pack the rest of them.
 */
export function packRows(dst: usize, src: usize, stride: usize, k: i32, n: i32, R: i32, length: i32): void {
  if (R == 16) copyPanels(dst, src, stride, k, n, 16, length);
  else if (R == 8) copyPanels(dst, src, stride, k, n, 8, length);
  else if (R == 6) copyPanels(dst, src, stride, k, n, 6, length);
  else copyPanels(dst, src, stride, k, n, 4, length);
}

/**
 * Row by row within some panels, so that whole lines of the source are read; so few panels that the L1 cache keeps the line at
 * which each is written, although panels of a block may lie a multiple of a KiB apart. R is a constant.
 */
// @ts-ignore: AssemblyScript's decorator
@inline
function copyPanels(dst: usize, src: usize, stride: usize, k: i32, n: i32, R: i32, length: i32): void {
  const panelBytes = <usize>(length * R) << 2;
  const whole = n / R;
  const most = R == 16 ? 4 : 8;
  for (let panel = 0; panel < whole; panel += most) {
    const bytes = <usize>(min(most, whole - panel) * R) << 2;
    let row = src + (<usize>(panel * R) << 2);
    let first = dst + <usize>panel * panelBytes;
    for (let i = 0; i < k; i++) {
      let from = row;
      let to = first;
      const end = from + bytes;
      while (from < end) {
        v128.store(to, v128.load(from));
        if (R == 6) v128.store64_lane(to, v128.load64_zero(from, 16), 0, 16);
        if (R >= 8) v128.store(to, v128.load(from, 16), 16);
        if (R == 16) {
          v128.store(to, v128.load(from, 32), 32);
          v128.store(to, v128.load(from, 48), 48);
        }
        from += R << 2;
        to += panelBytes;
      }
      row += stride;
      first += R << 2;
    }
  }
  const rest = n - whole * R;
  if (rest == 0) return;
  let from = src + (<usize>(whole * R) << 2);
  let to = dst + <usize>whole * panelBytes;
  for (let i = 0; i < k; i++) {
    for (let j = 0; j < R; j++) f32.store(to + (<usize>j << 2), j < rest ? f32.load(from + (<usize>j << 2)) : 0);
    from += stride;
    to += R << 2;
  }
}

/** src (n, k) with rows `stride` bytes apart, into panels of R of the n: a transposition. */
export function packColumns(dst: usize, src: usize, stride: usize, k: i32, n: i32, R: i32): void {
  const last = src + <usize>(n - 1) * stride;
  for (let first = 0; first < n; first += R) {
    for (let row = 0; row < R; row += 4) {
      const from = src + <usize>(first + row) * stride;
      const s0 = min(from, last);
      const s1 = min(from + stride, last);
      const to = dst + (<usize>row << 2);
      if (R - row == 2) {
        transposePair(to, s0, s1, k, R);
      } else {
        const s2 = min(from + 2 * stride, last);
        const s3 = min(from + 3 * stride, last);
        transposeFour(to, s0, s1, s2, s3, k, R);
      }
    }
    dst += <usize>(k * R) << 2;
  }
}

/** Four rows of k floats become k groups of four, R floats apart. */
function transposeFour(dst: usize, s0: usize, s1: usize, s2: usize, s3: usize, k: i32, R: i32): void {
  const step = <usize>R << 2;
  let i = 0;
  for (; i + 4 <= k; i += 4) {
    const r0 = v128.load(s0);
    const r1 = v128.load(s1);
    const r2 = v128.load(s2);
    const r3 = v128.load(s3);
    const low01 = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5);
    const low23 = v128.shuffle<i32>(r2, r3, 0, 4, 1, 5);
    const high01 = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7);
    const high23 = v128.shuffle<i32>(r2, r3, 2, 6, 3, 7);
    v128.store(dst, v128.shuffle<i64>(low01, low23, 0, 2));
    v128.store(dst + step, v128.shuffle<i64>(low01, low23, 1, 3));
    v128.store(dst + 2 * step, v128.shuffle<i64>(high01, high23, 0, 2));
    v128.store(dst + 3 * step, v128.shuffle<i64>(high01, high23, 1, 3));
    dst += 4 * step;
    s0 += 16;
    s1 += 16;
    s2 += 16;
    s3 += 16;
  }
  for (; i < k; i++) {
    f32.store(dst, f32.load(s0));
    f32.store(dst, f32.load(s1), 4);
    f32.store(dst, f32.load(s2), 8);
    f32.store(dst, f32.load(s3), 12);
    dst += step;
    s0 += 4;
    s1 += 4;
    s2 += 4;
    s3 += 4;
  }
}

/** Two rows of k floats become k pairs, R floats apart: what is left of a panel of 6. */
function transposePair(dst: usize, s0: usize, s1: usize, k: i32, R: i32): void {
  const step = <usize>R << 2;
  let i = 0;
  for (; i + 4 <= k; i += 4) {
    const r0 = v128.load(s0);
    const r1 = v128.load(s1);
    const low = v128.shuffle<i32>(r0, r1, 0, 4, 1, 5);
    const high = v128.shuffle<i32>(r0, r1, 2, 6, 3, 7);
    v128.store64_lane(dst, low, 0);
    v128.store64_lane(dst + step, low, 1);
    v128.store64_lane(dst + 2 * step, high, 0);
    v128.store64_lane(dst + 3 * step, high, 1);
    dst += 4 * step;
    s0 += 16;
    s1 += 16;
  }
  for (; i < k; i++) {
    f32.store(dst, f32.load(s0));
    f32.store(dst, f32.load(s1), 4);
    dst += step;
    s0 += 4;
    s1 += 4;
  }
}
