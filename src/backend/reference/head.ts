import { matrixOf, type Operations } from "../backend.ts";
import { type HostTensor, hostTensor } from "./host-tensor.ts";
import { matmulBackwardInput, matmulBackwardWeight, matmulForward } from "./matmul.ts";

/** Logits, a matmul by the embedding's own weights, and the cross-entropy of what they predict. */
export const headLoss: Operations<HostTensor>["headLoss"] = (head, inp, wte) => {
  const logits = logitsOf(head.scratch, inp, wte);
  softmaxCrossentropy(head.losses, logits, head.targets, head.V);
};

/** Backward through the cross-entropy and the softmax, then through the matmul. */
export const headBackward: Operations<HostTensor>["headBackward"] = (head, dinp, dwte, inp, wte, scale) => {
  const logits = logitsOf(head.scratch, inp, wte);
  softmaxCrossentropy(head.losses, logits, head.targets, head.V, scale);
  const dlogits = logits;
  matmulBackwardInput(dinp, dlogits, { weight: wte, bias: null });
  matmulBackwardWeight({ ...dwte, bias: null }, dlogits, inp);
};

/** The logits (N,Vp) of all rows, in the scratch memory. */
function logitsOf(scratch: HostTensor, inp: HostTensor, wte: HostTensor): HostTensor {
  const [N] = matrixOf(inp);
  const logits = hostTensor(scratch.data, [N, wte.shape[0]]);
  matmulForward(logits, inp, { weight: wte, bias: null });
  return logits;
}

/**
 * losses (N) = -log of the probability that softmax over the first V of each row's Vp logits gives to the target.
 * With `scale`, the logits become their own gradient: (probability - 1 at the target) * scale, 0 in the padding.
 */
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
    let max = -Infinity;
    for (let v = 0; v < V; v++) max = Math.max(max, row[v]);
    let sum = 0;
    for (let v = 0; v < V; v++) sum += Math.exp(row[v] - max);
    losses.data[n] = max + Math.log(sum) - row[target];
    if (scale === undefined) continue;
    for (let v = 0; v < V; v++) {
      const p = Math.exp(row[v] - max) / sum;
      row[v] = (p - (v === target ? 1 : 0)) * scale;
    }
    row.fill(0, V);
  }
}
