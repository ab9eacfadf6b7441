import {
  type Backend,
  elementBytes,
  type Precision,
  storageOf,
  type WeightType,
  weightTypes,
} from "../backend/backend.ts";
import { requireBackend } from "../backend/registry.ts";
import { sizeOf } from "../backend/shape.ts";
import { MemoryError, shown, UsageError } from "../errors.ts";
import { type OptionNames, requireOptions, requireType } from "../option-names.ts";
import { type GPT2Config, presetConfig, presetNames, requireConfig } from "./config.ts";
import { allocAdapterTraining, allocAdapterWorkspace, type LoraConfig, type LoraTarget, loraTargets } from "./lora.ts";
import { allocMuonScratch, type Optimizer, optimizers } from "./muon-memory.ts";
import { allocPackedWorkspace } from "./packed.ts";
import { parameterCount, parametersOf } from "./parameters.ts";
import type { Share } from "./tensor-part.ts";
import { allocTrainingTensors, type Parameters, TensorSet } from "./tensor-set.ts";
import {
  type Allocator,
  allocDecodeWorkspace,
  allocInspectWorkspace,
  allocLossWorkspace,
  allocStepWorkspace,
} from "./workspace.ts";

/** Everything a run holds in its backend's memory. */
export interface MemoryPlan {
  /** Type of the matrices; default f32. */
  readonly weights?: WeightType;
  /** Gradients and AdamW's moments as well as weights. */
  readonly optimizer?: boolean;
  /** Of AdamW's moments only the part of one of several processes. */
  readonly share?: Share;
  /** An adapter that is trained in place of the weights. */
  readonly lora?: LoraConfig;
  /** Muon has memory of its own. Default adamw. */
  readonly updates?: Optimizer;
  /** Of training: bf16 for a copy of the matrices, and activations in bf16. Default fp32. */
  readonly precision?: Precision;
  /** Workspaces, by batch and block. */
  readonly train?: {
    readonly B: number;
    readonly T: number;
    /** Batches of a step; default 1. */
    readonly accumulate?: number;
  };
  readonly evaluate?: { readonly B: number; readonly T: number };
  /** Rows of packed sequences to score at once. */
  readonly score?: { readonly rows: number };
  /** Longest sequence to generate, and how many at once; default 1. */
  readonly decode?: { readonly S: number; readonly B?: number };
  /** Tokens to look inside at. */
  readonly inspect?: { readonly T: number };
}

const planned: OptionNames<MemoryPlan> = {
  weights: true,
  optimizer: true,
  share: true,
  lora: true,
  updates: true,
  precision: true,
  train: true,
  evaluate: true,
  score: true,
  decode: true,
  inspect: true,
};

/** Bytes that a plan allocates. */
interface MemoryNeeded {
  readonly total: number;
  /** The largest buffer. */
  readonly largest: number;
  /** What an operation takes at once even where operands are cut: a sequence's qkv, or some rows of a matrix. */
  readonly uncut: number;
}

/** Rows of a matrix that no backend cuts further. */
const LEAST_ROWS = 64;

function uncutOf({ C, Vp, hidden }: GPT2Config, { train, evaluate, decode, inspect, precision = "fp32" }: MemoryPlan) {
  const T = Math.max(0, ...[train?.T, evaluate?.T, decode?.S, inspect?.T].filter((length) => length !== undefined));
  const activation = train || evaluate ? elementBytes[storageOf[precision]] : elementBytes.f32;
  return Math.max(activation * T * 3 * C, T > 0 ? elementBytes.f32 * LEAST_ROWS * Math.max(Vp, hidden, 3 * C) : 0);
}

