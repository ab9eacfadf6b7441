import {
  type Backend,
  type DType,
  elementBytes,
  type HeadLoss,
  type KVCache,
  type Normalized,
  type Precision,
  storageOf,
  type Tensor,
  view,
} from "../backend/backend.ts";
import type { GPT2Config } from "./config.ts";

/** The part of a backend that allocates workspaces; `memory.ts` has one that only counts. */
export type Allocator = Pick<Backend, "alloc" | "limits" | "attentionSavedSize" | "headScratchSize">;

/**
 * One layer's activations, all of N = B*T rows: what its backward needs again. With mixed precision they are bf16, but for the
 * residual stream, which sums up all layers, and the numbers that norms and attention keep of each row.
 */
export interface LayerActivations {
  /** (N,C) after the first layernorm. */
  readonly ln1: Normalized;
  /** (B,T,3C) queries, keys and values. */
  readonly qkv: Tensor;
  /** (B,T,C) what attention gathered, before its projection. */
  readonly atty: Tensor;
  /** The backend's own record of the attention, when a backward follows. */
  readonly attsaved?: Tensor;
  /** (N,C) the residual stream after attention. */
  readonly residual2: Tensor;
  readonly ln2: Normalized;
  /** (N,hidden) the MLP before and after its GELU. */
  readonly fch: Tensor;
  readonly fchgelu: Tensor;
  /** (N,C) the residual stream after the MLP. */
  readonly residual3: Tensor;
  /** Keys and values of earlier positions, when decoding. */
  readonly cache?: KVCache;
}

/** Memory for one forward pass over B sequences of at most T tokens. Parameters live elsewhere. */
export interface Workspace {
  readonly B: number;
  readonly T: number;
  /** (B,T) int32. */
  readonly tokens: Tensor;
  /** (N,C) token plus position: the residual stream before the first layer. */
  readonly encoded: Tensor;
  readonly layers: readonly LayerActivations[];
  /** (N,C) what a projection gives before it is added to the residual stream. */
  readonly projected: Tensor;
  /** (N,C) after the last layernorm. */
  readonly lnf: Normalized;
}

/** A workspace that also computes the loss of every position. */
export interface LossWorkspace extends Workspace {
  readonly head: HeadLoss;
  /** Two numbers, read once a step: the mean loss and, after a backward, the squared norm of all gradients. */
  readonly stats: Tensor;
}

/** A workspace for training: every layer's activations are kept, and there is room for what flows backward. */
export interface TrainWorkspace extends LossWorkspace {
  readonly layers: readonly (LayerActivations & { readonly attsaved: Tensor })[];
  /** True if all layers share ln1, ln2 and fchgelu, which `backward` then recomputes. */
  readonly recompute: boolean;
  /** (N,C) the gradient of the residual stream, from the last layer to the first. */
  readonly dresidual: Tensor;
  /** (N,C), (N,hidden) and (N,3C) gradients inside one layer; GELU's, in dhidden, is computed in place. */
  readonly dchannels: Tensor;
  readonly dhidden: Tensor;
  readonly dqkv: Tensor;
}

/** A workspace for a training step of several batches, whose gradients are added up: all of it can be enqueued at once. */
export interface StepWorkspace {
  /** Activations, shared by all batches in turn. */
  readonly shared: TrainWorkspace;
  /** The same for each batch, with tokens, targets and mean loss (stats, 1) of its own. */
  readonly batches: readonly TrainWorkspace[];
  /** (batches) the mean loss of each. */
  readonly means: Tensor;
}

/** A workspace for generating: B sequences of up to S positions, all equally long, whose keys and values are kept. */
export interface DecodeWorkspace {
  readonly S: number;
  /** One more token of every sequence (B,1). */
  readonly step: Workspace;
  /** Several tokens of one sequence at once (1,T), for each of the B: different caches, the same activations. */
  readonly prompts: readonly Workspace[];
  /** (B,Vp) */
  readonly logits: Tensor;
}

/** A workspace for generating without a cache: one sequence of T positions, and the logits of one of them. */
export interface RecomputeWorkspace extends Workspace {
  /** (1,Vp) */
  readonly logits: Tensor;
}

/** A workspace for looking inside: every layer's qkv and residual stream are kept. */
export interface InspectWorkspace extends Workspace {
  /** Logits of as many positions as a backend likes to compute at once. */
  readonly headScratch: Tensor;
}

/** Activations that are cheap to recompute: results of both layernorms (N,C) and of GELU (N,hidden). */
type Recomputed = Readonly<Record<"ln1" | "ln2" | "fchgelu", Tensor>>;

