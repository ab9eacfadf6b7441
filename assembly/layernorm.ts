// Layernorm (Ba et al., 2016) over the channels of each row; without mean and bias, whose addresses are 0 then, RMS norm.
//
// Sums over a row run in four vectors side by side, which are added in a fixed order at the end. The variance is taken
// in a second pass around the mean: in f32, E[x²] - E[x]² would cancel.
import { loadTail, loadUpTo4, madd, storeUpTo4, sumLanes } from "./math";
import { LINE, shareStart } from "./split";

/** All ones in the first `count` lanes, zero in the others. */
// @ts-ignore: AssemblyScript's decorator
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

/** One over the standard deviation; NaN if the variance overflowed, where 1 / Infinity would make every row its bias. */
function reciprocalDeviation(variance: f32, epsilon: f32): f32 {
  return variance < Infinity ? <f32>1 / sqrt(variance + epsilon) : NaN;
}

// @ts-ignore: AssemblyScript's decorator
@inline
function normalized(x: v128, mean: v128, rstd: v128): v128 {
  return f32x4.mul(f32x4.sub(x, mean), rstd);
}

/** y = (x - m) * r * weight + bias, C floats each. */
// @ts-ignore: AssemblyScript's decorator
@inline
function scaleRow(y: usize, x: usize, weight: usize, bias: usize, m: v128, r: v128, C: i32, hasBias: bool): void {
  const pairs = <usize>(C & ~7) << 2;
  let at: usize = 0;
  for (; at < pairs; at += 32) {
    const z0 = normalized(v128.load(x + at), m, r);
    const z1 = normalized(v128.load(x + at, 16), m, r);
    const w0 = v128.load(weight + at);
    const w1 = v128.load(weight + at, 16);
    v128.store(y + at, hasBias ? madd(z0, w0, v128.load(bias + at)) : f32x4.mul(z0, w0));
    v128.store(y + at, hasBias ? madd(z1, w1, v128.load(bias + at, 16)) : f32x4.mul(z1, w1), 16);
  }
  for (let i = <i32>(at >> 2); i < C; i += 4, at += 16) {
    const count = min(4, C - i);
    const z = normalized(loadUpTo4(x + at, count), m, r);
    const w = loadUpTo4(weight + at, count);
    storeUpTo4(y + at, hasBias ? madd(z, w, loadUpTo4(bias + at, count)) : f32x4.mul(z, w), count);
  }
}

/** out (N,C) = (inp - mean) * rstd * weight + bias; mean and rstd (N) are kept. Parts share the rows. */
export function layernormForward(
  part: i32, parts: i32, out: usize, mean: usize, rstd: usize, inp: usize, weight: usize, bias: usize,
  N: i32, C: i32, epsilon: f32,
): void {
  const end = shareStart(N, 1, part + 1, parts);
  for (let n = shareStart(N, 1, part, parts); n < end; n++) {
    const x = inp + (<usize>n * C << 2);
    const y = out + (<usize>n * C << 2);
    const rowMeanValue = mean ? rowMean(x, C) : 0;
    const rowRstd = reciprocalDeviation(rowVariance(x, C, rowMeanValue), epsilon);
    if (mean) store<f32>(mean + (<usize>n << 2), rowMeanValue);
    store<f32>(rstd + (<usize>n << 2), rowRstd);
    const m = f32x4.splat(rowMeanValue);
    const r = f32x4.splat(rowRstd);
    if (bias) scaleRow(y, x, weight, bias, m, r, C, true);
    else scaleRow(y, x, weight, 0, m, r, C, false);
  }
}

/**
 * With z = (inp - mean) * rstd and dz = weight * dout:
 * dinp += rstd (dz - average(dz) - z average(dz z)); dweight = sum of dout z and dbias = sum of dout over the rows,
 * or += if `accumulate`. Without a mean nothing flows through it, average(dz), and there is no dbias. Parts share the rows
 * for dinp, the channels for dweight and dbias.
 */
