import { type Affine, type Backend, type Gradient, sizeOf, type Tensor, view } from "../backend/backend.ts";
import type { GPT2Config } from "./config.ts";

/** GPT-2's parameter tensors, in llm.c's order. Per-layer tensors hold all layers, one after the other. */
export const tensorNames = [
  "wte",
  "wpe",
  "ln1w",
  "ln1b",
  "qkvw",
  "qkvb",
  "attprojw",
  "attprojb",
  "ln2w",
  "ln2b",
  "fcw",
  "fcb",
  "fcprojw",
  "fcprojb",
  "lnfw",
  "lnfb",
] as const;

export type TensorName = (typeof tensorNames)[number];

/** The shape of every parameter tensor, in order. Weights are (out, in); L stands first where there is one a layer. */
export function tensorShapes({ maxT, Vp, L, C, hidden }: GPT2Config): Record<TensorName, readonly number[]> {
  return {
    wte: [Vp, C],
    wpe: [maxT, C],
    ln1w: [L, C],
    ln1b: [L, C],
    qkvw: [L, 3 * C, C],
    qkvb: [L, 3 * C],
    attprojw: [L, C, C],
    attprojb: [L, C],
    ln2w: [L, C],
    ln2b: [L, C],
    fcw: [L, hidden, C],
    fcb: [L, hidden],
    fcprojw: [L, C, hidden],
    fcprojb: [L, C],
    lnfw: [C],
    lnfb: [C],
  };
}

/** All numbers in the model, padding rows of wte included. */
export function parameterCount(config: GPT2Config): number {
  return Object.values(tensorShapes(config)).reduce((sum, shape) => sum + sizeOf(shape), 0);
}

/** Weight decay pulls on embeddings and matrices only, not on biases and layernorm weights (as GPT-2 was trained). */
export const decayedTensors: ReadonlySet<TensorName> = new Set(["wte", "wpe", "qkvw", "attprojw", "fcw", "fcprojw"]);

/** One value for each parameter tensor: the parameters themselves, their gradients, or a moment of AdamW. */
export type TensorSet = Readonly<Record<TensorName, Tensor>>;

/** A zeroed set in one buffer, in llm.c's order. */
export function allocTensorSet(backend: Pick<Backend, "alloc">, config: GPT2Config): TensorSet {
  const whole = backend.alloc([parameterCount(config)]);
  const shapes = tensorShapes(config);
  let start = 0;
  const entries = tensorNames.map((name) => {
    const tensor = view(whole, start, shapes[name]);
    start += tensor.size;
    return [name, tensor] as const;
  });
  return Object.fromEntries(entries) as Record<TensorName, Tensor>;
}

/** The matrices, which are nearly all of a model: what may be kept in bfloat16. */
const matrices: ReadonlySet<TensorName> = new Set(["wte", "qkvw", "attprojw", "fcw", "fcprojw"]);

/** Zeroed weights for reading only, the matrices in bfloat16, the rest in float32. */
export function allocBf16Weights(backend: Pick<Backend, "alloc">, config: GPT2Config): TensorSet {
  const shapes = tensorShapes(config);
  const tensorOf = (name: TensorName) => backend.alloc(shapes[name], matrices.has(name) ? "bf16" : "f32");
  const entries = tensorNames.map((name) => [name, tensorOf(name)] as const);
  return Object.fromEntries(entries) as Record<TensorName, Tensor>;
}

/** Layer `l`'s slice of a per-layer tensor: shape (L, …) becomes (…). */
export function layerOf(tensor: Tensor, l: number): Tensor {
  const [, ...shape] = tensor.shape;
  return view(tensor, l * sizeOf(shape), shape);
}

/** The operations of a layer that have parameters. */
export type LayerParameters = Readonly<Record<"ln1" | "qkv" | "attproj" | "ln2" | "fc" | "fcproj", Affine>>;

/** The parameters of layer `l`, or a moment of them. */
export function layerParameters(set: TensorSet, l: number): LayerParameters {
  return {
    ln1: { weight: layerOf(set.ln1w, l), bias: layerOf(set.ln1b, l) },
    qkv: { weight: layerOf(set.qkvw, l), bias: layerOf(set.qkvb, l) },
    attproj: { weight: layerOf(set.attprojw, l), bias: layerOf(set.attprojb, l) },
    ln2: { weight: layerOf(set.ln2w, l), bias: layerOf(set.ln2b, l) },
    fc: { weight: layerOf(set.fcw, l), bias: layerOf(set.fcb, l) },
    fcproj: { weight: layerOf(set.fcprojw, l), bias: layerOf(set.fcprojb, l) },
  };
}

/** The gradients of layer `l`'s parameters, to be overwritten or added to. */
export function layerGradients(grads: TensorSet, l: number, accumulate: boolean) {
  const { ln1, qkv, attproj, ln2, fc, fcproj } = layerParameters(grads, l);
  const gradient = (affine: Affine): Gradient<Affine> => ({ ...affine, accumulate });
  return {
    ln1: gradient(ln1),
    qkv: gradient(qkv),
    attproj: gradient(attproj),
    ln2: gradient(ln2),
    fc: gradient(fc),
    fcproj: gradient(fcproj),
  };
}

/** The last layernorm's parameters. */
export function finalLayernorm({ lnfw, lnfb }: TensorSet): Affine {
  return { weight: lnfw, bias: lnfb };
}

/** What is needed to run a model: its shape and its weights. */
export interface Parameters {
  readonly config: GPT2Config;
  readonly weights: TensorSet;
}

/** What training adds to the weights: their gradients, and AdamW's running means of gradient and squared gradient. */
export interface TrainingTensors {
  readonly grads: TensorSet;
  readonly m: TensorSet;
  readonly v: TensorSet;
}