function allocRecomputed(at: Allocator, { C, hidden }: GPT2Config, N: number, type: DType): Recomputed {
  return { ln1: at.alloc([N, C], type), ln2: at.alloc([N, C], type), fchgelu: at.alloc([N, hidden], type) };
}

/** Room for a norm of the rows of `out`. */
function allocNormalized(at: Allocator, { norm }: GPT2Config, out: Tensor, N: number): Normalized {
  return { out, mean: norm === "rms" ? null : at.alloc([N]), rstd: at.alloc([N]) };
}

function allocLayer(
  at: Allocator,
  config: GPT2Config,
  B: number,
  T: number,
  type: DType = "f32",
  recomputed = allocRecomputed(at, config, B * T, type),
): LayerActivations {
  const { C, hidden } = config;
  const N = B * T;
  return {
    ln1: allocNormalized(at, config, recomputed.ln1, N),
    qkv: at.alloc([B, T, 3 * C], type),
    atty: at.alloc([B, T, C], type),
    residual2: at.alloc([N, C]),
    ln2: allocNormalized(at, config, recomputed.ln2, N),
    fch: at.alloc([N, hidden], type),
    fchgelu: recomputed.fchgelu,
    residual3: at.alloc([N, C]),
  };
}

function allocBase(
  at: Allocator,
  config: GPT2Config,
  B: number,
  T: number,
  type: DType = "f32",
): Omit<Workspace, "layers"> {
  const N = B * T;
  return {
    B,
    T,
    tokens: at.alloc([B, T], "i32"),
    encoded: at.alloc([N, config.C]),
    projected: at.alloc([N, config.C], type),
    lnf: allocNormalized(at, config, at.alloc([N, config.C], type), N),
  };
}

function allocLoss(at: Allocator, config: GPT2Config, B: number, T: number) {
  return {
    head: {
      losses: at.alloc([B * T]),
      targets: at.alloc([B, T], "i32"),
      scratch: at.alloc([at.headScratchSize(B * T, config.Vp)]),
      V: config.V,
    },
    stats: at.alloc([2]),
  };
}

/**
 * From how many channels on a training step computes layernorms and GELUs twice rather than keep their results, a third
 * of all activations. Beside the matrix products, which grow with the square of the channels, that is 1% of GPT-2 124M's
 * step (docs/LOG.md); a small model would lose more, and needs no memory saved.
 */
const RECOMPUTE_FROM = 512;

export function allocTrainWorkspace(
  at: Allocator,
  config: GPT2Config,
  B: number,
  T: number,
  {
    precision = "fp32",
    recompute = config.C >= RECOMPUTE_FROM,
  }: { readonly precision?: Precision; readonly recompute?: boolean } = {},
): TrainWorkspace {
  const type = storageOf[precision];
  const { L, C, NH, hidden } = config;
  const N = B * T;
  const savedSize = at.attentionSavedSize({ B, T, C, NH });
  const shared = recompute ? allocRecomputed(at, config, N, type) : undefined;
  return {
    ...allocBase(at, config, B, T, type),
    ...allocLoss(at, config, B, T),
    layers: Array.from({ length: L }, () => ({
      ...allocLayer(at, config, B, T, type, shared),
      attsaved: at.alloc([savedSize]),
    })),
    recompute,
    dresidual: at.alloc([N, C]),
    dchannels: at.alloc([N, C], type),
    dhidden: at.alloc([N, hidden], type),
    dqkv: at.alloc([B, T, 3 * C], type),
  };
}

export function allocStepWorkspace(
  at: Allocator,
  config: GPT2Config,
  B: number,
  T: number,
  count: number,
  precision: Precision = "fp32",
): StepWorkspace {
  const shared = allocTrainWorkspace(at, config, B, T, { precision });
  const means = at.alloc([count]);
  const batches = Array.from({ length: count }, (_, i) => ({
    ...shared,
    tokens: at.alloc([B, T], "i32"),
    head: { ...shared.head, targets: at.alloc([B, T], "i32") },
    stats: view(means, i, [1]),
  }));
  return { shared, batches, means };
}

/** Nothing flows backward here, so all layers take turns in the same activations. */
export function allocLossWorkspace(
  at: Allocator,
  config: GPT2Config,
  B: number,
  T: number,
  precision: Precision = "fp32",
): LossWorkspace {
  const type = storageOf[precision];
  const shared = allocLayer(at, config, B, T, type);
  const layers = Array.from({ length: config.L }, () => shared);
  return { ...allocBase(at, config, B, T, type), ...allocLoss(at, config, B, T), layers };
}

/** At least S positions, so many that the cache of each sequence begins where the backend wants its operands. */
function cachePositions({ limits }: Allocator, S: number, C: number): number {
  let positions = S;
  while ((positions * C * elementBytes.f32) % limits.alignment !== 0) positions++;
  return positions;
}

