import { type Backend, type Tensor, view } from "../backend/backend.ts";
import { Mt19937 } from "../random/mt19937.ts";
import { normals } from "../random/normal.ts";
import { takeTurns } from "../turns.ts";
import { layerOf, type Parameters } from "./parameters.ts";

const STD = 0.02;

async function fillNormal(backend: Backend, tensor: Tensor, count: number, rng: Mt19937, std: number): Promise<void> {
  const turn = takeTurns();
  let start = 0;
  for (const chunk of normals(rng, count, std)) {
    await backend.write(view(tensor, start, [chunk.length]), chunk);
    start += chunk.length;
    await turn();
  }
}

/**
 * Fresh weights as PyTorch gives them to a GPT-2 of this seed (llm.c's train_gpt2.py): normal numbers of deviation
 * 0.02, for the two projections into the residual stream 0.02/sqrt(2L); layernorm weights 1; biases and wte's padding
 * rows 0. The weights must be zero before. `onProgress` is told the share that is done, 0 to 1.
 */
export async function initialize(
  backend: Backend,
  { config, weights: w }: Parameters,
  seed: number,
  onProgress?: (share: number) => void,
): Promise<void> {
  const { V, L, C } = config;
  const rng = new Mt19937(seed);
  const residualStd = STD / Math.sqrt(2 * L);
  for (const weight of [w.ln1w, w.ln2w, w.lnfw]) backend.fill(weight, 1);
  await fillNormal(backend, w.wte, V * C, rng, STD);
  await fillNormal(backend, w.wpe, w.wpe.size, rng, STD);
  for (let l = 0; l < L; l++) {
    onProgress?.((l + 1) / (L + 1));
    for (const tensor of [w.qkvw, w.attprojw, w.fcw, w.fcprojw]) {
      const isResidual = tensor === w.attprojw || tensor === w.fcprojw;
      const part = layerOf(tensor, l);
      await fillNormal(backend, part, part.size, rng, isResidual ? residualStd : STD);
    }
  }
  onProgress?.(1);
}
