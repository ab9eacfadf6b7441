import type { GPT2Config } from "../model/config.ts";

/**
 * How far two right implementations may lie apart in float32. A float32 sum of K products is off by about
 * sqrt(K) * 2^-24 of its terms' size: 1e-6 to 1e-5 after a whole forward pass (PyTorch in float32 against float64, on
 * the small fixtures: logits 8e-6, loss 2e-6, gradients 3e-6 of their tensor's largest value). These bounds leave a
 * factor of ten above that; a mistake in a layer gives differences of 1e-2 and more.
 *
 * Rounding is relative, so it grows with the logits, and from them on: the loss is a difference of logits, and the
 * gradients start from their softmax. Hence one scale for all three, 1 up to logits of 10, as small models have them.
 * The pretrained GPT-2's reach into the hundreds: its bounds become about 1e-3 for logits and for gradients, as llm.c's
 * float32 test on GPUs asks (1e-3), where its test on CPUs is content with 1e-2 and 2e-2.
 */
export const bounds = {
  /** Absolute. */
  logits: 1e-4,
  /** Absolute. */
  loss: 1e-5,
  /** Relative to the largest value of the tensor. */
  gradient: 1e-4,
  /** The losses of the ten steps, absolute: AdamW divides by tiny gradients' roots, so rounding grows from step to step. */
  step: 1e-3,
  /** Multiplies the first three, given the largest absolute logit. */
  scale: (largestLogit: number) => Math.max(1, largestLogit / 10),
} as const;

/** What PyTorch gives for GPT-2 124M on llm.c's debug batch (llm.c's test_gpt2.c). */
const gpt2Losses = [5.270007, 4.059707, 3.375123, 2.800783, 2.315382, 1.849029, 1.394656, 0.999147, 0.62408, 0.376511];

/** The published losses of the ten steps, when the model and its first loss are GPT-2 124M's. */
export function publishedLosses({ L, C, V }: GPT2Config, loss: number): readonly number[] | undefined {
  const same = L === 12 && C === 768 && V === 50257 && Math.abs(loss - gpt2Losses[0]) < 1e-4;
  return same ? gpt2Losses : undefined;
}
