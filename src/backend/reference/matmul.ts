import { matrixOf, type Operations } from "../backend.ts";
import type { HostTensor } from "./host-tensor.ts";

/** out (N,OC) = inp (N,C) weight (OC,C)ᵀ + bias (OC): every output is one row of inp times one row of weight. */
export const matmulForward: Operations<HostTensor>["matmulForward"] = (out, inp, { weight, bias }) => {
  const [N, C] = matrixOf(inp);
  const [OC] = weight.shape;
  for (let n = 0; n < N; n++) {
    const x = inp.data.subarray(n * C, (n + 1) * C);
    for (let o = 0; o < OC; o++) {
      const row = o * C;
      let sum = bias ? bias.data[o] : 0;
      for (let c = 0; c < C; c++) sum += x[c] * weight.data[row + c];
      out.data[n * OC + o] = sum;
    }
  }
};

/** dinp (N,C) = dout (N,OC) weight (OC,C): an input's gradient is that of every output it had a part in. */
export const matmulBackwardInput: Operations<HostTensor>["matmulBackwardInput"] = (dinp, dout, { weight }) => {
  const [N, OC] = matrixOf(dout);
  const [, C] = weight.shape;
  const sum = new Float64Array(C);
  for (let n = 0; n < N; n++) {
    sum.fill(0);
    for (let o = 0; o < OC; o++) {
      const d = dout.data[n * OC + o];
      const row = o * C;
      for (let c = 0; c < C; c++) sum[c] += d * weight.data[row + c];
    }
    dinp.data.set(sum, n * C);
  }
};

/** dweight (OC,C) = doutᵀ inp, dbias (OC) = sum of dout over its rows; added to what is there if `accumulate`. */
export const matmulBackwardWeight: Operations<HostTensor>["matmulBackwardWeight"] = (dw, dout, inp) => {
  const [N, C] = matrixOf(inp);
  const [, OC] = matrixOf(dout);
  const [dweight, dbias] = [dw.weight.data, dw.bias?.data];
  const sum = new Float64Array(C);
  for (let o = 0; o < OC; o++) {
    sum.fill(0);
    let biasSum = 0;
    for (let n = 0; n < N; n++) {
      const d = dout.data[n * OC + o];
      const row = n * C;
      for (let c = 0; c < C; c++) sum[c] += d * inp.data[row + c];
      biasSum += d;
    }
    const row = o * C;
    for (let c = 0; c < C; c++) dweight[row + c] = sum[c] + (dw.accumulate ? dweight[row + c] : 0);
    if (dbias) dbias[o] = biasSum + (dw.accumulate ? dbias[o] : 0);
  }
};
