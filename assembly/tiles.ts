// The innermost loops of every matrix product: c (MR, NR) = init + a (k, MR)ᵀ b (k, NR), for three tile sizes.
//
// a and b are packed panels (pack.ts), so both are read straight through. init is what the sum starts from, one row
// every initStride bytes: the tile of c itself, or a bias row or zeros with a stride of 0. Strides are in bytes.
//
// Which tile is fastest depends on the engine's register allocation; the caller measures and sets it (setTile in
// gemm.ts). Element for element they add in the same order, so all give the same bits.
//
// The shape of this code is what lets V8 (13 and later, with --experimental-wasm-revectorize) fuse pairs of 128-bit
// operations into 256-bit ones, which doubles the speed of the 6x16 tile:
// - loads and stores in pairs exactly 16 bytes apart with one base;
// - no load after a store: the whole of init is read first, the whole of c written last;
// - one splat of a per row, shared by the row's vectors;
// - exported, so that nothing inlines it, and the loop not unrolled.
// `node --experimental-wasm-revectorize --trace-wasm-revectorize` says what became of a function.
import { madd } from "./math";

export function tile6x16(
  k: i32, a: usize, b: usize, init: usize, initStride: usize, c: usize, stride: usize,
): void {
  let c0a = v128.load(init);
  let c0b = v128.load(init, 16);
  let c0c = v128.load(init, 32);
  let c0d = v128.load(init, 48);
  init += initStride;
  let c1a = v128.load(init);
  let c1b = v128.load(init, 16);
  let c1c = v128.load(init, 32);
  let c1d = v128.load(init, 48);
  init += initStride;
  let c2a = v128.load(init);
  let c2b = v128.load(init, 16);
  let c2c = v128.load(init, 32);
  let c2d = v128.load(init, 48);
  init += initStride;
  let c3a = v128.load(init);
  let c3b = v128.load(init, 16);
  let c3c = v128.load(init, 32);
  let c3d = v128.load(init, 48);
  init += initStride;
  let c4a = v128.load(init);
  let c4b = v128.load(init, 16);
  let c4c = v128.load(init, 32);
  let c4d = v128.load(init, 48);
  init += initStride;
  let c5a = v128.load(init);
  let c5b = v128.load(init, 16);
  let c5c = v128.load(init, 32);
  let c5d = v128.load(init, 48);
  do {
    const ba = v128.load(b);
    const bb = v128.load(b, 16);
    const bc = v128.load(b, 32);
    const bd = v128.load(b, 48);
    const a0 = v128.load32_splat(a);
    c0a = madd(a0, ba, c0a);
    c0b = madd(a0, bb, c0b);
    c0c = madd(a0, bc, c0c);
    c0d = madd(a0, bd, c0d);
    const a1 = v128.load32_splat(a, 4);
    c1a = madd(a1, ba, c1a);
    c1b = madd(a1, bb, c1b);
    c1c = madd(a1, bc, c1c);
    c1d = madd(a1, bd, c1d);
    const a2 = v128.load32_splat(a, 8);
    c2a = madd(a2, ba, c2a);
    c2b = madd(a2, bb, c2b);
    c2c = madd(a2, bc, c2c);
    c2d = madd(a2, bd, c2d);
    const a3 = v128.load32_splat(a, 12);
    c3a = madd(a3, ba, c3a);
    c3b = madd(a3, bb, c3b);
    c3c = madd(a3, bc, c3c);
    c3d = madd(a3, bd, c3d);
    const a4 = v128.load32_splat(a, 16);
    c4a = madd(a4, ba, c4a);
    c4b = madd(a4, bb, c4b);
    c4c = madd(a4, bc, c4c);
    c4d = madd(a4, bd, c4d);
    const a5 = v128.load32_splat(a, 20);
    c5a = madd(a5, ba, c5a);
    c5b = madd(a5, bb, c5b);
    c5c = madd(a5, bc, c5c);
    c5d = madd(a5, bd, c5d);
    a += 24;
    b += 64;
  } while (--k);
  v128.store(c, c0a);
  v128.store(c, c0b, 16);
  v128.store(c, c0c, 32);
  v128.store(c, c0d, 48);
  c += stride;
  v128.store(c, c1a);
  v128.store(c, c1b, 16);
  v128.store(c, c1c, 32);
  v128.store(c, c1d, 48);
  c += stride;
  v128.store(c, c2a);
  v128.store(c, c2b, 16);
  v128.store(c, c2c, 32);
  v128.store(c, c2d, 48);
  c += stride;
  v128.store(c, c3a);
  v128.store(c, c3b, 16);
  v128.store(c, c3c, 32);
  v128.store(c, c3d, 48);
  c += stride;
  v128.store(c, c4a);
  v128.store(c, c4b, 16);
  v128.store(c, c4c, 32);
  v128.store(c, c4d, 48);
  c += stride;
  v128.store(c, c5a);
  v128.store(c, c5b, 16);
  v128.store(c, c5c, 32);
  v128.store(c, c5d, 48);
}