export function layernormBackward(
  part: i32, parts: i32, dinp: usize, dweight: usize, dbias: usize, dout: usize, inp: usize, weight: usize,
  mean: usize, rstd: usize, N: i32, C: i32, accumulate: i32,
): void {
  const end = shareStart(N, 1, part + 1, parts);
  for (let n = shareStart(N, 1, part, parts); n < end; n++) {
    const row = <usize>n * C << 2;
    const m = mean ? load<f32>(mean + (<usize>n << 2)) : 0;
    const r = load<f32>(rstd + (<usize>n << 2));
    backwardRow(dinp + row, dout + row, inp + row, weight, m, r, C, mean != 0);
  }
  const start = shareStart(C, LINE, part, parts);
  const count = shareStart(C, LINE, part + 1, parts) - start;
  if (count == 0) return;
  for (let i = start; i < start + count; i += LINE) {
    const at = <usize>i << 2;
    const channels = min(LINE, start + count - i);
    if (!accumulate) {
      memory.fill(dweight + at, 0, <usize>channels << 2);
      if (dbias) memory.fill(dbias + at, 0, <usize>channels << 2);
    }
    if (!mean) addScaleGradients(dweight + at, dout + at, inp + at, rstd, N, C, channels);
    else if (channels == LINE) addLineGradients(dweight + at, dbias + at, dout + at, inp + at, mean, rstd, N, C);
    else addRestGradients(dweight + at, dbias + at, dout + at, inp + at, mean, rstd, N, C, channels);
  }
}

function backwardRow(
  dx: usize, dy: usize, x: usize, weight: usize, mean: f32, rstd: f32, C: i32, hasMean: bool,
): void {
  const m = f32x4.splat(mean);
  const r = f32x4.splat(rstd);
  const pairs = <usize>(C & ~7) << 2;

  // Two sums of each, since a sum has to wait for its last addition.
  let sum = f32x4.splat(0);
  let sum1 = sum;
  let product = sum;
  let product1 = sum;
  let at: usize = 0;
  for (; at < pairs; at += 32) {
    const dz0 = f32x4.mul(v128.load(weight + at), v128.load(dy + at));
    const dz1 = f32x4.mul(v128.load(weight + at, 16), v128.load(dy + at, 16));
    sum = f32x4.add(sum, dz0);
    sum1 = f32x4.add(sum1, dz1);
    product = madd(dz0, normalized(v128.load(x + at), m, r), product);
    product1 = madd(dz1, normalized(v128.load(x + at, 16), m, r), product1);
  }
  sum = f32x4.add(sum, sum1);
  product = f32x4.add(product, product1);
  for (let i = <i32>(at >> 2); i < C; i += 4, at += 16) {
    // The lanes behind the row's end have weight 0, so they add nothing.
    const count = min(4, C - i);
    const dz = f32x4.mul(loadUpTo4(weight + at, count), loadUpTo4(dy + at, count));
    sum = f32x4.add(sum, dz);
    product = madd(dz, normalized(loadUpTo4(x + at, count), m, r), product);
  }
  const average = f32x4.splat(hasMean ? sumLanes(sum) / <f32>C : 0);
  const projection = f32x4.splat(-sumLanes(product) / <f32>C);

  for (at = 0; at < pairs; at += 32) {
    const dz0 = f32x4.mul(v128.load(weight + at), v128.load(dy + at));
    const dz1 = f32x4.mul(v128.load(weight + at, 16), v128.load(dy + at, 16));
    const inner0 = madd(normalized(v128.load(x + at), m, r), projection, f32x4.sub(dz0, average));
    const inner1 = madd(normalized(v128.load(x + at, 16), m, r), projection, f32x4.sub(dz1, average));
    const dx0 = madd(inner0, r, v128.load(dx + at));
    const dx1 = madd(inner1, r, v128.load(dx + at, 16));
    v128.store(dx + at, dx0);
    v128.store(dx + at, dx1, 16);
  }
  for (let i = <i32>(at >> 2); i < C; i += 4, at += 16) {
    const count = min(4, C - i);
    const dz = f32x4.mul(loadUpTo4(weight + at, count), loadUpTo4(dy + at, count));
    const inner = madd(normalized(loadUpTo4(x + at, count), m, r), projection, f32x4.sub(dz, average));
    storeUpTo4(dx + at, madd(inner, r, loadUpTo4(dx + at, count)), count);
  }
}

