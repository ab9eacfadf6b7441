// Memory bandwidth benchmarks: sequential passes over more memory than any cache holds. `llm-ts bench` compares all other
// measurements with these, and with the multiply-adds of fma.mjs.
//
// Like the tiles (tiles.mjs), they are written so that V8 can fuse pairs of vectors. All are called by every thread at
// once, each with its own share.
import { madd } from "./math";

/** Floats that a thread's share of an array is a multiple of. */
const SHARE: usize = 64;

/** The first byte of a thread's share of n floats, and how many bytes it has. */
// @ts-ignore: AssemblyScript's decorator
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
