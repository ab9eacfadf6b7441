import {
  type Backend,
  elementBytes,
  type Linear,
  type Precision,
  sizeOf,
  type Tensor,
  type Usage,
  view,
  type WeightType,
} from "../backend/backend.ts";
import { BLOCK } from "../backend/int8.ts";
import type { GPT2Config } from "./config.ts";
import { type ParameterTensor, parametersOf, type TensorName } from "./parameters.ts";
import { type Share, TensorPart } from "./tensor-part.ts";

/** The operations of a layer that have parameters. */
export type LayerParameters = Readonly<Record<"ln1" | "qkv" | "attproj" | "ln2" | "fc" | "fcproj", Linear>>;

/** A tensor of all layers in a backend's memory: consecutive layers share a buffer, as many as the backend's limit takes. */
interface Stack {
  /** Whole buffers. Between layers may be zeros, so that each begins where the backend wants it. */
  readonly blocks: readonly Tensor[];
  /** The tensor of each layer; of a tensor that is not per layer, the one. */
  readonly layers: readonly Tensor[];
  /** The longest pieces without such zeros, all of one size but the last: blocks or layers. */
  readonly pieces: readonly Tensor[];
}

function allocStack(
  at: Pick<Backend, "alloc" | "limits">,
  { shape, count, bf16 }: ParameterTensor,
  dtype: WeightType,
  usage: Usage,
): Stack {
  const type = bf16 ? dtype : "f32";
  const { buffer, alignment } = at.limits;
  const size = sizeOf(shape);
  const step = stepOf(type, alignment);
  const stride = Math.ceil(size / step) * step;
  // As many in either type, so that a copy in bf16 is cut like the weights.
  const inBlock = Math.max(1, Math.floor(buffer / (elementBytes.f32 * stride)));
  const blocks: Tensor[] = [];
  const layers: Tensor[] = [];
  for (let first = 0; first < count; first += inBlock) {
    const inThis = Math.min(inBlock, count - first);
    const block = at.alloc([(inThis - 1) * stride + size], type, usage);
    blocks.push(block);
    for (let i = 0; i < inThis; i++) layers.push(view(block, i * stride, shape));
  }
  return { blocks, layers, pieces: stride === size ? blocks : layers };
}

/** The least number of elements whose bytes are a multiple of the alignment, and, of int8, whole blocks. */
function stepOf(type: WeightType, alignment: number): number {
  const unit = type === "int8" ? BLOCK : 1;
  let step = unit;
  while ((step * elementBytes[type]) % alignment !== 0) step += unit;
  return step;
}

/**
 * One value for each parameter of a model: the parameters themselves, their gradients, or a moment of AdamW. Zero at first.
 * Sets of one configuration on one backend are cut alike, if they are of one type or matrices are of multiples of 8 columns.
 */
export class TensorSet {
  readonly dtype: WeightType;
  /** The parameters, in the order of the table. */
  readonly parameters: readonly ParameterTensor[];
  readonly wte: Tensor;
  readonly wpe: Tensor | null;
  readonly layers: readonly LayerParameters[];
  /** The last layernorm's. */
  readonly lnf: Linear;
  /** All there is, in llm.c's order, in as few tensors as the backend's buffers allow: for operations on every element. */
  readonly entries: readonly { readonly parameter: ParameterTensor; readonly tensor: Tensor }[];
  readonly #stacks: ReadonlyMap<TensorName, Stack>;

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
    this.dtype = dtype;
    this.parameters = parametersOf(config);
    const stack = (parameter: ParameterTensor) =>
      weights && !parameter.bf16 ? weights.#stack(parameter.name) : allocStack(at, parameter, dtype, usage);
    this.#stacks = new Map(this.parameters.map((parameter) => [parameter.name, stack(parameter)]));
    this.entries = this.parameters.flatMap((parameter) =>
      this.#stack(parameter.name).blocks.map((tensor) => ({ parameter, tensor })),
    );
    const of = (name: TensorName, l = 0) => this.tensors(name)[l];
    const ifThere = (name: TensorName, l = 0) => this.#stacks.get(name)?.layers[l] ?? null;
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

  /** The tensors of all entries. */
  get blocks(): readonly Tensor[] {
    return this.entries.map(({ tensor }) => tensor);
  }

  /** The tensor of each layer; of a tensor that is not per layer, the one. */
  tensors(name: TensorName): readonly Tensor[] {
    return this.#stack(name).layers;
  }

  /** `length` elements of a tensor from `start` on, as llm.c's files count them: through all layers. */
  async read(be: Backend, name: TensorName, start: number, length: number): Promise<Float32Array> {
    const data = new Float32Array(length);
    for (const [from, piece] of this.cut(name, start, length)) {
      const part = await be.read(piece);
      if (part.length === length) return part;
      data.set(part, from);
    }
    return data;
  }

  /** Writes elements of a tensor from `start` on, counted as `read` does. */
  async write(be: Backend, name: TensorName, start: number, data: Float32Array): Promise<void> {
    for (const [from, piece] of this.cut(name, start, data.length))
      await be.write(piece, data.subarray(from, from + piece.size));
  }

  /** Takes over the matrices of another set, in pieces, rounded to this one's type. */
  async copyMatrices(be: Backend, from: TensorSet): Promise<void> {
    for (const { name, size, bf16 } of this.parameters)
      for (let start = 0; bf16 && start < size; start += COPIED_AT_ONCE) {
        const length = Math.min(COPIED_AT_ONCE, size - start);
        await this.write(be, name, start, await from.read(be, name, start, length));
      }
  }

  /** The pieces of memory that hold `length` elements from `start` on, each with how many come before it. */
  *cut(name: TensorName, start: number, length: number): Generator<[from: number, piece: Tensor]> {
    const { pieces } = this.#stack(name);
    const { size } = pieces[0];
    for (let from = 0; from < length; ) {
      const at = start + from;
      const inside = at % size;
      const piece = pieces[Math.floor(at / size)];
      const count = Math.min(length - from, piece.size - inside);
      yield [from, view(piece, inside, [count])];
      from += count;
    }
  }

  #stack(name: TensorName): Stack {
    const stack = this.#stacks.get(name);
    if (!stack) throw new RangeError(`this model has no tensor ${name}`);
    return stack;
  }
}

/** Elements read and written at once: 16 MiB of f32. */
const COPIED_AT_ONCE = 2 ** 22;

/** A model to run: configuration and weights. */
export interface Parameters {
  readonly config: GPT2Config;
  readonly weights: TensorSet;
}

/** Tensors of training besides the weights: gradients, and AdamW's first and second moments. */
export interface TrainingTensors<M extends TensorSet | TensorPart = TensorSet | TensorPart> {
  readonly grads: TensorSet;
  /** Whole, or a part of each block: then this process updates that part of the weights. */
  readonly m: M;
  readonly v: M;
  /** With mixed precision: the weights that forward and backward read, matrices in bf16, which AdamW keeps up to date. */
  readonly copy?: TensorSet;
}

/** The model as forward and backward read it. */
export function computedWith({ config, weights }: Parameters, { copy = weights }: TrainingTensors): Parameters {
  return { config, weights: copy };
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
