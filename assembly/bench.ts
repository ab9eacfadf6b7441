// What this machine can do at most, as far as WebAssembly reaches: multiply-adds that touch no memory, and plain walks
// through more memory than any cache holds. `llm-ts bench` compares everything else with these.
//
// Like the tiles (tiles.mjs), they are written so that V8 can fuse pairs of vectors. All are called by every thread at
// once, each with its own share.
import { madd } from "./math";

/** Floats that a thread's share of an array is a multiple of. */
const SHARE: usize = 64;

/**
 * n rounds of 24 independent multiply-adds: 12 registers of 256 bits. `at` is where each thread finds, and leaves, 256
 * floats of its own. Every value is halved and 1 added, so all of them go to 2 and stay there.
 */
export function benchFmaWide(thread: i32, threads: i32, at: usize, n: i32): void {
  const p = at + (<usize>thread << 10);
  const half = v128.load32_splat(p, 512);
  const one = v128.load32_splat(p, 516);
  let c0 = v128.load(p);
  let c1 = v128.load(p, 16);
  let c2 = v128.load(p, 32);
  let c3 = v128.load(p, 48);
  let c4 = v128.load(p, 64);
  let c5 = v128.load(p, 80);
  let c6 = v128.load(p, 96);
  let c7 = v128.load(p, 112);
  let c8 = v128.load(p, 128);
  let c9 = v128.load(p, 144);
  let c10 = v128.load(p, 160);
  let c11 = v128.load(p, 176);
  let c12 = v128.load(p, 192);
  let c13 = v128.load(p, 208);
  let c14 = v128.load(p, 224);
  let c15 = v128.load(p, 240);
  let c16 = v128.load(p, 256);
  let c17 = v128.load(p, 272);
  let c18 = v128.load(p, 288);
  let c19 = v128.load(p, 304);
  let c20 = v128.load(p, 320);
  let c21 = v128.load(p, 336);
  let c22 = v128.load(p, 352);
  let c23 = v128.load(p, 368);
  do {
    c0 = madd(c0, half, one);
    c1 = madd(c1, half, one);
    c2 = madd(c2, half, one);
    c3 = madd(c3, half, one);
    c4 = madd(c4, half, one);
    c5 = madd(c5, half, one);
    c6 = madd(c6, half, one);
    c7 = madd(c7, half, one);
    c8 = madd(c8, half, one);
    c9 = madd(c9, half, one);
    c10 = madd(c10, half, one);
    c11 = madd(c11, half, one);
    c12 = madd(c12, half, one);
    c13 = madd(c13, half, one);
    c14 = madd(c14, half, one);
    c15 = madd(c15, half, one);
    c16 = madd(c16, half, one);
    c17 = madd(c17, half, one);
    c18 = madd(c18, half, one);
    c19 = madd(c19, half, one);
    c20 = madd(c20, half, one);
    c21 = madd(c21, half, one);
    c22 = madd(c22, half, one);
    c23 = madd(c23, half, one);
  } while (--n);
  v128.store(p, c0);
  v128.store(p, c1, 16);
  v128.store(p, c2, 32);
  v128.store(p, c3, 48);
  v128.store(p, c4, 64);
  v128.store(p, c5, 80);
  v128.store(p, c6, 96);
  v128.store(p, c7, 112);
  v128.store(p, c8, 128);
  v128.store(p, c9, 144);
  v128.store(p, c10, 160);
  v128.store(p, c11, 176);
  v128.store(p, c12, 192);
  v128.store(p, c13, 208);
  v128.store(p, c14, 224);
  v128.store(p, c15, 240);
  v128.store(p, c16, 256);
  v128.store(p, c17, 272);
  v128.store(p, c18, 288);
  v128.store(p, c19, 304);
  v128.store(p, c20, 320);
  v128.store(p, c21, 336);
  v128.store(p, c22, 352);
  v128.store(p, c23, 368);
}

