import type { Precision } from "../backend/backend.ts";
import { type Call, callsOf } from "../backend/work.ts";
import type { GPT2Config } from "./config.ts";
import { backward, forward, gradientNorm, update } from "./gpt2.ts";
import { allocTrainingTensors, computedWith, TensorSet } from "./tensor-set.ts";
import { allocTrainWorkspace } from "./workspace.ts";

/** Ordinary options of an update. */
export const usualAdamw = {
  beta1: 0.9,
  beta2: 0.999,
  eps: 1e-8,
  weightDecay: 0.1,
  learningRate: 3e-4,
  gradScale: 1,
  step: 1,
};

/** All operations of a training step, in order. */
export function callsOfStep(config: GPT2Config, B: number, T: number, precision: Precision = "fp32"): Call[] {
  return callsOf((be) => {
    const p = { config, weights: new TensorSet(be, config) };
    const training = allocTrainingTensors(be, p, precision);
    const computed = computedWith(p, training);
    const workspace = allocTrainWorkspace(be, config, B, T, { precision });
    forward(be, computed, workspace);
    backward(be, computed, training.grads, workspace);
    gradientNorm(be, training.grads, workspace);
    update(be, p, training, usualAdamw);
  });
}
