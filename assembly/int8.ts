// int8 weights: groups of eight blocks, each 32 codes with a scale in 16 bits (src/backend/wasm/blocks.ts). A group holds its eight
// scales, then the first two codes of each block, the next two of each, and so on: so a vector's lanes are blocks, and their sums
// meet all eight scales at once. Few rows are multiplied in integers: inputs become 16 bits, with a scale for each block,
// so that the sum over a block is exact, and rounding an input costs no more than 2^-16 of the largest of its block.
import { madd } from "./math";
import { shareStart } from "./split";

/** Numbers of a block. */
export const BLOCK: i32 = 32;
/** Blocks of a group, its bytes, and those of its scales. */
const BLOCKS: i32 = 8;
const GROUP_BYTES: usize = 272;
const SCALE_BYTES: usize = 16;
/** Codes of each block that lie side by side. */
const PAIRS: i32 = BLOCK / 2;

/** A group of inputs: eight scales as floats, then codes of 16 bits in the same order. */
const INPUT_BYTES: usize = 544;
const INPUT_SCALE_BYTES: usize = 32;

/** 2^-25: bits of a scale are counted from it. */
const LEAST: i32 = 102 << 23;
const FRACTION_ZEROS: i32 = 13;

/** Largest code of an input. */
const LARGEST: f32 = 32767;

/** The group of block number `b`. */
// @ts-ignore: AssemblyScript's decorator
@inline
export function groupOf(weights: usize, b: i32): usize {
  return weights + <usize>(b >> 3) * GROUP_BYTES;
}

/** Place of block number `b` in its group. */
// @ts-ignore: AssemblyScript's decorator
@inline
export function laneOf(b: i32): i32 {
  return b & (BLOCKS - 1);
}

/** Groups that so many blocks lie in, the first at `lane`. */
// @ts-ignore: AssemblyScript's decorator
@inline
export function groupsOf(lane: i32, blocks: i32): i32 {
  return (lane + blocks + BLOCKS - 1) >> 3;
}

/** Bytes that an input row of so many blocks takes, for weights whose rows begin at any lane. */
export function inputRowBytes(blocks: i32): i32 {
  return groupsOf(BLOCKS - 1, blocks) * <i32>INPUT_BYTES;
}

/** Eight codes of a block from pair number `pair` on, as 16 bits. */
// @ts-ignore: AssemblyScript's decorator
@inline
function eightCodes(codes: usize, pair: i32): v128 {
  const at = codes + (<usize>pair << 4);
  let bytes = v128.load16_splat(at);
  bytes = v128.load16_lane(at, bytes, 1, 16);
  bytes = v128.load16_lane(at, bytes, 2, 32);
  bytes = v128.load16_lane(at, bytes, 3, 48);
  return i16x8.extend_low_i8x16_s(bytes);
}

/** to = the numbers of blocks `first` to `end` - 1 as floats. */
export function widenBlocks(to: usize, weights: usize, first: i32, end: i32): void {
  for (let b = first; b < end; b++) {
    const group = groupOf(weights, b);
    const lane = <usize>laneOf(b) << 1;
    const scale = f32x4.splat(reinterpret<f32>((<i32>load<u16>(group + lane) << FRACTION_ZEROS) + LEAST));
    for (let pair = 0; pair < PAIRS; pair += 4) {
      const codes = eightCodes(group + SCALE_BYTES + lane, pair);
      v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_low_i16x8_s(codes)), scale));
      v128.store(to, f32x4.mul(f32x4.convert_i32x4_s(i32x4.extend_high_i16x8_s(codes)), scale), 16);
      to += 32;
    }
  }
}

/** to (n) floats = from (n) in groups. */
export function widenInt8(part: i32, parts: i32, to: usize, from: usize, n: i32): void {
  const first = shareStart(n / BLOCK, BLOCKS, part, parts);
  widenBlocks(to + (<usize>first << 7), from, first, shareStart(n / BLOCK, BLOCKS, part + 1, parts));
}

/**
 * Rows (N, C) as inputs for rows of weights that begin at `lane` of a group: zeros where another row's blocks are. A row takes
 * inputRowBytes. NaN and infinity make the scale of their block one.
 */
export function quantizeRows(part: i32, parts: i32, to: usize, inp: usize, N: i32, C: i32, lane: i32): void {
  const blocks = C / BLOCK;
  const end = shareStart(N, 1, part + 1, parts);
  for (let n = shareStart(N, 1, part, parts); n < end; n++) {
    const row = to + <usize>(n * inputRowBytes(blocks));
    if (laneOf(lane | blocks)) memory.fill(row, 0, <usize>groupsOf(lane, blocks) * INPUT_BYTES);
    for (let b = 0; b < blocks; b++) {
      const group = row + <usize>((lane + b) >> 3) * INPUT_BYTES;
      quantizeBlock(group + (<usize>laneOf(lane + b) << 2), inp + (<usize>(n * blocks + b) << 7));
    }
  }
}