/** Goes through all that a plan allocates, and allocates nothing. */
function measure(backend: Backend, config: GPT2Config, plan: MemoryPlan): MemoryNeeded {
  let total = 0;
  let largest = 0;
  const counter: Allocator = {
    limits: backend.limits,
    alloc(shape, dtype = "f32") {
      const size = sizeOf(shape);
      const bytes = size * elementBytes[dtype];
      total += bytes;
      largest = Math.max(largest, bytes);
      return { buffer: { bytes }, dtype, offset: 0, shape, size };
    },
    attentionSavedSize: (shape) => backend.attentionSavedSize(shape),
    headScratchSize: (N, Vp) => backend.headScratchSize(N, Vp),
  };
  const { weights, optimizer, updates, lora, share, precision, train, evaluate, score, decode, inspect } = plan;
  const own = new TensorSet(counter, config, weights);
  if (optimizer && lora) allocAdapterTraining(counter, config, lora);
  else if (optimizer) allocTrainingTensors(counter, { config, weights: own }, precision, share);
  if (optimizer && updates === "muon") allocMuonScratch(counter, config);
  if (lora && train) {
    allocAdapterWorkspace(counter, config, lora, adapterRows(plan));
    // The largest matrix in f32, which a backend computes with where it is kept in less.
    if (own.dtype !== "f32") counter.alloc([largestMatrix(config)]);
  }
  if (train) allocStepWorkspace(counter, config, train.B, train.T, train.accumulate ?? 1, precision);
  if (evaluate) allocLossWorkspace(counter, config, evaluate.B, evaluate.T, precision);
  if (score) allocPackedWorkspace(counter, config, score.rows);
  if (decode) allocDecodeWorkspace(counter, config, decode.S, decode.B);
  if (inspect) allocInspectWorkspace(counter, config, inspect.T);
  return { total, largest, uncut: uncutOf(config, plan) };
}

/** Rows that an adapter's activations are for: those of the largest forward pass. */
export function adapterRows({ train, evaluate, decode }: MemoryPlan): number {
  const rows = [train, evaluate].map((of) => (of ? of.B * of.T : 0));
  return Math.max(1, ...rows, decode ? decode.S * (decode.B ?? 1) : 0);
}

function largestMatrix(config: GPT2Config): number {
  return Math.max(...parametersOf(config).flatMap(({ bf16, shape }) => (bf16 ? [sizeOf(shape)] : [])));
}

/** Bytes that a plan needs, before anything of it is allocated. */
export function memoryNeeded(backend: Backend, config: GPT2Config, plan: MemoryPlan): number {
  requireOptions("memoryNeeded", plan, planned);
  requireBackend(backend);
  requireConfig(config);
  requirePlan(plan);
  return measure(backend, config, plan).total;
}

/** The sizes of each part of a plan that has some. */
const partSizes = {
  train: ["B", "T"],
  evaluate: ["B", "T"],
  score: ["rows"],
  decode: ["S"],
  inspect: ["T"],
} as const satisfies Partial<Record<keyof MemoryPlan, readonly string[]>>;

function isSize(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 1;
}

/** UsageError for values of a plan of which no number of bytes, or none that is right, would come. */
function requirePlan(of: MemoryPlan): void {
  const { weights = "f32", precision = "fp32", updates = "adamw", optimizer, lora, share, ...plan } = of;
  requireType("boolean", { optimizer });
  const isTarget = (name: LoraTarget) => loraTargets.includes(name);
  if (lora !== undefined && !(isSize(lora?.rank) && Array.isArray(lora.targets) && lora.targets.every(isTarget)))
    throw new UsageError(
      `lora is ${shown(lora)}, expected a rank of at least 1, alpha, and targets: some of ${loraTargets.join(", ")}.`,
    );
  if (
    share !== undefined &&
    !(isSize(share?.size) && (share.rank === 0 || isSize(share.rank)) && share.rank < share.size)
  )
    throw new UsageError(
      `share is ${shown(share)}, expected the size of a group and a rank in it, from 0 to size - 1.`,
    );
  if (!weightTypes.includes(weights))
    throw new UsageError(`weights is ${shown(weights)}, expected one of ${weightTypes.join(", ")}.`);
  if (!Object.hasOwn(storageOf, precision))
    throw new UsageError(`precision is ${shown(precision)}, expected one of ${Object.keys(storageOf).join(", ")}.`);
  if (!optimizers.includes(updates))
    throw new UsageError(`updates is ${shown(updates)}, expected one of ${optimizers.join(", ")}.`);
  for (const name of Object.keys(partSizes) as (keyof typeof partSizes)[]) {
    const sizes: Readonly<Record<string, unknown>> = { ...plan[name] };
    if (plan[name] !== undefined && !partSizes[name].every((size) => isSize(sizes[size])))
      throw new UsageError(
        `${name} is ${shown(plan[name])}, expected whole numbers of at least 1 for ${partSizes[name].join(" and ")}.`,
      );
  }
}

