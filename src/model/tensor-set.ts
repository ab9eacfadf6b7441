import type { Backend, Linear, Precision, Tensor, Usage, WeightType } from "../backend/backend.ts";
import type { GPT2Config } from "./config.ts";
import type { AdapterGradients, AdapterSet, Adapters } from "./lora.ts";
import type { MuonScratch } from "./muon-memory.ts";
import { type ParameterTensor, parametersOf, type TensorName } from "./parameters.ts";
import { type Share, TensorPart } from "./tensor-part.ts";
import { TensorStacks } from "./tensor-stacks.ts";

/** The operations of a layer that have parameters. */
export type LayerParameters = Readonly<Record<"ln1" | "qkv" | "attproj" | "ln2" | "fc" | "fcproj", Linear>>;

/**
 * One value for each parameter of a model: the parameters themselves, their gradients, or a moment of AdamW. Zero at first.
 * Sets of one configuration on one backend are cut alike, if they are of one type or matrices are of multiples of 8 columns.
 */
export class TensorSet extends TensorStacks<ParameterTensor> {
  readonly dtype: WeightType;
  readonly wte: Tensor;
  readonly wpe: Tensor | null;
  readonly layers: readonly LayerParameters[];
  /** The last layernorm's. */
  readonly lnf: Linear;

  /**
   * Allocates a set, to be freed by the owner of the allocator, matrices in `dtype`; beside `weights`, everything else is
   * theirs.
   */
  constructor(
    at: Pick<Backend, "alloc" | "limits">,
    config: GPT2Config,
    dtype: WeightType = "f32",
    weights?: TensorSet,
    usage: Usage = "weights",
  ) {
    super(at, parametersOf(config), dtype, usage, weights);
    this.dtype = dtype;
    const of = (name: TensorName, l = 0) => this.tensors(name)[l];
    const ifThere = (name: TensorName, l = 0) => (this.has(name) ? of(name, l) : null);
    this.wte = of("wte");
    this.wpe = ifThere("wpe");
    this.layers = Array.from({ length: config.L }, (_, l) => ({
      ln1: { weight: of("ln1w", l), bias: ifThere("ln1b", l) },
      qkv: { weight: of("qkvw", l), bias: of("qkvb", l) },
      attproj: { weight: of("attprojw", l), bias: of("attprojb", l) },
      ln2: { weight: of("ln2w", l), bias: ifThere("ln2b", l) },
      fc: { weight: of("fcw", l), bias: of("fcb", l) },
      fcproj: { weight: of("fcprojw", l), bias: of("fcprojb", l) },
    }));
    this.lnf = { weight: of("lnfw"), bias: ifThere("lnfb") };
  }

  /** Takes over the matrices of another set, in pieces, rounded to this one's type. */
  async copyMatrices(be: Backend, from: TensorSet): Promise<void> {
    for (const { name, size, bf16 } of this.parameters)
      for (let start = 0; bf16 && start < size; start += COPIED_AT_ONCE) {
        const length = Math.min(COPIED_AT_ONCE, size - start);
        await this.write(be, name, start, await from.read(be, name, start, length));
      }
  }
}

/** Elements read and written at once: 16 MiB of f32. */
const COPIED_AT_ONCE = 2 ** 22;

/** A model to run: configuration and weights. */
export interface Parameters {
  readonly config: GPT2Config;
  readonly weights: TensorSet;
  /** Low-rank adapters that add to matrices of the layers (LoRA): they are trained, and the weights stay as they are. */
  readonly adapters?: Adapters;
}

/** Tensors of training besides what is trained: gradients, and AdamW's first and second moments. */
export interface TrainingTensors<
  M extends TensorSet | TensorPart | AdapterSet = TensorSet | TensorPart,
  G extends TensorSet | AdapterGradients = TensorSet,
> {
  readonly grads: G;
  /** Whole, or a part of each block: then this process updates that part of the weights. */
  readonly m: M;
  readonly v: M;
  /** With mixed precision: the weights that forward and backward read, matrices in bf16, which AdamW keeps up to date. */
  readonly copy?: TensorSet;
}

/** Where Muon updates the matrices of layers: their momentum is in m. */
export interface MuonTraining extends TrainingTensors<TensorSet> {
  readonly muon: MuonScratch;
}

/** Of a model's weights, or of its adapters. */
export type TensorsOfTraining = TrainingTensors | MuonTraining | TrainingTensors<AdapterSet, AdapterGradients>;

/** The model as forward and backward read it. */
export function computedWith({ weights, ...model }: Parameters, { copy = weights }: TensorsOfTraining): Parameters {
  return { ...model, weights: copy };
}

/**
 * Allocates what training has besides the weights: with bf16, a copy of them too; with `share`, of the moments only the part that
 * is this process's.
 */
export function allocTrainingTensors(
  at: Pick<Backend, "alloc" | "limits">,
  parameters: Parameters,
  precision?: Precision,
): TrainingTensors<TensorSet>;
export function allocTrainingTensors(
  at: Pick<Backend, "alloc" | "limits">,
  parameters: Parameters,
  precision: Precision,
  share: Share,
): TrainingTensors<TensorPart>;
export function allocTrainingTensors(
  at: Pick<Backend, "alloc" | "limits">,
  parameters: Parameters,
  precision?: Precision,
  share?: Share,
): TrainingTensors;
export function allocTrainingTensors(
  at: Pick<Backend, "alloc" | "limits">,
  { config, weights }: Parameters,
  precision: Precision = "fp32",
  share?: Share,
): TrainingTensors {
  const allocate = (usage: Usage) => new TensorSet(at, config, "f32", undefined, usage);
  const moment = () => (share ? new TensorPart(at, weights, share, "moments") : allocate("moments"));
  return {
    grads: allocate("gradients"),
    m: moment(),
    v: moment(),
    copy: precision === "bf16" ? new TensorSet(at, config, "bf16", weights) : undefined,
  };
}
