// Layernorm (Ba et al., 2016) over the channels of each row.
//
// Sums over a row run in four vectors side by side, which are added in a fixed order at the end. The variance is taken
// in a second pass around the mean: in f32, E[x²] - E[x]² would cancel.
import { loadTail, madd, storeTail, sumLanes } from "./math";
import { LINE, shareStart } from "./split";

/** All ones in the first `count` lanes, zero in the others. */
// @ts-ignore: decorator
@inline
function tailMask(count: i32): v128 {
  return i32x4.lt_s(i32x4(0, 1, 2, 3), i32x4.splat(count));
}

function rowMean(x: usize, C: i32): f32 {
  let a = f32x4.splat(0);
  let b = f32x4.splat(0);
  let c = f32x4.splat(0);
  let d = f32x4.splat(0);
  let i = 0;
  for (; i <= C - 16; i += 16, x += 64) {
    a = f32x4.add(a, v128.load(x));
    b = f32x4.add(b, v128.load(x, 16));
    c = f32x4.add(c, v128.load(x, 32));
    d = f32x4.add(d, v128.load(x, 48));
  }
  for (; i <= C - 4; i += 4, x += 16) a = f32x4.add(a, v128.load(x));
  if (i < C) a = f32x4.add(a, loadTail(x, C - i));
  return sumLanes(f32x4.add(f32x4.add(a, b), f32x4.add(c, d))) / <f32>C;
}

function rowVariance(x: usize, C: i32, mean: f32): f32 {
  const m = f32x4.splat(mean);
  let a = f32x4.splat(0);
  let b = f32x4.splat(0);
  let c = f32x4.splat(0);
  let d = f32x4.splat(0);
  let i = 0;
  for (; i <= C - 16; i += 16, x += 64) {
    const x0 = f32x4.sub(v128.load(x), m);
    const x1 = f32x4.sub(v128.load(x, 16), m);
    const x2 = f32x4.sub(v128.load(x, 32), m);
    const x3 = f32x4.sub(v128.load(x, 48), m);
    a = madd(x0, x0, a);
    b = madd(x1, x1, b);
    c = madd(x2, x2, c);
    d = madd(x3, x3, d);
  }
  for (; i <= C - 4; i += 4, x += 16) {
    const x0 = f32x4.sub(v128.load(x), m);
    a = madd(x0, x0, a);
  }
  if (i < C) {
    const x0 = v128.and(f32x4.sub(loadTail(x, C - i), m), tailMask(C - i));
    a = madd(x0, x0, a);
  }
  return sumLanes(f32x4.add(f32x4.add(a, b), f32x4.add(c, d))) / <f32>C;
}

// @ts-ignore: decorator
@inline
function normalized(x: v128, mean: v128, rstd: v128): v128 {
  return f32x4.mul(f32x4.sub(x, mean), rstd);
}

/** out (N,C) = (inp - mean) * rstd * weight + bias; mean and rstd (N) are kept. Threads share the rows. */
export function layernormForward(
  thread: i32, threads: i32, out: usize, mean: usize, rstd: usize, inp: usize, weight: usize, bias: usize,
  N: i32, C: i32, epsilon: f32,
): void {
  const end = shareStart(N, 1, thread + 1, threads);
  const stop = <usize>(C & ~3) << 2;
  const rest = C & 3;
  for (let n = shareStart(N, 1, thread, threads); n < end; n++) {
    const x = inp + (<usize>n * C << 2);
    const y = out + (<usize>n * C << 2);
    const rowMeanValue = rowMean(x, C);
    const rowRstd = <f32>1 / sqrt(rowVariance(x, C, rowMeanValue) + epsilon);
    store<f32>(mean + (<usize>n << 2), rowMeanValue);
    store<f32>(rstd + (<usize>n << 2), rowRstd);
    const m = f32x4.splat(rowMeanValue);
    const r = f32x4.splat(rowRstd);
    let at: usize = 0;
    for (; at < stop; at += 16) {
      v128.store(y + at, madd(normalized(v128.load(x + at), m, r), v128.load(weight + at), v128.load(bias + at)));
    }
    if (rest) {
      const z = normalized(loadTail(x + at, rest), m, r);
      storeTail(y + at, madd(z, loadTail(weight + at, rest), loadTail(bias + at, rest)), rest);
    }
  }
}

