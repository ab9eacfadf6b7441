/** A training step on a synthetic batch, whose operations are enqueued without waiting. */
import type { GPT2 } from "../api/gpt2.ts";
import type { Backend, Tensor } from "../backend/backend.ts";
import { backward, forward, gradientNorm, update } from "../model/gpt2.ts";
import { usualAdamw } from "../model/step-calls.ts";
import { TensorScope } from "../model/tensor-scope.ts";
import { TensorSet } from "../model/tensor-set.ts";
import { allocTrainWorkspace } from "../model/workspace.ts";
import { syntheticTokens } from "./steps.ts";

export interface SyntheticStep {
  /** A tensor of some floats that every step overwrites. */
  readonly stats: Tensor;
  /** Enqueues forward, backward, norm and update, on the model's backend or one that forwards to it. */
  run(be?: Backend): void;
  free(): Promise<void>;
}

export async function syntheticStep(
  { backend, config, parameters }: GPT2,
  B: number,
  T: number,
): Promise<SyntheticStep> {
  const memory = new TensorScope(backend);
  const training = {
    grads: new TensorSet(memory, config),
    m: new TensorSet(memory, config),
    v: new TensorSet(memory, config),
  };
  const workspace = allocTrainWorkspace(memory, config, B, T);
  const tokens = syntheticTokens(B * T + 1, config.V);
  await backend.write(workspace.tokens, tokens.subarray(0, B * T));
  await backend.write(workspace.head.targets, tokens.subarray(1));
  return {
    stats: workspace.stats,
    run(be = backend) {
      forward(be, parameters, workspace);
      backward(be, parameters, training.grads, workspace);
      gradientNorm(be, training.grads, workspace);
      update(be, parameters, training, usualAdamw);
    },
    free: () => memory.free(),
  };
}
