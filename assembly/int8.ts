// int8 weights: blocks of a scale in 16 bits and 32 codes (src/backend/wasm/blocks.ts), 34 bytes. Few rows are multiplied in
// integers: inputs become 16 bits, with a scale for each block, so that the sum over a block is exact, and rounding an input
// costs no more than 2^-16 of the largest of its block.
import { madd } from "./math";
import { shareStart } from "./split";

/** Numbers of a block. */
export const BLOCK: i32 = 32;
/** Its scale, and its codes. */
export const BLOCK_BYTES: i32 = 34;

/** 2^-25: bits of a scale are counted from it. */
const LEAST: i32 = 102 << 23;
const FRACTION_ZEROS: i32 = 13;

/** Largest code of an input. */
const LARGEST: f32 = 32767;

/** The scale of a block. */
// @ts-ignore: AssemblyScript's decorator
@inline
function scaleOf(block: usize): f32 {
  return reinterpret<f32>((<i32>load<u16>(block) << FRACTION_ZEROS) + LEAST);
}

/** Bytes of n numbers in blocks. */
// @ts-ignore: AssemblyScript's decorator
@inline
export function int8Bytes(n: i32): usize {
  return <usize>(n / BLOCK) * BLOCK_BYTES;
}

/** to (n) floats = from (n) in blocks. */
export function widenInt8(part: i32, parts: i32, to: usize, from: usize, n: i32): void {
  const end = shareStart(n / BLOCK, 1, part + 1, parts);
  for (let b = shareStart(n / BLOCK, 1, part, parts); b < end; b++) {
    const block = from + <usize>b * BLOCK_BYTES;
    const target = to + (<usize>b << 7);
    const scale = f32x4.splat(scaleOf(block));
    for (let i: usize = 0; i < 32; i += 8) {
      const codes = v128.load_ext<i8>(block + i, 2);
      v128.store(target + (i << 2), f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(codes)), scale));
      v128.store(target + (i << 2), f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(codes)), scale), 16);
    }
  }
}

/** to = the codes (n) of inp (n) in 16 bits, and behind them the blocks' scales as floats. NaN and infinity make the scale one. */
export function quantizeRows(part: i32, parts: i32, to: usize, inp: usize, n: i32): void {
  const scales = to + (<usize>n << 1);
  const end = shareStart(n / BLOCK, 1, part + 1, parts);
  for (let b = shareStart(n / BLOCK, 1, part, parts); b < end; b++) {
    const x = inp + (<usize>b << 7);
    let most = f32x4.abs(v128.load(x));
    for (let i: usize = 16; i < 128; i += 16) most = f32x4.max(most, f32x4.abs(v128.load(x + i)));
    most = f32x4.max(most, v128.shuffle<i32>(most, most, 2, 3, 0, 1));
    const largest = max<f32>(f32x4.extract_lane(most, 0), f32x4.extract_lane(most, 1));
    const inverse = f32x4.splat(largest > 0 ? LARGEST / largest : 0);
    f32.store(scales + (<usize>b << 2), largest / LARGEST);
    for (let i: usize = 0; i < 128; i += 32) {
      const low = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x + i), inverse)));
      const high = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x + i, 16), inverse)));
      v128.store(to + (<usize>b << 6) + (i >> 1), i16x8.narrow_i32x4_s(low, high));
    }
  }
}

/** sum + scale * (a x + b y), of eight codes each and as many inputs: four sums of neighbours. */
// @ts-ignore: AssemblyScript's decorator
@inline
function addHalf(a: v128, x: v128, b: v128, y: v128, scale: v128, sum: v128): v128 {
  return madd(f32x4.convert_i32x4_s(i32x4.add(i32x4.dot_i16x8_s(a, x), i32x4.dot_i16x8_s(b, y))), scale, sum);
}

/**
 * Four times eight sums of x[i] w[i], as dotFour of few-rows.ts, for so many blocks; `scales` are those of x. The first
 * and third quarter of a block are one half, the others the other, so that V8 can make one vector of two that lie side by side.
 */
export function dotFourInt8(
  sums: usize, x: usize, scales: usize, w0: usize, w1: usize, w2: usize, w3: usize, blocks: i32,
): void {
  let a0 = f32x4.splat(0);
  let a1 = f32x4.splat(0);
  let b0 = f32x4.splat(0);
  let b1 = f32x4.splat(0);
  let c0 = f32x4.splat(0);
  let c1 = f32x4.splat(0);
  let d0 = f32x4.splat(0);
  let d1 = f32x4.splat(0);
  for (const end = x + (<usize>blocks << 6); x < end; x += 64) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    const x2 = v128.load(x, 32);
    const x3 = v128.load(x, 48);
    const scale = f32.load(scales);
    const p = f32x4.splat(scaleOf(w0) * scale);
    const q = f32x4.splat(scaleOf(w1) * scale);
    const r = f32x4.splat(scaleOf(w2) * scale);
    const s = f32x4.splat(scaleOf(w3) * scale);
    a0 = addHalf(v128.load_ext<i8>(w0, 2), x0, v128.load_ext<i8>(w0, 18), x2, p, a0);
    a1 = addHalf(v128.load_ext<i8>(w0, 10), x1, v128.load_ext<i8>(w0, 26), x3, p, a1);
    b0 = addHalf(v128.load_ext<i8>(w1, 2), x0, v128.load_ext<i8>(w1, 18), x2, q, b0);
    b1 = addHalf(v128.load_ext<i8>(w1, 10), x1, v128.load_ext<i8>(w1, 26), x3, q, b1);
    c0 = addHalf(v128.load_ext<i8>(w2, 2), x0, v128.load_ext<i8>(w2, 18), x2, r, c0);
    c1 = addHalf(v128.load_ext<i8>(w2, 10), x1, v128.load_ext<i8>(w2, 26), x3, r, c1);
    d0 = addHalf(v128.load_ext<i8>(w3, 2), x0, v128.load_ext<i8>(w3, 18), x2, s, d0);
    d1 = addHalf(v128.load_ext<i8>(w3, 10), x1, v128.load_ext<i8>(w3, 26), x3, s, d1);
    w0 += BLOCK_BYTES;
    w1 += BLOCK_BYTES;
    w2 += BLOCK_BYTES;
    w3 += BLOCK_BYTES;
    scales += 4;
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