/** Adds the terms of all N rows to 16 channels of dweight and dbias, held in registers. */
export function addLineGradients(
  dweight: usize, dbias: usize, dy: usize, x: usize, mean: usize, rstd: usize, N: i32, C: i32,
): void {
  let w0 = v128.load(dweight);
  let w1 = v128.load(dweight, 16);
  let w2 = v128.load(dweight, 32);
  let w3 = v128.load(dweight, 48);
  let b0 = v128.load(dbias);
  let b1 = v128.load(dbias, 16);
  let b2 = v128.load(dbias, 32);
  let b3 = v128.load(dbias, 48);
  const stride = <usize>C << 2;
  for (const end = mean + (<usize>N << 2); mean < end; mean += 4) {
    const m = v128.load32_splat(mean);
    const r = v128.load32_splat(rstd);
    const g0 = v128.load(dy);
    const g1 = v128.load(dy, 16);
    const g2 = v128.load(dy, 32);
    const g3 = v128.load(dy, 48);
    w0 = madd(g0, normalized(v128.load(x), m, r), w0);
    w1 = madd(g1, normalized(v128.load(x, 16), m, r), w1);
    w2 = madd(g2, normalized(v128.load(x, 32), m, r), w2);
    w3 = madd(g3, normalized(v128.load(x, 48), m, r), w3);
    b0 = f32x4.add(b0, g0);
    b1 = f32x4.add(b1, g1);
    b2 = f32x4.add(b2, g2);
    b3 = f32x4.add(b3, g3);
    rstd += 4;
    dy += stride;
    x += stride;
  }
  v128.store(dweight, w0);
  v128.store(dweight, w1, 16);
  v128.store(dweight, w2, 32);
  v128.store(dweight, w3, 48);
  v128.store(dbias, b0);
  v128.store(dbias, b1, 16);
  v128.store(dbias, b2, 32);
  v128.store(dbias, b3, 48);
}

/** The same for fewer than 16 channels. */
function addRestGradients(
  dweight: usize, dbias: usize, dy: usize, x: usize, mean: usize, rstd: usize, N: i32, C: i32, count: i32,
): void {
  const stride = <usize>C << 2;
  for (let j = 0; j < count; j += 4) {
    const width = min(4, count - j);
    const column = <usize>j << 2;
    let w = loadUpTo4(dweight + column, width);
    let b = loadUpTo4(dbias + column, width);
    for (let n: usize = 0; n < <usize>N; n++) {
      const at = n * stride + column;
      const m = v128.load32_splat(mean + (n << 2));
      const r = v128.load32_splat(rstd + (n << 2));
      const g = loadUpTo4(dy + at, width);
      w = madd(g, normalized(loadUpTo4(x + at, width), m, r), w);
      b = f32x4.add(b, g);
    }
    storeUpTo4(dweight + column, w, width);
    storeUpTo4(dbias + column, b, width);
  }
}

/** Adds the terms of all N rows to 1 to 16 channels of RMS norm's dweight. */
function addScaleGradients(dweight: usize, dy: usize, x: usize, rstd: usize, N: i32, C: i32, count: i32): void {
  const stride = <usize>C << 2;
  for (let j = 0; j < count; j += 4) {
    const width = min(4, count - j);
    const column = <usize>j << 2;
    let w = loadUpTo4(dweight + column, width);
    for (let n: usize = 0; n < <usize>N; n++) {
      const at = n * stride + column;
      const z = f32x4.mul(loadUpTo4(x + at, width), v128.load32_splat(rstd + (n << 2)));
      w = madd(loadUpTo4(dy + at, width), z, w);
    }
    storeUpTo4(dweight + column, w, width);
  }
}
