import { type Backend, type DType, elementBytes, sizeOf, type Tensor } from "../backend/backend.ts";
import { MemoryError } from "../errors.ts";
import type { GPT2Config } from "./config.ts";
import { allocBf16Weights, type Parameters, parameterCount } from "./parameters.ts";
import {
  type Allocator,
  allocDecodeWorkspace,
  allocInspectWorkspace,
  allocLossWorkspace,
  allocStepWorkspace,
} from "./workspace.ts";

/** Everything a run holds in its backend's memory. */
export interface MemoryPlan {
  /** How the matrices are kept; default f32. */
  readonly weights?: "f32" | "bf16";
  /** Gradients and AdamW's moments as well as weights. */
  readonly optimizer?: boolean;
  /** Workspaces, by batch and block. */
  readonly train?: {
    readonly B: number;
    readonly T: number;
    /** Batches of a step; default 1. */
    readonly accumulate?: number;
  };
  readonly evaluate?: { readonly B: number; readonly T: number };
  /** Longest sequence to generate, and how many at once; default 1. */
  readonly decode?: { readonly S: number; readonly B?: number };
  /** Tokens to look inside at. */
  readonly inspect?: { readonly T: number };
}

/** Bytes that a plan needs, before anything of it is allocated. */
export function memoryNeeded(backend: Backend, config: GPT2Config, plan: MemoryPlan): number {
  let bytes = plan.weights === "bf16" ? 0 : parameterCount(config) * 4 * (plan.optimizer ? 4 : 1);
  const counter: Allocator = {
    alloc(shape: readonly number[], dtype: DType = "f32"): Tensor {
      const size = sizeOf(shape);
      bytes += size * elementBytes[dtype];
      return { buffer: { bytes: size * elementBytes[dtype] }, dtype, offset: 0, shape, size };
    },
    attentionSavedSize: (shape) => backend.attentionSavedSize(shape),
    headScratchSize: (N, Vp) => backend.headScratchSize(N, Vp),
  };
  if (plan.weights === "bf16") allocBf16Weights(counter, config);
  if (plan.train) allocStepWorkspace(counter, config, plan.train.B, plan.train.T, plan.train.accumulate ?? 1);
  if (plan.evaluate) allocLossWorkspace(counter, config, plan.evaluate.B, plan.evaluate.T);
  if (plan.decode) allocDecodeWorkspace(counter, config, plan.decode.S, plan.decode.B);
  if (plan.inspect) allocInspectWorkspace(counter, config, plan.inspect.T);
  return bytes;
}

const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`;

/** What makes a plan need less. */
function smaller({ inspect, train, evaluate }: MemoryPlan): string {
  if (inspect) return "A shorter prompt needs less.";
  if (evaluate && !train) return "A shorter block needs less.";
  if (!train) return "Fewer texts at once need less.";
  return (
    "A smaller batch or block needs less (llm-ts train: -b, -t, and -d, which keeps an update's tokens by accumulating " +
    "gradients)."
  );
}

/** What of a plan a model's own weights are. */
export function weightsPlan({ weights }: Parameters): Pick<MemoryPlan, "weights"> {
  return { weights: weights.wte.dtype === "bf16" ? "bf16" : "f32" };
}

/** Bytes on the backend besides those of `own`, which is what of a plan is there already. */
export function heldByOthers(backend: Backend, config: GPT2Config, own: MemoryPlan): number {
  return Math.max(0, backend.memoryUsed - memoryNeeded(backend, config, own));
}

/**
 * MemoryError when the plan cannot fit the backend beside the bytes that `others` hold there: with the sum, and what would
 * make it fit.
 */
export function requireMemory(backend: Backend, config: GPT2Config, plan: MemoryPlan, others = 0): void {
  const needed = memoryNeeded(backend, config, plan);
  if (needed + others <= backend.limits.total) return;
  const fixed = memoryNeeded(backend, config, { optimizer: plan.optimizer, weights: plan.weights });
  const advice =
    fixed + others < backend.limits.total
      ? smaller(plan)
      : `Its ${parameterCount(config).toLocaleString("en-US")} parameters alone take ${gigabytes(fixed)}` +
        `${plan.optimizer ? " with gradients and AdamW's moments" : ""}: choose a smaller model.`;
  throw new MemoryError(
    `This run needs ${gigabytes(needed)}, and the ${backend.name} backend can hold ${gigabytes(backend.limits.total)}` +
      `${others > 0 ? `, of which other models and runs have ${gigabytes(others)}: dispose of them first` : ""}. ${advice}`,
  );
}
