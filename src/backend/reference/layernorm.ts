/**
 * Layer normalisation (Ba et al., 2016): each row gets mean 0 and variance 1, then a scale and a shift per channel.
 *
 *   mean = sum of x / C,   rstd = 1 / sqrt(sum of (x - mean)² / C + epsilon)
 *   out  = (x - mean) * rstd * weight + bias
 *
 * inp, out (N,C); weight, bias (C); mean, rstd (N) are saved for the backward. A constant row gives out = bias; a NaN or
 * infinite element makes its row NaN.
 *
 * Root-mean-square norm (Zhang and Sennrich, 2019) is the same without mean and bias: a row is only scaled.
 *
 * ```js
 * const tensor = (...values) => hostTensor(Float32Array.from(values), [1, values.length]);
 * const a = { out: tensor(0, 0), mean: tensor(0), rstd: tensor(0) };
 * layernormForward(a, tensor(3, 7), { weight: tensor(1, 10), bias: tensor(0, 5) }, 0);
 * a.out.data // [-1, 15]: mean 5, standard deviation 2
 * ```
 */
import { matrixOf, type Operations } from "../backend.ts";
import type { HostTensor } from "./host-tensor.ts";

export const layernormForward: Operations<HostTensor>["layernormForward"] = (a, inp, w, epsilon) => {
  const [N, C] = matrixOf(inp);
  const [out, weight, bias] = [a.out.data, w.weight.data, w.bias?.data];
  for (let n = 0; n < N; n++) {
    const x = inp.data.subarray(n * C, (n + 1) * C);
    let sum = 0;
    for (let c = 0; c < C; c++) sum += x[c];
    const mean = a.mean ? sum / C : 0;
    let squares = 0;
    for (let c = 0; c < C; c++) squares += (x[c] - mean) ** 2;
    const rstd = 1 / Math.sqrt(squares / C + epsilon);
    for (let c = 0; c < C; c++) out[n * C + c] = (x[c] - mean) * rstd * weight[c] + (bias?.[c] ?? 0);
    if (a.mean) a.mean.data[n] = mean;
    a.rstd.data[n] = rstd;
  }
};

/**
 * dinp (N,C) += rstd * (dnorm - avg(dnorm) - norm * avg(dnorm * norm)), where norm = (x - mean) * rstd,
 * dnorm = dout * weight, and avg is the average over a row: the two averages are the gradients through mean and rstd.
 * dweight (C) = sum over rows of dout * norm, dbias (C) = sum over rows of dout; both added to if `accumulate`. RMS norm has
 * no mean, and so nothing flows through it.
 */
export const layernormBackward: Operations<HostTensor>["layernormBackward"] = (dinp, dw, dout, inp, w, a) => {
  const [N, C] = matrixOf(inp);
  const [weight, mean, rstd] = [w.weight.data, a.mean?.data, a.rstd.data];
  const dweight = new Float64Array(C);
  const dbias = new Float64Array(C);
  for (let n = 0; n < N; n++) {
    const x = inp.data.subarray(n * C, (n + 1) * C);
    const dy = dout.data.subarray(n * C, (n + 1) * C);
    let dnormAverage = 0;
    let dnormNormAverage = 0;
    for (let c = 0; c < C; c++) {
      const norm = (x[c] - (mean?.[n] ?? 0)) * rstd[n];
      // forward: out = norm * weight + bias
      const dnorm = dy[c] * weight[c];
      dweight[c] += dy[c] * norm;
      dbias[c] += dy[c];
      if (mean) dnormAverage += dnorm / C;
      dnormNormAverage += (dnorm * norm) / C;
    }
    for (let c = 0; c < C; c++) {
      // forward: norm = (x - mean) * rstd, where mean and rstd depend on every x of the row
      const norm = (x[c] - (mean?.[n] ?? 0)) * rstd[n];
      const dnorm = dy[c] * weight[c];
      dinp.data[n * C + c] += rstd[n] * (dnorm - dnormAverage - norm * dnormNormAverage);
    }
  }
  for (let c = 0; c < C; c++) {
    dw.weight.data[c] = dweight[c] + (dw.accumulate ? dw.weight.data[c] : 0);
    if (dw.bias) dw.bias.data[c] = dbias[c] + (dw.accumulate ? dw.bias.data[c] : 0);
  }
};
