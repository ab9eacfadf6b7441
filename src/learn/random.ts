import { sizeOf } from "../backend/shape.ts";
import type { Numbers, Operand } from "../mistakes/operation.ts";
import { Mt19937 } from "../random/mt19937.ts";
import { normals } from "../random/normal.ts";

/** Random operands of one case, always the same for a seed. */
export class RandomOperands {
  readonly #random: Mt19937;

  constructor(seed: number) {
    this.#random = new Mt19937(seed);
  }

  /** Normal numbers around `mean`. */
  normal(shape: readonly number[], deviation = 1, mean = 0): Operand & { readonly data: Float32Array } {
    const size = sizeOf(shape);
    const values = [...normals(this.#random, Math.max(size, 16), deviation)].flatMap((part) => [...part]);
    return { data: Float32Array.from(values.slice(0, size), (value) => value + mean), shape };
  }

  /** Whole numbers below `limit`, some of them more than once. */
  tokens(shape: readonly number[], limit: number): Operand & { readonly data: Int32Array } {
    const { data } = this.normal(shape, limit);
    return { data: Int32Array.from(data, (value) => Math.floor(Math.abs(value)) % limit), shape };
  }
}

/** Numbers of a small model; `own` are those that the case has. */
export function numbersWith(own: Partial<Numbers> = {}): Numbers {
  const adamw = {
    learningRate: 1e-3,
    beta1: 0.9,
    beta2: 0.999,
    eps: 1e-8,
    weightDecay: 0.1,
    decays: true,
    gradScale: 1,
    step: 1,
  };
  return { NH: 1, V: 7, epsilon: 1e-5, gelu: "tanh", adamw, ...own };
}
