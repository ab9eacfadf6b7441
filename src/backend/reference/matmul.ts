/** out (N,OC) = inp (N,C) weight (OC,C)ᵀ + bias (OC): every output is one row of inp times one row of weight. */
export function matmulForward(
  out: Float32Array,
  inp: Float32Array,
  weight: Float32Array,
  bias: Float32Array | null,
  N: number,
  C: number,
  OC: number,
): void {
  for (let n = 0; n < N; n++) {
    const x = inp.subarray(n * C, (n + 1) * C);
    for (let o = 0; o < OC; o++) {
      const row = o * C;
      let sum = bias ? bias[o] : 0;
      for (let c = 0; c < C; c++) sum += x[c] * weight[row + c];
      out[n * OC + o] = sum;
    }
  }
}

/** dinp (N,C) = dout (N,OC) weight (OC,C): an input's gradient is that of every output it had a part in. */
export function matmulBackwardInput(
  dinp: Float32Array,
  dout: Float32Array,
  weight: Float32Array,
  N: number,
  C: number,
  OC: number,
): void {
  const sum = new Float64Array(C);
  for (let n = 0; n < N; n++) {
    sum.fill(0);
    for (let o = 0; o < OC; o++) {
      const d = dout[n * OC + o];
      const row = o * C;
      for (let c = 0; c < C; c++) sum[c] += d * weight[row + c];
    }
    dinp.set(sum, n * C);
  }
}

/** dweight (OC,C) = doutᵀ inp, dbias (OC) = sum of dout over its rows; added to what is there if `accumulate`. */
export function matmulBackwardWeight(
  dweight: Float32Array,
  dbias: Float32Array | null,
  dout: Float32Array,
  inp: Float32Array,
  N: number,
  C: number,
  OC: number,
  accumulate: boolean,
): void {
  const sum = new Float64Array(C);
  for (let o = 0; o < OC; o++) {
    sum.fill(0);
    let biasSum = 0;
    for (let n = 0; n < N; n++) {
      const d = dout[n * OC + o];
      const row = n * C;
      for (let c = 0; c < C; c++) sum[c] += d * inp[row + c];
      biasSum += d;
    }
    const row = o * C;
    for (let c = 0; c < C; c++) dweight[row + c] = sum[c] + (accumulate ? dweight[row + c] : 0);
    if (dbias) dbias[o] = biasSum + (accumulate ? dbias[o] : 0);
  }
}
