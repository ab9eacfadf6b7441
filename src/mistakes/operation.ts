/**
 * GPT-2's operations once more, each as one function of plain arrays in double precision, with the mistakes that people make
 * when they write it, as variants of the same function. `verify --trace` finds a port's mistake by computing each variant
 * from the port's own numbers; `learn` finds a reader's in the same way.
 */
import type { GeluForm } from "../backend/backend.ts";

/** Elements, row-major, and their shape. */
export interface Operand {
  readonly data: Float32Array | Float64Array | Int32Array;
  readonly shape: readonly number[];
}

/** Numbers of a model and a training step that operations need besides their operands. */
export interface Numbers {
  readonly NH: number;
  /** Tokens that exist: logits from V on are padding. */
  readonly V: number;
  readonly epsilon: number;
  readonly gelu: GeluForm;
  readonly adamw: AdamW;
}

export interface AdamW {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly eps: number;
  readonly weightDecay: number;
  /** Whether it acts on this tensor: on embeddings and matrices only. */
  readonly decays: boolean;
  /** Multiplies the gradient: gradient clipping. */
  readonly gradScale: number;
  /** 1 for the first update. */
  readonly step: number;
}

/** Results by their names. */
export type Results = Readonly<Record<string, Float64Array>>;

export interface Mistake<Variant> {
  /** What is wrong, for people: a clause without a full stop. */
  readonly what: string;
  readonly variant: Variant;
}

/** An operation: what it computes, as it should be or with a mistake. */
export interface Operation<Inputs, Variant> {
  readonly compute: (inputs: Inputs, numbers: Numbers, variant?: Variant) => Results;
  readonly mistakes: readonly Mistake<Variant>[];
}

/** Number of rows: the product of all dimensions but the last. */
export function rowsOf({ data, shape }: Operand): number {
  return data.length / shape[shape.length - 1];
}
