/**
 * Every row of inp (N,C) is brought to mean 0 and variance 1, then scaled and shifted a channel at a time.
 * mean (N) and rstd (N), one over the standard deviation, are kept for the backward. Ba et al., 2016.
 */
export function layernormForward(
  out: Float32Array,
  mean: Float32Array,
  rstd: Float32Array,
  inp: Float32Array,
  weight: Float32Array,
  bias: Float32Array,
  N: number,
  C: number,
  epsilon: number,
): void {
  for (let n = 0; n < N; n++) {
    const x = inp.subarray(n * C, (n + 1) * C);
    let sum = 0;
    for (let c = 0; c < C; c++) sum += x[c];
    const m = sum / C;
    let squares = 0;
    for (let c = 0; c < C; c++) squares += (x[c] - m) ** 2;
    const s = 1 / Math.sqrt(squares / C + epsilon);
    for (let c = 0; c < C; c++) out[n * C + c] = (x[c] - m) * s * weight[c] + bias[c];
    mean[n] = m;
    rstd[n] = s;
  }
}

/**
 * With norm = (inp - mean) * rstd and dnorm = dout * weight, a row's input gradient is
 * rstd * (dnorm - mean(dnorm) - norm * mean(dnorm * norm)): the two means are what flows back through mean and rstd.
 * dinp is added to; dweight and dbias (C) are set, or added to if `accumulate`.
 */
export function layernormBackward(
  dinp: Float32Array,
  dweight: Float32Array,
  dbias: Float32Array,
  dout: Float32Array,
  inp: Float32Array,
  weight: Float32Array,
  mean: Float32Array,
  rstd: Float32Array,
  N: number,
  C: number,
  accumulate: boolean,
): void {
  const dweightSum = new Float64Array(C);
  const dbiasSum = new Float64Array(C);
  for (let n = 0; n < N; n++) {
    const row = n * C;
    let dnormMean = 0;
    let dnormNormMean = 0;
    for (let c = 0; c < C; c++) {
      const norm = (inp[row + c] - mean[n]) * rstd[n];
      const dnorm = dout[row + c] * weight[c];
      dnormMean += dnorm / C;
      dnormNormMean += (dnorm * norm) / C;
      dweightSum[c] += dout[row + c] * norm;
      dbiasSum[c] += dout[row + c];
    }
    for (let c = 0; c < C; c++) {
      const norm = (inp[row + c] - mean[n]) * rstd[n];
      const dnorm = dout[row + c] * weight[c];
      dinp[row + c] += rstd[n] * (dnorm - dnormMean - norm * dnormNormMean);
    }
  }
  for (let c = 0; c < C; c++) {
    dweight[c] = dweightSum[c] + (accumulate ? dweight[c] : 0);
    dbias[c] = dbiasSum[c] + (accumulate ? dbias[c] : 0);
  }
}
