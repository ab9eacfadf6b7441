import { adamw } from "./adamw.ts";
import { attentionBackward, attentionForward } from "./attention.ts";
import { embeddingBackward, embeddingForward } from "./embedding.ts";
import { geluBackward, geluForward } from "./gelu.ts";
import { layernormBackward, layernormForward } from "./layernorm.ts";
import { crossEntropy, crossEntropyBackward, mean, residualForward, softmax } from "./loss.ts";
import { matmulBackwardInput, matmulBackwardWeight, matmulForward } from "./matmul.ts";
import type { Numbers, Operand, Operation, Results } from "./operation.ts";

const operations: Readonly<Record<string, unknown>> = {
  embeddingForward,
  embeddingBackward,
  layernormForward,
  layernormBackward,
  matmulForward,
  matmulBackwardInput,
  matmulBackwardWeight,
  attentionForward,
  attentionBackward,
  geluForward,
  geluBackward,
  residualForward,
  crossEntropy,
  crossEntropyBackward,
  mean,
  softmax,
  adamw,
};

/** True for an operation whose mistakes are known. */
export function isStudied(operation: string): boolean {
  return Object.hasOwn(operations, operation);
}

export type Operands = Readonly<Record<string, Operand>>;

export interface Attempt {
  /** The mistake; undefined for the right computation. */
  readonly what?: string;
  /** May throw where a mistake reads outside its operands. */
  readonly compute: () => Results;
}

/** The right computation of an operation's results, and one with each known mistake. */
export function attemptsAt(name: string, inputs: Operands, numbers: Numbers): Attempt[] {
  const { compute, mistakes } = operations[name] as Operation<Operands, unknown>;
  return [
    { compute: () => compute(inputs, numbers) },
    ...mistakes.map(({ what, variant }) => ({ what, compute: () => compute(inputs, numbers, variant) })),
  ];
}
