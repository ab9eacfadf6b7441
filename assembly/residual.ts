// Element by element: the sum of two tensors, and one value for all elements.
import { loadTail, storeTail } from "./math";
import { LINE, shareStart } from "./split";

/** out = a + b; out may be either. */
export function residualForward(part: i32, parts: i32, out: usize, a: usize, b: usize, n: i32): void {
  const start = shareStart(n, LINE, part, parts);
  const end = shareStart(n, LINE, part + 1, parts);
  const vectors = start + ((end - start) & ~3);
  let at = <usize>start << 2;
  for (const stop = <usize>vectors << 2; at < stop; at += 16) {
    v128.store(out + at, f32x4.add(v128.load(a + at), v128.load(b + at)));
  }
  const rest = end - vectors;
  if (rest) storeTail(out + at, f32x4.add(loadTail(a + at, rest), loadTail(b + at, rest)), rest);
}

/** out = alpha a + beta b; out may be either. */
export function addScaled(part: i32, parts: i32, out: usize, a: usize, b: usize, n: i32, alpha: f32, beta: f32): void {
  const start = shareStart(n, LINE, part, parts);
  const end = shareStart(n, LINE, part + 1, parts);
  const vectors = start + ((end - start) & ~3);
  const first = f32x4.splat(alpha);
  const second = f32x4.splat(beta);
  let at = <usize>start << 2;
  for (const stop = <usize>vectors << 2; at < stop; at += 16) {
    v128.store(out + at, f32x4.add(f32x4.mul(first, v128.load(a + at)), f32x4.mul(second, v128.load(b + at))));
  }
  const rest = end - vectors;
  if (rest) {
    const sum = f32x4.add(f32x4.mul(first, loadTail(a + at, rest)), f32x4.mul(second, loadTail(b + at, rest)));
    storeTail(out + at, sum, rest);
  }
}

/** Sets all 4-byte elements to `bits`: an integer, or a float's bit pattern. */
export function fill(part: i32, parts: i32, out: usize, n: i32, bits: i32): void {
  const start = shareStart(n, LINE, part, parts);
  const end = shareStart(n, LINE, part + 1, parts);
  if (bits == 0) {
    memory.fill(out + (<usize>start << 2), 0, <usize>(end - start) << 2);
    return;
  }
  const value = i32x4.splat(bits);
  const vectors = start + ((end - start) & ~3);
  let at = out + (<usize>start << 2);
  for (const stop = out + (<usize>vectors << 2); at < stop; at += 16) v128.store(at, value);
  const rest = end - vectors;
  if (rest) storeTail(at, value, rest);
}