/**
 * With z = (inp - mean) * rstd and dz = weight * dout:
 * dinp += rstd (dz - average(dz) - z average(dz z)); dweight = sum of dout z and dbias = sum of dout over the rows,
 * or += if `accumulate`. Threads share the rows for dinp, the channels for dweight and dbias.
 */
export function layernormBackward(
  thread: i32, threads: i32, dinp: usize, dweight: usize, dbias: usize, dout: usize, inp: usize, weight: usize,
  mean: usize, rstd: usize, N: i32, C: i32, accumulate: i32,
): void {
  const end = shareStart(N, 1, thread + 1, threads);
  for (let n = shareStart(N, 1, thread, threads); n < end; n++) {
    const row = <usize>n * C << 2;
    const m = load<f32>(mean + (<usize>n << 2));
    const r = load<f32>(rstd + (<usize>n << 2));
    backwardRow(dinp + row, dout + row, inp + row, weight, m, r, C);
  }
  const start = shareStart(C, LINE, thread, threads);
  const count = shareStart(C, LINE, thread + 1, threads) - start;
  if (count == 0) return;
  const column = <usize>start << 2;
  if (!accumulate) {
    memory.fill(dweight + column, 0, <usize>count << 2);
    memory.fill(dbias + column, 0, <usize>count << 2);
  }
  for (let n = 0; n < N; n++) {
    const row = (<usize>n * C << 2) + column;
    const m = f32x4.splat(load<f32>(mean + (<usize>n << 2)));
    const r = f32x4.splat(load<f32>(rstd + (<usize>n << 2)));
    addParameterGradients(dweight + column, dbias + column, dout + row, inp + row, m, r, count);
  }
}

function backwardRow(dx: usize, dy: usize, x: usize, weight: usize, mean: f32, rstd: f32, C: i32): void {
  const m = f32x4.splat(mean);
  const r = f32x4.splat(rstd);
  const rest = C & 3;
  const stop = <usize>(C & ~3) << 2;

  let sum = f32x4.splat(0);
  let product = f32x4.splat(0);
  let at: usize = 0;
  for (; at < stop; at += 16) {
    const dz = f32x4.mul(v128.load(weight + at), v128.load(dy + at));
    sum = f32x4.add(sum, dz);
    product = madd(dz, normalized(v128.load(x + at), m, r), product);
  }
  if (rest) {
    // The lanes behind the row's end have weight 0, so they add nothing.
    const dz = f32x4.mul(loadTail(weight + at, rest), loadTail(dy + at, rest));
    sum = f32x4.add(sum, dz);
    product = madd(dz, normalized(loadTail(x + at, rest), m, r), product);
  }
  const average = f32x4.splat(sumLanes(sum) / <f32>C);
  const projection = f32x4.splat(-sumLanes(product) / <f32>C);

  for (at = 0; at < stop; at += 16) {
    const dz = f32x4.mul(v128.load(weight + at), v128.load(dy + at));
    const inner = madd(normalized(v128.load(x + at), m, r), projection, f32x4.sub(dz, average));
    v128.store(dx + at, madd(inner, r, v128.load(dx + at)));
  }
  if (rest) {
    const dz = f32x4.mul(loadTail(weight + at, rest), loadTail(dy + at, rest));
    const inner = madd(normalized(loadTail(x + at, rest), m, r), projection, f32x4.sub(dz, average));
    storeTail(dx + at, madd(inner, r, loadTail(dx + at, rest)), rest);
  }
}

/** Adds one row's share to dweight and dbias, `count` channels. */
function addParameterGradients(
  dweight: usize, dbias: usize, dy: usize, x: usize, mean: v128, rstd: v128, count: i32,
): void {
  const stop = <usize>(count & ~3) << 2;
  let at: usize = 0;
  for (; at < stop; at += 16) {
    const g = v128.load(dy + at);
    v128.store(dweight + at, madd(g, normalized(v128.load(x + at), mean, rstd), v128.load(dweight + at)));
    v128.store(dbias + at, f32x4.add(v128.load(dbias + at), g));
  }
  const rest = count & 3;
  if (rest) {
    const g = loadTail(dy + at, rest);
    storeTail(dweight + at, madd(g, normalized(loadTail(x + at, rest), mean, rstd), loadTail(dweight + at, rest)), rest);
    storeTail(dbias + at, f32x4.add(loadTail(dbias + at, rest), g), rest);
  }
}
