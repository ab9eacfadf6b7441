import type { Argument } from "../../learn/exercise.ts";
import type { Outcome } from "../../learn/judge.ts";
import type { ModelSizes, Weights } from "../../learn/train-exercise.ts";

/** What a worker does with the function of a file. */
export type Task =
  | {
      readonly kind: "calls";
      readonly calls: readonly (readonly Argument[])[];
      readonly parameters: readonly string[];
      readonly results: readonly string[];
    }
  | {
      readonly kind: "gradients";
      readonly weights: Weights;
      readonly tokens: Int32Array;
      readonly targets: Int32Array;
      readonly sizes: ModelSizes;
    }
  | { readonly kind: "measure"; readonly args: readonly Argument[]; readonly slow: string }
  | {
      readonly kind: "train";
      readonly adamw: string;
      readonly weights: Weights;
      readonly data: Int32Array;
      readonly sizes: ModelSizes;
      readonly steps: number;
    };

export interface WorkerInput {
  /** The file's URL, and the function that it exports. */
  readonly url: string;
  readonly name: string;
  readonly task: Task;
}

/** What a worker reports. */
export type Report =
  | { readonly type: "outcome"; readonly outcome: Outcome }
  | { readonly type: "failed"; readonly message: string; readonly line?: number; readonly loading?: true }
  | { readonly type: "speed"; readonly times: number }
  | { readonly type: "step"; readonly step: number; readonly loss: number }
  | { readonly type: "trained"; readonly weights: Weights }
  | { readonly type: "done" };
