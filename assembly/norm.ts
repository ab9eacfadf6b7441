// Sums over whole tensors, in double precision: the mean loss and the norm of all gradients.
//
// A tensor is cut into chunks of CHUNK elements, wherever the threads stand; one f64 is kept for each chunk. A second
// command adds these up in order, in one thread. So the bits do not depend on the number of threads.
import { loadTail } from "./math";
import { shareStart } from "./split";

const CHUNK: i32 = 16384;

/** Elements whose sum is kept in one f64. */
export function chunkSize(): i32 {
  return CHUNK;
}

// @ts-ignore: decorator
@inline
function low(x: v128): v128 {
  return f64x2.promote_low_f32x4(x);
}

// @ts-ignore: decorator
@inline
function high(x: v128): v128 {
  return f64x2.promote_low_f32x4(v128.shuffle<i32>(x, x, 2, 3, 0, 1));
}

// @ts-ignore: decorator
@inline
function sumF64(a: v128, b: v128): f64 {
  const s = f64x2.add(a, b);
  return f64x2.extract_lane(s, 0) + f64x2.extract_lane(s, 1);
}

function chunkSquares(inp: usize, count: i32): f64 {
  let a = f64x2.splat(0);
  let b = f64x2.splat(0);
  const stop = inp + (<usize>(count & ~3) << 2);
  for (; inp < stop; inp += 16) {
    const x = v128.load(inp);
    const l = low(x);
    const h = high(x);
    a = f64x2.add(a, f64x2.mul(l, l));
    b = f64x2.add(b, f64x2.mul(h, h));
  }
  if (count & 3) {
    const x = loadTail(inp, count & 3);
    const l = low(x);
    const h = high(x);
    a = f64x2.add(a, f64x2.mul(l, l));
    b = f64x2.add(b, f64x2.mul(h, h));
  }
  return sumF64(a, b);
}

function chunkSum(inp: usize, count: i32): f64 {
  let a = f64x2.splat(0);
  let b = f64x2.splat(0);
  const stop = inp + (<usize>(count & ~3) << 2);
  for (; inp < stop; inp += 16) {
    const x = v128.load(inp);
    a = f64x2.add(a, low(x));
    b = f64x2.add(b, high(x));
  }
  if (count & 3) {
    const x = loadTail(inp, count & 3);
    a = f64x2.add(a, low(x));
    b = f64x2.add(b, high(x));
  }
  return sumF64(a, b);
}

/** partials (ceil(n / chunkSize)) f64: the sum of squares of each chunk of inp. */
export function sumSquares(thread: i32, threads: i32, partials: usize, inp: usize, n: i32): void {
  const chunks = (n + CHUNK - 1) / CHUNK;
  const end = shareStart(chunks, 1, thread + 1, threads);
  for (let i = shareStart(chunks, 1, thread, threads); i < end; i++) {
    const sum = chunkSquares(inp + (<usize>i * CHUNK << 2), min(CHUNK, n - i * CHUNK));
    store<f64>(partials + (<usize>i << 3), sum);
  }
}

/** partials (ceil(n / chunkSize)) f64: the sum of each chunk of inp. */
export function sumChunks(thread: i32, threads: i32, partials: usize, inp: usize, n: i32): void {
  const chunks = (n + CHUNK - 1) / CHUNK;
  const end = shareStart(chunks, 1, thread + 1, threads);
  for (let i = shareStart(chunks, 1, thread, threads); i < end; i++) {
    const sum = chunkSum(inp + (<usize>i * CHUNK << 2), min(CHUNK, n - i * CHUNK));
    store<f64>(partials + (<usize>i << 3), sum);
  }
}

/** out (1) = the sum of partials (count) f64, divided by `divisor`. */
export function combine(thread: i32, threads: i32, out: usize, partials: usize, count: i32, divisor: i32): void {
  if (thread) return;
  let sum: f64 = 0;
  for (let i = 0; i < count; i++) sum += load<f64>(partials + (<usize>i << 3));
  store<f32>(out, <f32>(sum / <f64>divisor));
}
