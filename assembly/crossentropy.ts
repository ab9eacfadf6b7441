// Softmax and cross-entropy on a block of the head's rows, in place.
//
// The head is fused by its caller: per block of rows matmulForward (logits), softmaxLoss (losses, and dlogits where the
// logits were), matmulBackwardInput and matmulBackwardWeight. So logits are never held for all rows.
import { expOfNegative, high, loadTail, log, low, maxLanes, minLanes, storeTail, sumF64 } from "./math";

/**
 * losses (rows) = log of the sum of exponentials of logits (rows, Vp), over the first V columns, minus the logit of
 * targets (rows, i32). If `writeGrad`, logits become dlogits = (softmax - one-hot) * scale, 0 in columns V to Vp;
 * otherwise they are left as they are. Of a row with a negative target, loss and dlogits are 0. Parts take whole rows.
 */
export function softmaxLoss(
  part: i32, parts: i32, losses: usize, logits: usize, targets: usize, rows: i32, V: i32, Vp: i32, scale: f32,
  writeGrad: i32,
): void {
  const end = rows * (part + 1) / parts;
  for (let i = rows * part / parts; i < end; i++) {
    const x = logits + (<usize>i * Vp << 2);
    const token = i32.load(targets + (<usize>i << 2));
    if (token < 0) {
      f32.store(losses + (<usize>i << 2), 0);
      if (writeGrad) memory.fill(x, 0, <usize>Vp << 2);
      continue;
    }
    const target = x + (<usize>token << 2);
    const logit = f32.load(target);
    const largest = maximum(x, V);
    const sum = writeGrad ? exponentials(x, V, largest, true) : exponentials(x, V, largest, false);
    f32.store(losses + (<usize>i << 2), <f32>(log(sum) + <f64>largest - <f64>logit));
    if (writeGrad) {
      multiply(x, V, <f32>(<f64>scale / sum));
      f32.store(target, f32.load(target) - scale);
      memory.fill(x + (<usize>V << 2), 0, <usize>(Vp - V) << 2);
    }
  }
}

/** The largest x. NaN if one is minus infinity, which may be a partial sum that overflowed. */
function maximum(x: usize, count: i32): f32 {
  const end = x + (<usize>(count & ~7) << 2);
  let m0 = f32x4.splat(-Infinity);
  let m1 = m0;
  let l0 = f32x4.splat(Infinity);
  let l1 = l0;
  for (; x < end; x += 32) {
    const x0 = v128.load(x);
    const x1 = v128.load(x, 16);
    m0 = f32x4.pmax(m0, x0);
    m1 = f32x4.pmax(m1, x1);
    l0 = f32x4.pmin(l0, x0);
    l1 = f32x4.pmin(l1, x1);
  }
  let largest = maxLanes(f32x4.pmax(m0, m1));
  let smallest = minLanes(f32x4.pmin(l0, l1));
  for (let i = 0; i < (count & 7); i++) {
    const value = f32.load(x + (<usize>i << 2));
    largest = max(largest, value);
    smallest = min(smallest, value);
  }
  return smallest > -Infinity ? largest : NaN;
}

/**
 * Bytes of x whose exponentials are added in single precision: 16 in each lane. A sum that ran over the whole vocabulary
 * would lose all that is below half a unit in its last place; what is lost in a block is below 1e-6 of the largest.
 */
const BLOCK: usize = 512;

/** Sum of e^(x - shift), eight lanes at a time; if `keep` (a constant), the exponentials replace x. */
// @ts-ignore: AssemblyScript's decorator
@inline
function exponentials(x: usize, count: i32, shift: f32, keep: bool): f64 {
  const end = x + (<usize>(count & ~7) << 2);
  const shifts = f32x4.splat(shift);
  let a = f64x2.splat(0);
  let b = a;
  while (x < end) {
    let s0 = f32x4.splat(0);
    let s1 = s0;
    for (const stop = min(end, x + BLOCK); x < stop; x += 32) {
      const e0 = expOfNegative(f32x4.sub(v128.load(x), shifts));
      const e1 = expOfNegative(f32x4.sub(v128.load(x, 16), shifts));
      if (keep) {
        v128.store(x, e0);
        v128.store(x, e1, 16);
      }
      s0 = f32x4.add(s0, e0);
      s1 = f32x4.add(s1, e1);
    }
    const sum = f32x4.add(s0, s1);
    a = f64x2.add(a, low(sum));
    b = f64x2.add(b, high(sum));
  }
  let sum = sumF64(a, b);
  for (let i = 0; i < (count & 7); i++, x += 4) {
    const e = expOfNegative(f32x4.sub(loadTail(x, 1), shifts));
    if (keep) storeTail(x, e, 1);
    sum += <f64>f32x4.extract_lane(e, 0);
  }
  return sum;
}

/** x *= factor. */
function multiply(x: usize, count: i32, factor: f32): void {
  const end = x + (<usize>(count & ~3) << 2);
  const factors = f32x4.splat(factor);
  for (; x < end; x += 16) v128.store(x, f32x4.mul(v128.load(x), factors));
  if (count & 3) storeTail(x, f32x4.mul(loadTail(x, count & 3), factors), count & 3);
}
