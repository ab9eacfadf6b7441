import { type Backend, type Tensor, view } from "../backend/backend.ts";
import { Mt19937 } from "../random/mt19937.ts";
import { normals } from "../random/normal.ts";
import { takeTurns } from "../turns.ts";
import { type ParameterTensor, parametersOf } from "./parameters.ts";
import type { Parameters } from "./tensor-set.ts";

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
 * Fresh weights as PyTorch gives them to a GPT-2 of this seed (llm.c's train_gpt2.py): normal numbers, first for the
 * tensors that are not per layer, then layer by layer; ones and zeros as the table of parameters has them; padding 0. The
 * weights must be zero before. `onProgress` receives the share that is done, 0 to 1.
 */
export async function initialize(
  backend: Backend,
  { config, weights }: Parameters,
  seed: number,
  onProgress?: (share: number) => void,
): Promise<void> {
  const { L } = config;
  const rng = new Mt19937(seed);
  const stdOf = ({ init }: ParameterTensor) => (init === "residual" ? STD / Math.sqrt(2 * L) : STD);
  const parameters = parametersOf(config);
  for (const { name } of parameters.filter(({ init }) => init === "one"))
    for (const tensor of weights.tensors(name)) backend.fill(tensor, 1);
  const random = parameters.filter(({ init }) => init === "normal" || init === "residual");
  for (const parameter of random.filter(({ perLayer }) => !perLayer)) {
    const [tensor] = weights.tensors(parameter.name);
    await fillNormal(backend, tensor, parameter.size - parameter.padding, rng, stdOf(parameter));
  }
  for (let l = 0; l < L; l++) {
    onProgress?.((l + 1) / (L + 1));
    for (const parameter of random.filter(({ perLayer }) => perLayer)) {
      const tensor = weights.tensors(parameter.name)[l];
      await fillNormal(backend, tensor, tensor.size, rng, stdOf(parameter));
    }
  }
  onProgress?.(1);
}
