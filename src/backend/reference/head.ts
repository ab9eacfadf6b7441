/**
 * The head: logits by a matmul with the token embedding's own weights (weight tying), softmax over the vocabulary, and
 * the cross-entropy loss of each target.
 *
 *   logits[n,v] = inp[n] · wte[v]
 *   prob[n,v]   = exp(logits[n,v]) / sum over v < V of exp(logits[n,v])
 *   losses[n]   = -log prob[n,target[n]]
 *   dlogits[n,v] = (prob[n,v] - (v is target[n] ? 1 : 0)) * scale
 *
 * inp (N,C); wte (Vp,C), whose rows from V on are padding and get no probability; targets (N) int32 in 0 … V-1, or
 * negative: ignored, loss and dlogits are 0; losses (N); scratch N * Vp elements. A NaN or +infinite logit makes its loss NaN.
 */
import { matrixOf, type Operations } from "../backend.ts";
import { type HostTensor, hostTensor } from "./host-tensor.ts";
import { matmulBackwardInput, matmulBackwardWeight, matmulForward } from "./matmul.ts";

export const headLoss: Operations<HostTensor>["headLoss"] = (head, inp, wte) => {
  const logits = logitsOf(head.scratch, inp, wte);
  softmaxCrossentropy(head.losses, logits, head.targets, head.V);
};

/** losses, and the gradients of their sum times `scale`: dinp (N,C), dwte (Vp,C). */
export const headBackward: Operations<HostTensor>["headBackward"] = (head, dinp, dwte, inp, wte, scale) => {
  const logits = logitsOf(head.scratch, inp, wte);
  softmaxCrossentropy(head.losses, logits, head.targets, head.V, scale);
  const dlogits = logits; // overwritten in place by the line above
  // forward: logits = inp wteᵀ
  matmulBackwardInput(dinp, dlogits, { weight: wte, bias: null });
  if (dwte) matmulBackwardWeight({ ...dwte, bias: null }, dlogits, inp);
};

/** The logits (N,Vp) of all rows, in the scratch buffer. */
function logitsOf(scratch: HostTensor, inp: HostTensor, wte: HostTensor): HostTensor {
  const [N] = matrixOf(inp);
  const logits = hostTensor(scratch.data, [N, wte.shape[0]]);
  matmulForward(logits, inp, { weight: wte, bias: null });
  return logits;
}

/** losses (N) of logits (N,Vp). With `scale`, overwrites the logits with their gradient, 0 in the padding. */
function softmaxCrossentropy(
  losses: HostTensor,
  logits: HostTensor,
  targets: HostTensor,
  V: number,
  scale?: number,
): void {
  const [N, Vp] = matrixOf(logits);
  for (let n = 0; n < N; n++) {
    const row = logits.data.subarray(n * Vp, (n + 1) * Vp);
    const target = targets.data[n];
    if (target < 0) {
      losses.data[n] = 0;
      if (scale !== undefined) row.fill(0);
      continue;
    }
    let maxLogit = -Infinity;
    for (let v = 0; v < V; v++) maxLogit = Math.max(maxLogit, row[v]);
    let expSum = 0;
    for (let v = 0; v < V; v++) expSum += Math.exp(row[v] - maxLogit);
    losses.data[n] = maxLogit + Math.log(expSum) - row[target];
    if (scale === undefined) continue;
    for (let v = 0; v < V; v++) {
      const prob = Math.exp(row[v] - maxLogit) / expSum;
      // forward: loss = log(sum of exp(logit)) - logit[target]
      row[v] = (prob - (v === target ? 1 : 0)) * scale;
    }
    row.fill(0, V);
  }
}
