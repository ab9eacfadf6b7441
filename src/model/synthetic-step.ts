/** A training step on a synthetic batch, whose operations are enqueued without waiting. */
import type { Backend, Precision, Tensor } from "../backend/backend.ts";
import { backward, forward, gradientNorm, update } from "./gpt2.ts";
import { usualAdamw } from "./step-calls.ts";
import { TensorScope } from "./tensor-scope.ts";
import { allocTrainingTensors, computedWith, type Parameters } from "./tensor-set.ts";
import { allocTrainWorkspace } from "./workspace.ts";

/** Tokens spread over the vocabulary, the same for every runner. */
export function syntheticTokens(count: number, V: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => (Math.imul(i + 1, 0x9e3779b1) >>> 0) % V);
}

export interface SyntheticStep {
  /** A tensor of some floats that every step overwrites. */
  readonly stats: Tensor;
  /** Enqueues forward, backward, norm and update, on the model's backend or one that forwards to it. */
  run(be?: Backend): void;
  free(): Promise<void>;
}

/** A model's parameters, in the memory of its backend. */
interface Model {
  readonly backend: Backend;
  readonly parameters: Parameters;
}

export async function syntheticStep(
  { backend, parameters }: Model,
  B: number,
  T: number,
  precision: Precision = "fp32",
): Promise<SyntheticStep> {
  const { config } = parameters;
  const memory = new TensorScope(backend);
  try {
    const training = allocTrainingTensors(memory, parameters, precision);
    const workspace = allocTrainWorkspace(memory, config, B, T, { precision });
    const computed = computedWith(parameters, training);
    await training.copy?.copyMatrices(backend, parameters.weights);
    const tokens = syntheticTokens(B * T + 1, config.V);
    await backend.write(workspace.tokens, tokens.subarray(0, B * T));
    await backend.write(workspace.head.targets, tokens.subarray(1));
    return {
      stats: workspace.stats,
      run(be = backend) {
        forward(be, computed, workspace);
        backward(be, computed, training.grads, workspace);
        gradientNorm(be, training.grads, workspace);
        update(be, parameters, training, usualAdamw);
      },
      free: () => memory.free(),
    };
  } catch (error) {
    await memory.free();
    throw error;
  }
}