/** One block of inputs at x: its scale at `to`, and its codes in every eighth pair behind the scales. */
function quantizeBlock(to: usize, x: usize): void {
  let most = f32x4.abs(v128.load(x));
  for (let i: usize = 16; i < 128; i += 16) most = f32x4.max(most, f32x4.abs(v128.load(x + i)));
  most = f32x4.max(most, v128.shuffle<i32>(most, most, 2, 3, 0, 1));
  const largest = max<f32>(f32x4.extract_lane(most, 0), f32x4.extract_lane(most, 1));
  const inverse = f32x4.splat(largest > 0 ? LARGEST / largest : 0);
  f32.store(to, largest / LARGEST);
  to += INPUT_SCALE_BYTES;
  for (const end = x + 128; x < end; x += 32) {
    const low = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x), inverse)));
    const high = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(x, 16), inverse)));
    const codes = i16x8.narrow_i32x4_s(low, high);
    v128.store32_lane(to, codes, 0);
    v128.store32_lane(to, codes, 1, 32);
    v128.store32_lane(to, codes, 2, 64);
    v128.store32_lane(to, codes, 3, 96);
    to += 128;
  }
}

/** sum + the two products of each block, of four blocks: codes of 8 bits times inputs of 16. */
// @ts-ignore: AssemblyScript's decorator
@inline
function addPairs(codes: v128, x: v128, sum: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(codes, x));
}

/** sum + sums of four blocks, times the scales of their weights, in 16 bits, and of their inputs. */
// @ts-ignore: AssemblyScript's decorator
@inline
function addBlocks(blocks: v128, weightScales: v128, inputScales: v128, sum: v128): v128 {
  const scales = f32x4.mul(i32x4.add(i32x4.shl(weightScales, FRACTION_ZEROS), i32x4.splat(LEAST)), inputScales);
  return madd(f32x4.convert_i32x4_s(blocks), scales, sum);
}

/**
 * Four times eight sums of x[i] w[i], as dotFour of few-rows.ts, for so many groups: by the place of a block in its group. V8
 * can make one vector of two that lie side by side.
 */
export function dotFourInt8(sums: usize, x: usize, w0: usize, w1: usize, w2: usize, w3: usize, groups: i32): void {
  let a0 = f32x4.splat(0);
  let a1 = f32x4.splat(0);
  let b0 = f32x4.splat(0);
  let b1 = f32x4.splat(0);
  let c0 = f32x4.splat(0);
  let c1 = f32x4.splat(0);
  let d0 = f32x4.splat(0);
  let d1 = f32x4.splat(0);
  for (const end = x + <usize>groups * INPUT_BYTES; x < end; ) {
    const scales0 = v128.load(x);
    const scales1 = v128.load(x, 16);
    const p0 = v128.load_ext<u16>(w0);
    const p1 = v128.load_ext<u16>(w0, 8);
    const q0 = v128.load_ext<u16>(w1);
    const q1 = v128.load_ext<u16>(w1, 8);
    const r0 = v128.load_ext<u16>(w2);
    const r1 = v128.load_ext<u16>(w2, 8);
    const s0 = v128.load_ext<u16>(w3);
    const s1 = v128.load_ext<u16>(w3, 8);
    let e0 = i32x4.splat(0);
    let e1 = i32x4.splat(0);
    let f0 = i32x4.splat(0);
    let f1 = i32x4.splat(0);
    let g0 = i32x4.splat(0);
    let g1 = i32x4.splat(0);
    let h0 = i32x4.splat(0);
    let h1 = i32x4.splat(0);
    x += INPUT_SCALE_BYTES;
    w0 += SCALE_BYTES;
    w1 += SCALE_BYTES;
    w2 += SCALE_BYTES;
    w3 += SCALE_BYTES;
    for (const stop = x + (INPUT_BYTES - INPUT_SCALE_BYTES); x < stop; x += 32) {
      const x0 = v128.load(x);
      const x1 = v128.load(x, 16);
      e0 = addPairs(v128.load_ext<i8>(w0), x0, e0);
      e1 = addPairs(v128.load_ext<i8>(w0, 8), x1, e1);
      f0 = addPairs(v128.load_ext<i8>(w1), x0, f0);
      f1 = addPairs(v128.load_ext<i8>(w1, 8), x1, f1);
      g0 = addPairs(v128.load_ext<i8>(w2), x0, g0);
      g1 = addPairs(v128.load_ext<i8>(w2, 8), x1, g1);
      h0 = addPairs(v128.load_ext<i8>(w3), x0, h0);
      h1 = addPairs(v128.load_ext<i8>(w3, 8), x1, h1);
      w0 += 16;
      w1 += 16;
      w2 += 16;
      w3 += 16;
    }
    a0 = addBlocks(e0, p0, scales0, a0);
    a1 = addBlocks(e1, p1, scales1, a1);
    b0 = addBlocks(f0, q0, scales0, b0);
    b1 = addBlocks(f1, q1, scales1, b1);
    c0 = addBlocks(g0, r0, scales0, c0);
    c1 = addBlocks(g1, r1, scales1, c1);
    d0 = addBlocks(h0, s0, scales0, d0);
    d1 = addBlocks(h1, s1, scales1, d1);
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