/** The same with half as many, which fit the 16 registers of 128 bits where nothing is fused. */
export function benchFmaNarrow(thread: i32, threads: i32, at: usize, n: i32): void {
  const p = at + (<usize>thread << 10);
  const half = v128.load32_splat(p, 512);
  const one = v128.load32_splat(p, 516);
  let c0 = v128.load(p);
  let c1 = v128.load(p, 16);
  let c2 = v128.load(p, 32);
  let c3 = v128.load(p, 48);
  let c4 = v128.load(p, 64);
  let c5 = v128.load(p, 80);
  let c6 = v128.load(p, 96);
  let c7 = v128.load(p, 112);
  let c8 = v128.load(p, 128);
  let c9 = v128.load(p, 144);
  let c10 = v128.load(p, 160);
  let c11 = v128.load(p, 176);
  do {
    c0 = madd(c0, half, one);
    c1 = madd(c1, half, one);
    c2 = madd(c2, half, one);
    c3 = madd(c3, half, one);
    c4 = madd(c4, half, one);
    c5 = madd(c5, half, one);
    c6 = madd(c6, half, one);
    c7 = madd(c7, half, one);
    c8 = madd(c8, half, one);
    c9 = madd(c9, half, one);
    c10 = madd(c10, half, one);
    c11 = madd(c11, half, one);
  } while (--n);
  v128.store(p, c0);
  v128.store(p, c1, 16);
  v128.store(p, c2, 32);
  v128.store(p, c3, 48);
  v128.store(p, c4, 64);
  v128.store(p, c5, 80);
  v128.store(p, c6, 96);
  v128.store(p, c7, 112);
  v128.store(p, c8, 128);
  v128.store(p, c9, 144);
  v128.store(p, c10, 160);
  v128.store(p, c11, 176);
}

/** The first byte of a thread's share of n floats, and how many bytes it has. */
// @ts-ignore: decorator
@inline
function shareBytes(threads: i32, n: i32): usize {
  return (<usize>n / <usize>threads / SHARE * SHARE) << 2;
}

/** to (n) = from (n), 16 floats at a time. */
export function benchCopy(thread: i32, threads: i32, to: usize, from: usize, n: i32): void {
  const bytes = shareBytes(threads, n);
  let i = <usize>thread * bytes;
  for (const end = i + bytes; i < end; i += 64) {
    const a = v128.load(from + i);
    const b = v128.load(from + i, 16);
    const c = v128.load(from + i, 32);
    const d = v128.load(from + i, 48);
    v128.store(to + i, a);
    v128.store(to + i, b, 16);
    v128.store(to + i, c, 32);
    v128.store(to + i, d, 48);
  }
}

/** to (n) = a (n) + 2 b (n): STREAM's triad. */
export function benchTriad(thread: i32, threads: i32, to: usize, a: usize, b: usize, n: i32): void {
  const bytes = shareBytes(threads, n);
  const two = f32x4.splat(2);
  let i = <usize>thread * bytes;
  for (const end = i + bytes; i < end; i += 32) {
    const x = madd(v128.load(b + i), two, v128.load(a + i));
    const y = madd(v128.load(b + i, 16), two, v128.load(a + i, 16));
    v128.store(to + i, x);
    v128.store(to + i, y, 16);
  }
}

/** Adds n floats up in four streams, since one stream does not keep the memory busy; 32 bytes a thread at `out`. */
export function benchRead(thread: i32, threads: i32, out: usize, from: usize, n: i32): void {
  const bytes = shareBytes(threads, n);
  const stream = bytes >> 2;
  let a = from + <usize>thread * bytes;
  const end = a + stream;
  let b = end;
  let c = b + stream;
  let d = c + stream;
  let a0 = f32x4.splat(0);
  let a1 = f32x4.splat(0);
  let b0 = f32x4.splat(0);
  let b1 = f32x4.splat(0);
  let c0 = f32x4.splat(0);
  let c1 = f32x4.splat(0);
  let d0 = f32x4.splat(0);
  let d1 = f32x4.splat(0);
  // A stream is a multiple of 64 bytes long.
  for (; a < end; a += 32) {
    a0 = f32x4.add(a0, v128.load(a));
    a1 = f32x4.add(a1, v128.load(a, 16));
    b0 = f32x4.add(b0, v128.load(b));
    b1 = f32x4.add(b1, v128.load(b, 16));
    c0 = f32x4.add(c0, v128.load(c));
    c1 = f32x4.add(c1, v128.load(c, 16));
    d0 = f32x4.add(d0, v128.load(d));
    d1 = f32x4.add(d1, v128.load(d, 16));
    b += 32;
    c += 32;
    d += 32;
  }
  const to = out + (<usize>thread << 5);
  v128.store(to, f32x4.add(f32x4.add(a0, b0), f32x4.add(c0, d0)));
  v128.store(to, f32x4.add(f32x4.add(a1, b1), f32x4.add(c1, d1)), 16);
}
