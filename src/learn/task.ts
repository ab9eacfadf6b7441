import type { Argument } from "./exercise.ts";
import type { Outcome } from "./judge.ts";
import type { ModelSizes, Weights } from "./train-exercise.ts";

/** What a worker does with a reader's function. */
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
  | {
      readonly kind: "measure";
      readonly args: readonly Argument[];
      readonly slow: string;
      readonly parameters: readonly string[];
      readonly results: readonly string[];
    }
  | {
      readonly kind: "train";
      readonly weights: Weights;
      readonly data: Int32Array;
      readonly sizes: ModelSizes;
      readonly steps: number;
      /** Shared memory: training ends after the step in which its element is no longer 0. */
      readonly stop: Int32Array;
    };

/** What a worker reports. */
export type Report =
  | { readonly type: "outcome"; readonly outcome: Outcome }
  | { readonly type: "failed"; readonly message: string; readonly line?: number; readonly loading?: true }
  | { readonly type: "speed"; readonly times: number }
  | { readonly type: "step"; readonly step: number; readonly loss: number }
  /** The weights after `step` steps: now and then, and at the end. */
  | { readonly type: "trained"; readonly step: number; readonly weights: Weights }
  | { readonly type: "done" };
