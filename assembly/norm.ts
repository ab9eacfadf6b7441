// Sums over whole tensors, in double precision but for short runs of squares: the mean loss and the norm of all gradients.
//
// A tensor is split into chunks of CHUNK elements, whatever the number of threads; one f64 is kept for each chunk. A second
// command adds these up in order, in one thread. So the bits do not depend on the number of threads.
import { high, loadTail, loadUpTo4, low, madd, sumF64 } from "./math";
import { shareStart } from "./split";

const CHUNK: i32 = 16384;

/** Elements whose sum is kept in one f64. */
export function chunkSize(): i32 {
  return CHUNK;
}

/** Elements whose squares are added in single precision: 16 in each lane, which costs less than 1e-6 of the sum. */
const RUN: i32 = 512;

/** Double precision throughout would take three times as long, and memory can give the gradients faster than that. */
function chunkSquares(inp: usize, count: i32): f64 {
  let sum: f64 = 0;
  let i = 0;
  for (; i + RUN <= count; i += RUN) sum += runSquares(inp + (<usize>i << 2));
  for (; i < count; i += 4) {
    const x = loadUpTo4(inp + (<usize>i << 2), min(4, count - i));
    const squares = f32x4.mul(x, x);
    sum += sumF64(low(squares), high(squares));
  }
  return sum;
}

function runSquares(inp: usize): f64 {
  let s0 = f32x4.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  let s4 = s0;
  let s5 = s0;
  let s6 = s0;
  let s7 = s0;
  for (const stop = inp + (RUN << 2); inp < stop; inp += 128) {
    const x0 = v128.load(inp);
    const x1 = v128.load(inp, 16);
    const x2 = v128.load(inp, 32);
    const x3 = v128.load(inp, 48);
    const x4 = v128.load(inp, 64);
    const x5 = v128.load(inp, 80);
    const x6 = v128.load(inp, 96);
    const x7 = v128.load(inp, 112);
    s0 = madd(x0, x0, s0);
    s1 = madd(x1, x1, s1);
    s2 = madd(x2, x2, s2);
    s3 = madd(x3, x3, s3);
    s4 = madd(x4, x4, s4);
    s5 = madd(x5, x5, s5);
    s6 = madd(x6, x6, s6);
    s7 = madd(x7, x7, s7);
  }
  const a = sumF64(f64x2.add(low(s0), low(s1)), f64x2.add(high(s0), high(s1)));
  const b = sumF64(f64x2.add(low(s2), low(s3)), f64x2.add(high(s2), high(s3)));
  const c = sumF64(f64x2.add(low(s4), low(s5)), f64x2.add(high(s4), high(s5)));
  const d = sumF64(f64x2.add(low(s6), low(s7)), f64x2.add(high(s6), high(s7)));
  return a + b + (c + d);
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
export function sumSquares(part: i32, parts: i32, partials: usize, inp: usize, n: i32): void {
  const chunks = (n + CHUNK - 1) / CHUNK;
  const end = shareStart(chunks, 1, part + 1, parts);
  for (let i = shareStart(chunks, 1, part, parts); i < end; i++) {
    const sum = chunkSquares(inp + (<usize>i * CHUNK << 2), min(CHUNK, n - i * CHUNK));
    store<f64>(partials + (<usize>i << 3), sum);
  }
}

/** partials (ceil(n / chunkSize)) f64: the sum of each chunk of inp. */
export function sumChunks(part: i32, parts: i32, partials: usize, inp: usize, n: i32): void {
  const chunks = (n + CHUNK - 1) / CHUNK;
  const end = shareStart(chunks, 1, part + 1, parts);
  for (let i = shareStart(chunks, 1, part, parts); i < end; i++) {
    const sum = chunkSum(inp + (<usize>i * CHUNK << 2), min(CHUNK, n - i * CHUNK));
    store<f64>(partials + (<usize>i << 3), sum);
  }
}

/** out (1) = the sum of partials (count) f64, divided by `divisor`. */
export function combine(part: i32, parts: i32, out: usize, partials: usize, count: i32, divisor: i32): void {
  
  let sum: f64 = 0;
  for (let i = 0; i < count; i++) sum += load<f64>(partials + (<usize>i << 3));
  store<f32>(out, <f32>(sum / <f64>divisor));
}