/** Bytes of a run by what holds them. */
export interface MemoryParts {
  readonly weights: number;
  /** Gradients, AdamW's moments, and with mixed precision the copy of the matrices; of an adapter, all of it. */
  readonly optimizer: number;
  readonly activations: number;
  readonly sampling: number;
  readonly total: number;
  /** What operations cannot use in place. */
  readonly beyond: number;
}

export function memoryParts(backend: Backend, config: GPT2Config, plan: MemoryPlan): MemoryParts {
  const needed = (plan: MemoryPlan) => memoryNeeded(backend, config, plan);
  const { weights: type, optimizer, updates, lora, share, precision, train, decode } = plan;
  const weights = needed({ weights: type });
  const total = needed(plan);
  return {
    weights,
    optimizer: needed({ weights: type, optimizer, updates, lora, share, precision }) - weights,
    activations: needed({ weights: type, train, lora, precision }) - weights,
    sampling: needed({ weights: type, decode }) - weights,
    total,
    beyond: Math.max(0, total - (backend.limits.inPlace ?? total)),
  };
}

const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`;

/** Advice for reducing the memory of a plan. */
function smaller({ inspect, train, evaluate, score }: MemoryPlan): string {
  if (inspect) return "A shorter prompt needs less.";
  if (score || (evaluate && !train)) return "A shorter block needs less.";
  if (!train) return "Fewer texts at once need less.";
  return (
    "A smaller batch or block needs less (llm-ts train: -b, -t, and -d, which keeps an update's tokens by accumulating " +
    "gradients)."
  );
}

/** True for a plan that the backend has the memory for, beside the bytes that `others` hold, and the machine too. */
function fits(backend: Backend, needed: MemoryNeeded, others = 0): boolean {
  return keepsToLimits(backend, needed, others) && missing(backend, needed, others) <= available(backend);
}

function keepsToLimits({ limits }: Backend, { total, largest, uncut }: MemoryNeeded, others: number): boolean {
  return total + others <= limits.total && largest <= limits.buffer && uncut <= (limits.binding ?? uncut);
}

/** Bytes that are not allocated yet. */
function missing({ memoryUsed }: Backend, { total }: MemoryNeeded, others: number): number {
  return total + others - memoryUsed;
}

function available({ memoryAvailable = Number.POSITIVE_INFINITY }: Backend): number {
  return memoryAvailable;
}

/** The largest batch below the plan's that fits, by bisection, since memory grows with the batch; 0 if none does. */
export function fittingBatch(backend: Backend, config: GPT2Config, plan: MemoryPlan, others = 0): number {
  const { train } = plan;
  if (!train) return 0;
  let [fitting, tooLarge] = [0, train.B];
  while (tooLarge - fitting > 1) {
    const B = Math.floor((fitting + tooLarge) / 2);
    if (fits(backend, measure(backend, config, { ...plan, train: { ...train, B } }), others)) fitting = B;
    else tooLarge = B;
  }
  return fitting;
}

/** What of a training plan would fit, as a sentence: a smaller batch, else a shorter block. */
function fitting(backend: Backend, config: GPT2Config, plan: MemoryPlan, others: number): string {
  const { train } = plan;
  if (!train) return "";
  const B = fittingBatch(backend, config, plan, others);
  if (B > 0) return ` A batch of ${B} (-b ${B}) would fit.`;
  for (let T = Math.floor(train.T / 2); T > 0; T = Math.floor(T / 2)) {
    const shorter = { ...plan, evaluate: undefined, train: { ...train, B: 1, T } };
    if (fits(backend, measure(backend, config, shorter), others))
      return ` A batch of 1 with blocks of ${T} (-b 1 -t ${T}) would fit.`;
  }
  return "";
}

/** The largest preset with fewer parameters, and no fewer positions, for which the plan fits: as a clause. */
function fittingPreset(backend: Backend, config: GPT2Config, plan: MemoryPlan, others: number): string {
  const best = presetNames
    .flatMap((name) => {
      const preset = presetConfig(name, config.V);
      return preset ? { name, preset, parameters: parameterCount(preset) } : [];
    })
    .filter(({ preset, parameters }) => preset.maxT >= config.maxT && parameters < parameterCount(config))
    .sort((a, b) => b.parameters - a.parameters)
    .find(({ preset }) => fits(backend, measure(backend, preset, plan), others));
  return best ? `: ${best.name}, with ${best.parameters.toLocaleString("en-US")} parameters, would fit` : "";
}

/** The part of a plan that is the model's weights. */
export function weightsPlan({ weights }: Parameters): Pick<MemoryPlan, "weights"> {
  return { weights: weights.dtype };
}

/** Bytes on the backend besides those of `own`, which is what of a plan is there already. */
export function heldByOthers(backend: Backend, config: GPT2Config, own: MemoryPlan): number {
  return Math.max(0, backend.memoryUsed - memoryNeeded(backend, config, own));
}

/**
 * MemoryError when the plan cannot fit the backend beside the bytes that `others` hold there, or has a tensor that is too
 * large for one of its buffers or bindings, or needs more than the machine has free: which limit, what is needed and what there is, and what would fit.
 */
export function requireMemory(backend: Backend, config: GPT2Config, plan: MemoryPlan, others = 0): void {
  const { name, limits } = backend;
  const needed = measure(backend, config, plan);
  if (fits(backend, needed, others)) return;
  const { optimizer, lora, share, weights, precision } = plan;
  const fixed = measure(backend, config, { optimizer, lora, share, weights, precision });
  const narrower = lora && weights !== "int8" ? " Or keep the weights in less: --weights int8 (or bf16)." : "";
  const advice = fits(backend, fixed, others)
    ? smaller(plan) + fitting(backend, config, plan, others) + narrower
    : `Its ${parameterCount(config).toLocaleString("en-US")} parameters alone take ${gigabytes(fixed.total)}` +
      `${plan.optimizer ? ` with ${lora ? "an adapter, its " : ""}gradients and AdamW's moments` : ""}: choose a smaller model` +
      `${fittingPreset(backend, config, plan, others)}.${narrower}`;
  const called = (limit: "buffer" | "binding") => (limits.names ? ` (${limits.names[limit]})` : "");
  if (needed.total + others <= limits.total && needed.largest > limits.buffer)
    throw new MemoryError(
      `This run needs ${gigabytes(needed.largest)} in one piece, and a buffer of the ${name} backend can hold ` +
        `${gigabytes(limits.buffer)}${called("buffer")}. ${advice}`,
    );
  if (keepsToLimits(backend, needed, others))
    throw new MemoryError(
      `This run needs ${gigabytes(missing(backend, needed, others))} of memory, and this machine has ` +
        `${gigabytes(available(backend))} free: it would swap, or be ended by the system. Close other programs. ${advice}`,
    );
  if (needed.total + others <= limits.total)
    throw new MemoryError(
      `This run needs ${gigabytes(needed.uncut)} at once (a sequence's queries, keys and values, or ${LEAST_ROWS} rows of ` +
        `logits), and an operation of the ${name} backend takes ${gigabytes(limits.binding ?? 0)}${called("binding")}. ${advice}`,
    );
  throw new MemoryError(
    `This run needs ${gigabytes(needed.total)}, and the ${name} backend can hold ${gigabytes(limits.total)}` +
      `${others > 0 ? `, of which other models and runs have ${gigabytes(others)}: dispose of them first` : ""}. ${advice}`,
  );
}
