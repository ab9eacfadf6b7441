import type { AdamW, Operand, Operation } from "./operation.ts";

interface Inputs {
  readonly param: Operand;
  readonly grad: Operand;
  /** Moments before the update; none: zeros. */
  readonly m?: Operand;
  readonly v?: Operand;
}

interface Variant {
  readonly corrected?: readonly [first: boolean, second: boolean];
  /** Weight decay added to the gradient, through the moments. */
  readonly coupled?: boolean;
  readonly clipped?: boolean;
  readonly decays?: boolean;
  readonly epsilonInside?: boolean;
  readonly sign?: number;
  readonly root?: boolean;
  readonly squared?: boolean;
  readonly betas?: (options: AdamW) => readonly [beta1: number, beta2: number];
  readonly direction?: (g: number, usual: number) => number;
}

/** m, v and param after one AdamW update. */
export const adamw: Operation<Inputs, Variant> = {
  compute({ param, grad, m: firstBefore, v: secondBefore }, { adamw: options }, variant = {}) {
    const { corrected = [true, true], coupled = false, sign = 1, root = true } = variant;
    const { squared = true, epsilonInside = false, betas, direction: directionOf = (_g, usual) => usual } = variant;
    const { learningRate, eps, step } = options;
    const { decays = options.decays, clipped = true } = variant;
    const gradScale = clipped ? options.gradScale : 1;
    const [beta1, beta2] = betas?.(options) ?? [options.beta1, options.beta2];
    const weightDecay = decays ? options.weightDecay : 0;
    const correction1 = corrected[0] ? 1 - beta1 ** step : 1;
    const correction2 = corrected[1] ? 1 - beta2 ** step : 1;
    const size = param.data.length;
    const [m, v, updated] = [new Float64Array(size), new Float64Array(size), new Float64Array(size)];
    for (let i = 0; i < size; i++) {
      const p = param.data[i];
      const g = grad.data[i] * gradScale + (coupled ? weightDecay * p : 0);
      m[i] = beta1 * (firstBefore?.data[i] ?? 0) + (1 - beta1) * g;
      v[i] = beta2 * (secondBefore?.data[i] ?? 0) + (1 - beta2) * (squared ? g * g : g);
      const second = v[i] / correction2;
      const divisor = !root ? second + eps : epsilonInside ? Math.sqrt(second + eps) : Math.sqrt(second) + eps;
      const direction = directionOf(g, m[i] / correction1 / divisor);
      updated[i] = p - sign * learningRate * (direction + (coupled ? 0 : weightDecay * p));
    }
    return { m, v, param: updated };
  },
  mistakes: [
    {
      what: "the bias correction is missing: m / (1 - beta1^step) and v / (1 - beta2^step)",
      variant: { corrected: [false, false] },
    },
    { what: "m's bias correction is missing: m / (1 - beta1^step)", variant: { corrected: [false, true] } },
    { what: "v's bias correction is missing: v / (1 - beta2^step)", variant: { corrected: [true, false] } },
    { what: "weight decay is missing on this tensor: it acts on embeddings and matrices", variant: { decays: false } },
    { what: "weight decay acts on this tensor: it acts on embeddings and matrices only", variant: { decays: true } },
    {
      what: "the gradient is not clipped: all gradients are scaled so that their norm is 1 at most, or what was given",
      variant: { clipped: false },
    },
    { what: "the weight goes up the gradient: the update is subtracted", variant: { sign: -1 } },
    {
      what: "weight decay is added to the gradient, as in Adam with L2: AdamW subtracts learningRate * weightDecay * param apart",
      variant: { coupled: true },
    },
    { what: "it is plain gradient descent, without AdamW's moments", variant: { direction: (g) => g } },
    { what: "the root of v is missing", variant: { root: false } },
    { what: "the gradient is not squared in v", variant: { squared: false } },
    { what: "epsilon is inside the root: sqrt(v) + eps", variant: { epsilonInside: true } },
    { what: "beta1 and beta2 are exchanged", variant: { betas: ({ beta1, beta2 }) => [beta2, beta1] } },
    {
      what: "the new gradient is weighted by beta and the old moment by 1 - beta: it is the other way round",
      variant: { betas: ({ beta1, beta2 }) => [1 - beta1, 1 - beta2] },
    },
  ],
};
