/**
 * Fully connected layer: out = inp weightᵀ + bias, and its two gradients, which are matmuls as well.
 *
 *   out[n,o]     = sum over c of inp[n,c] * weight[o,c] + bias[o]
 *   dinp[n,c]    = sum over o of dout[n,o] * weight[o,c]
 *   dweight[o,c] = sum over n of dout[n,o] * inp[n,c],   dbias[o] = sum over n of dout[n,o]
 *
 * inp, dinp (N,C); out, dout (N,OC); weight (OC,C) as in PyTorch and llm.c; bias (OC) or null.
 *
 * ```js
 * const inp = hostTensor(Float32Array.of(1, 2), [1, 2]);
 * const weight = hostTensor(Float32Array.of(1, 0, 3, 4), [2, 2]);
 * const out = hostTensor(new Float32Array(2), [1, 2]);
 * matmulForward(out, inp, { weight, bias: null });
 * out.data // [1, 11]
 * ```
 */
import { matrixOf, type Operations } from "../backend.ts";
import type { HostTensor } from "./host-tensor.ts";

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

/** Overwrites dinp. */
export const matmulBackwardInput: Operations<HostTensor>["matmulBackwardInput"] = (dinp, dout, { weight }) => {
  const [N, OC] = matrixOf(dout);
  const [, C] = weight.shape;
  const dx = new Float64Array(C);
  for (let n = 0; n < N; n++) {
    dx.fill(0);
    for (let o = 0; o < OC; o++) {
      const dy = dout.data[n * OC + o];
      const row = o * C;
      // forward: out[n,o] += inp[n,c] * weight[o,c]
      for (let c = 0; c < C; c++) dx[c] += dy * weight.data[row + c];
    }
    dinp.data.set(dx, n * C);
  }
};

/** Overwrites dweight and dbias, or adds to them if `accumulate`. */
export const matmulBackwardWeight: Operations<HostTensor>["matmulBackwardWeight"] = (dw, dout, inp) => {
  const [N, C] = matrixOf(inp);
  const [, OC] = matrixOf(dout);
  const [dweight, dbias] = [dw.weight.data, dw.bias?.data];
  const weightSum = new Float64Array(C);
  for (let o = 0; o < OC; o++) {
    weightSum.fill(0);
    let biasSum = 0;
    for (let n = 0; n < N; n++) {
      const dy = dout.data[n * OC + o];
      const row = n * C;
      // forward: out[n,o] += inp[n,c] * weight[o,c]
      for (let c = 0; c < C; c++) weightSum[c] += dy * inp.data[row + c];
      // forward: out[n,o] += bias[o]
      biasSum += dy;
    }
    const row = o * C;
    for (let c = 0; c < C; c++) dweight[row + c] = weightSum[c] + (dw.accumulate ? dweight[row + c] : 0);
    if (dbias) dbias[o] = biasSum + (dw.accumulate ? dbias[o] : 0);
  }
};