export function tile6x8(
  k: i32, a: usize, b: usize, init: usize, initStride: usize, c: usize, stride: usize,
): void {
  let c0a = v128.load(init);
  let c0b = v128.load(init, 16);
  init += initStride;
  let c1a = v128.load(init);
  let c1b = v128.load(init, 16);
  init += initStride;
  let c2a = v128.load(init);
  let c2b = v128.load(init, 16);
  init += initStride;
  let c3a = v128.load(init);
  let c3b = v128.load(init, 16);
  init += initStride;
  let c4a = v128.load(init);
  let c4b = v128.load(init, 16);
  init += initStride;
  let c5a = v128.load(init);
  let c5b = v128.load(init, 16);
  do {
    const ba = v128.load(b);
    const bb = v128.load(b, 16);
    const a0 = v128.load32_splat(a);
    c0a = madd(a0, ba, c0a);
    c0b = madd(a0, bb, c0b);
    const a1 = v128.load32_splat(a, 4);
    c1a = madd(a1, ba, c1a);
    c1b = madd(a1, bb, c1b);
    const a2 = v128.load32_splat(a, 8);
    c2a = madd(a2, ba, c2a);
    c2b = madd(a2, bb, c2b);
    const a3 = v128.load32_splat(a, 12);
    c3a = madd(a3, ba, c3a);
    c3b = madd(a3, bb, c3b);
    const a4 = v128.load32_splat(a, 16);
    c4a = madd(a4, ba, c4a);
    c4b = madd(a4, bb, c4b);
    const a5 = v128.load32_splat(a, 20);
    c5a = madd(a5, ba, c5a);
    c5b = madd(a5, bb, c5b);
    a += 24;
    b += 32;
  } while (--k);
  v128.store(c, c0a);
  v128.store(c, c0b, 16);
  c += stride;
  v128.store(c, c1a);
  v128.store(c, c1b, 16);
  c += stride;
  v128.store(c, c2a);
  v128.store(c, c2b, 16);
  c += stride;
  v128.store(c, c3a);
  v128.store(c, c3b, 16);
  c += stride;
  v128.store(c, c4a);
  v128.store(c, c4b, 16);
  c += stride;
  v128.store(c, c5a);
  v128.store(c, c5b, 16);
}

export function tile4x8(
  k: i32, a: usize, b: usize, init: usize, initStride: usize, c: usize, stride: usize,
): void {
  let c0a = v128.load(init);
  let c0b = v128.load(init, 16);
  init += initStride;
  let c1a = v128.load(init);
  let c1b = v128.load(init, 16);
  init += initStride;
  let c2a = v128.load(init);
  let c2b = v128.load(init, 16);
  init += initStride;
  let c3a = v128.load(init);
  let c3b = v128.load(init, 16);
  do {
    const ba = v128.load(b);
    const bb = v128.load(b, 16);
    const a0 = v128.load32_splat(a);
    c0a = madd(a0, ba, c0a);
    c0b = madd(a0, bb, c0b);
    const a1 = v128.load32_splat(a, 4);
    c1a = madd(a1, ba, c1a);
    c1b = madd(a1, bb, c1b);
    const a2 = v128.load32_splat(a, 8);
    c2a = madd(a2, ba, c2a);
    c2b = madd(a2, bb, c2b);
    const a3 = v128.load32_splat(a, 12);
    c3a = madd(a3, ba, c3a);
    c3b = madd(a3, bb, c3b);
    a += 16;
    b += 32;
  } while (--k);
  v128.store(c, c0a);
  v128.store(c, c0b, 16);
  c += stride;
  v128.store(c, c1a);
  v128.store(c, c1b, 16);
  c += stride;
  v128.store(c, c2a);
  v128.store(c, c2b, 16);
  c += stride;
  v128.store(c, c3a);
  v128.store(c, c3b, 16);
}