/** Keys and values of B sequences of at least S positions. */
export function allocCache(at: Allocator, S: number, B: number, C: number): KVCache {
  const shape = [B, cachePositions(at, S, C), C];
  return { keys: at.alloc(shape), values: at.alloc(shape) };
}

/** At most T tokens at a time, S positions in all: a longer prompt is taken in pieces. */
export function allocDecodeWorkspace(
  at: Allocator,
  config: GPT2Config,
  S: number = config.maxT,
  B = 1,
  T: number = Math.min(S, 256),
): DecodeWorkspace {
  const { L, C, Vp } = config;
  const positions = cachePositions(at, S, C);
  const caches = Array.from({ length: L }, () => allocCache(at, S, B, C));
  const cacheOf = (cache: KVCache, b: number): KVCache => ({
    keys: view(cache.keys, b * positions * C, [1, positions, C]),
    values: view(cache.values, b * positions * C, [1, positions, C]),
  });
  const stepLayer = allocLayer(at, config, B, 1);
  const promptLayer = allocLayer(at, config, 1, T);
  const prompt = allocBase(at, config, 1, T);
  return {
    S,
    step: { ...allocBase(at, config, B, 1), layers: caches.map((cache) => ({ ...stepLayer, cache })) },
    prompts: Array.from({ length: B }, (_, b) => ({
      ...prompt,
      layers: caches.map((cache) => ({ ...promptLayer, cache: cacheOf(cache, b) })),
    })),
    logits: at.alloc([B, Vp]),
  };
}

export function allocRecomputeWorkspace(at: Allocator, config: GPT2Config, T: number): RecomputeWorkspace {
  const shared = allocLayer(at, config, 1, T);
  const layers = Array.from({ length: config.L }, () => shared);
  return { ...allocBase(at, config, 1, T), layers, logits: at.alloc([1, config.Vp]) };
}

export function allocInspectWorkspace(at: Allocator, config: GPT2Config, T: number): InspectWorkspace {
  const { L, C, Vp } = config;
  const first = allocLayer(at, config, 1, T);
  const others = Array.from({ length: L - 1 }, () => ({
    ...first,
    qkv: at.alloc([1, T, 3 * C]),
    residual3: at.alloc([T, C]),
  }));
  return {
    ...allocBase(at, config, 1, T),
    layers: [first, ...others],
    headScratch: at.alloc([at.headScratchSize(T, Vp)]),
  };
}

/** The same workspace for the first `T` positions of its one sequence. */
export function firstPositions(ws: Workspace, T: number): Workspace {
  return T === ws.T ? ws : reshaped(ws, 1, T);
}

/** The same memory as a workspace of B sequences of T tokens, no more than it was made for. */
export function reshaped(ws: Workspace, B: number, T: number): Workspace {
  /** The first B*T rows of (N), (N,width) or (B,T,width). */
  const cut = (tensor: Tensor): Tensor => {
    const { shape } = tensor;
    const width = shape[shape.length - 1];
    if (shape.length === 1) return view(tensor, 0, [B * T]);
    return view(tensor, 0, shape.length === 2 ? [B * T, width] : [B, T, width]);
  };
  const cutNormalized = ({ out, mean, rstd }: Normalized): Normalized => ({
    out: cut(out),
    mean: mean && cut(mean),
    rstd: cut(rstd),
  });
  return {
    B,
    T,
    tokens: view(ws.tokens, 0, [B, T]),
    encoded: cut(ws.encoded),
    layers: ws.layers.map(({ ln1, qkv, atty, residual2, ln2, fch, fchgelu, residual3, cache }) => ({
      ln1: cutNormalized(ln1),
      qkv: cut(qkv),
      atty: cut(atty),
      residual2: cut(residual2),
      ln2: cutNormalized(ln2),
      fch: cut(fch),
      fchgelu: cut(fchgelu),
      residual3: cut(residual3),
      cache,
    })),
    projected: cut(ws.projected),
    lnf: cutNormalized(ws.lnf),
  };
}

/** The same of a workspace with losses. Its scratch memory stays as large as it is. */
export function reshapedLoss(ws: LossWorkspace, B: number, T: number): LossWorkspace {
  const { losses, targets, ...head } = ws.head;
  return {
    ...reshaped(ws, B, T),
    head: { ...head, losses: view(losses, 0, [B * T]), targets: view(targets, 0, [B, T]) },
    stats: ws.stats,
  };
}

/** Row `n` of a tensor of rows, as (1, …). */
export function row(tensor: Tensor, n: number, width: number): Tensor {
  return view(tensor, n * width, [1, width]);
}
