import { matrixOf, type Operations } from "../backend.ts";
import type { HostTensor } from "./host-tensor.ts";

/**
 * Every row of inp (N,C) is brought to mean 0 and variance 1, then scaled and shifted a channel at a time.
 * mean (N) and rstd (N), one over the standard deviation, are kept for the backward. Ba et al., 2016.
 */
export const layernormForward: Operations<HostTensor>["layernormForward"] = (a, inp, w, epsilon) => {
  const [N, C] = matrixOf(inp);
  const [out, weight, bias] = [a.out.data, w.weight.data, w.bias.data];
  for (let n = 0; n < N; n++) {
    const x = inp.data.subarray(n * C, (n + 1) * C);
    let sum = 0;
    for (let c = 0; c < C; c++) sum += x[c];
    const mean = sum / C;
    let squares = 0;
    for (let c = 0; c < C; c++) squares += (x[c] - mean) ** 2;
    const rstd = 1 / Math.sqrt(squares / C + epsilon);
    for (let c = 0; c < C; c++) out[n * C + c] = (x[c] - mean) * rstd * weight[c] + bias[c];
    a.mean.data[n] = mean;
    a.rstd.data[n] = rstd;
  }
};

/**
 * In the forward pass this was: norm = (inp - mean) * rstd, out = norm * weight + bias.
 * With dnorm = dout * weight, a row's input gradient is rstd * (dnorm - mean(dnorm) - norm * mean(dnorm * norm)): the two
 * means are what flows back through mean and rstd. dinp is added to.
 */
export const layernormBackward: Operations<HostTensor>["layernormBackward"] = (dinp, dw, dout, inp, w, a) => {
  const [N, C] = matrixOf(inp);
  const [x, d, weight, mean, rstd] = [inp.data, dout.data, w.weight.data, a.mean.data, a.rstd.data];
  const dweight = new Float64Array(C);
  const dbias = new Float64Array(C);
  for (let n = 0; n < N; n++) {
    const row = n * C;
    let dnormMean = 0;
    let dnormNormMean = 0;
    for (let c = 0; c < C; c++) {
      const norm = (x[row + c] - mean[n]) * rstd[n];
      const dnorm = d[row + c] * weight[c];
      dnormMean += dnorm / C;
      dnormNormMean += (dnorm * norm) / C;
      dweight[c] += d[row + c] * norm;
      dbias[c] += d[row + c];
    }
    for (let c = 0; c < C; c++) {
      const norm = (x[row + c] - mean[n]) * rstd[n];
      const dnorm = d[row + c] * weight[c];
      dinp.data[row + c] += rstd[n] * (dnorm - dnormMean - norm * dnormNormMean);
    }
  }
  for (let c = 0; c < C; c++) {
    dw.weight.data[c] = dweight[c] + (dw.accumulate ? dw.weight.data[c] : 0);
    dw.bias.data[c] = dbias[c] + (dw.accumulate ? dw.bias.data[c] : 0);
  }
};
