/** What the loss of one token asks of each position: gradients on its way back through the model. */
import type { Backend } from "../backend/backend.ts";
import type { Parameters } from "../model/tensor-set.ts";
import type { DebugBatch } from "../verify/debug-state.ts";
import { type Trace, traceStep } from "../verify/trace.ts";

export interface Asks {
  /** The loss of the token itself. */
  readonly loss: number;
  /** (L+1,T) norms of the gradient of the residual stream: behind the embedding, then behind each layer. */
  readonly stream: Float32Array;
  /** (L,NH,T) norms of the gradient of each head's query, key and value together. */
  readonly heads: Float32Array;
}

/** Of one sequence (B = 1), for the loss at position t. The model's weights stay as they are. */
export function asksOf(be: Backend, p: Parameters, batch: DebugBatch, t: number): Promise<Asks> {
  const still = { learningRate: 0, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, gradClip: 0 };
  return traceStep(be, p, batch, still, (trace) => normsIn(trace, t), t);
}

async function normsIn({ config, T, tensors }: Trace, t: number): Promise<Asks> {
  const { L, NH, C } = config;
  const read = async (name: string) => tensors.find((tensor) => tensor.name === name)?.read() ?? new Float32Array();
  const stream = new Float32Array((L + 1) * T);
  const heads = new Float32Array(L * NH * T);
  for (let l = 0; l <= L; l++) {
    const gradient = await read(l === 0 ? "d.encoded" : `d.h.${l - 1}.residual3`);
    for (let i = 0; i < T; i++) stream[l * T + i] = Math.hypot(...gradient.subarray(i * C, (i + 1) * C));
  }
  const hs = C / NH;
  for (let l = 0; l < L; l++) {
    const gradient = await read(`d.h.${l}.qkv`);
    for (let h = 0; h < NH; h++)
      for (let i = 0; i < T; i++) {
        const parts = [0, 1, 2].flatMap((part) => {
          const from = i * 3 * C + part * C + h * hs;
          return [...gradient.subarray(from, from + hs)];
        });
        heads[(l * NH + h) * T + i] = Math.hypot(...parts);
      }
  }
  return { loss: (await read("losses"))[t], stream, heads };
}
