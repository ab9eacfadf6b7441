/**
 * LoRA (Hu et al., 2021): a matrix (out, in) of a trained model stays as it is, and scale B A is added to it, the product of two
 * thin matrices A (rank, in) and B (out, rank). They alone are trained, so that gradients and moments are of them alone.
 */
import { type Backend, type Linear, matrixOf, type Tensor, type Usage, view } from "../backend/backend.ts";
import { sizeOf } from "../backend/shape.ts";
import { Mt19937 } from "../random/mt19937.ts";
import type { GPT2Config } from "./config.ts";
import { parametersOf } from "./parameters.ts";
import { type Stacked, TensorStacks } from "./tensor-stacks.ts";

/** The matmuls of a layer that can be adapted. */
export const loraTargets = ["qkv", "attproj", "fc", "fcproj"] as const;
export type LoraTarget = (typeof loraTargets)[number];

export interface LoraConfig {
  readonly rank: number;
  /** The product is scaled by alpha / rank. */
  readonly alpha: number;
  readonly targets: readonly LoraTarget[];
}

/** A matrix of an adapter, of all layers. */
export interface AdapterTensor extends Stacked {
  readonly name: `${LoraTarget}.lora_${"A" | "B"}`;
  readonly target: LoraTarget;
}

/** A (rank, in) and B (out, rank). */
export interface LowRank {
  readonly A: Tensor;
  readonly B: Tensor;
}

/** Rows and columns of the matrix that a target means: (out, in). */
export function shapeOfTarget(config: GPT2Config, target: LoraTarget): readonly [out: number, inputs: number] {
  const [out, inputs] = parametersOf(config).find(({ name }) => name === `${target}w`)?.shape ?? [];
  return [out, inputs];
}

/** The matrices of an adapter in order: target by target, A and B. */
export function adapterTensors(config: GPT2Config, { rank, targets }: LoraConfig): AdapterTensor[] {
  return targets.flatMap((target) => {
    const [out, inputs] = shapeOfTarget(config, target);
    const tensor = (side: "A" | "B", shape: readonly number[]): AdapterTensor => ({
      name: `${target}.lora_${side}`,
      target,
      shape,
      count: config.L,
      size: config.L * sizeOf(shape),
      decay: true,
    });
    return [tensor("A", [rank, inputs]), tensor("B", [out, rank])];
  });
}

/** All numbers in an adapter. */
export function adapterCount(config: GPT2Config, lora: LoraConfig): number {
  return adapterTensors(config, lora).reduce((sum, { size }) => sum + size, 0);
}

/** One value for each number of an adapter: the adapter itself, its gradient, or a moment of AdamW. Zero at first. */
export class AdapterSet extends TensorStacks<AdapterTensor> {
  /** By layer; a target that is not adapted is absent. */
  readonly pairs: readonly Partial<Record<LoraTarget, LowRank>>[];

  /** Allocates a set, to be freed by the owner of the allocator. */
  constructor(at: Pick<Backend, "alloc" | "limits">, config: GPT2Config, lora: LoraConfig, usage: Usage) {
    super(at, adapterTensors(config, lora), "f32", usage);
    this.pairs = Array.from({ length: config.L }, (_, l) =>
      Object.fromEntries(
        lora.targets.map((target) => [
          target,
          { A: this.tensors(`${target}.lora_A`)[l], B: this.tensors(`${target}.lora_B`)[l] },
        ]),
      ),
    );
  }
}

/** Where `backward` leaves gradients. Those that are null are not computed. */
export interface Gradients {
  readonly wte: Tensor | null;
  readonly wpe: Tensor | null;
  readonly layers: readonly (Readonly<Record<"ln1" | "ln2", Linear>> & Readonly<Record<LoraTarget, Linear | null>>)[];
  readonly lnf: Linear;
  readonly pairs?: AdapterSet["pairs"];
}

/** Gradients of an adapter, and none of the weights. */
export class AdapterGradients extends AdapterSet implements Gradients {
  readonly wte = null;
  readonly wpe = null;
  readonly layers: Gradients["layers"];
  readonly lnf: Linear;

  constructor(at: Pick<Backend, "alloc" | "limits">, config: GPT2Config, lora: LoraConfig) {
    super(at, config, lora, "gradients");
    const { C, L, norm } = config;
    // A norm's backward writes the gradients of its own weights as well: all into the same few numbers, which nobody reads.
    const unread: Linear = { weight: at.alloc([C]), bias: norm === "rms" ? null : at.alloc([C]) };
    this.lnf = unread;
    this.layers = Array.from({ length: L }, () => ({
      ...{ ln1: unread, ln2: unread },
      ...{ qkv: null, attproj: null, fc: null, fcproj: null },
    }));
  }
}

/** Activations of adapters for up to N rows. */
export interface AdapterWorkspace {
  /** (N,rank) results inside one matmul. */
  readonly inner: Tensor;
  readonly scaled: Tensor;
  /** (N,rank) of each layer and target, what `backward` needs again: scale inp Aᵀ. */
  readonly kept: readonly Partial<Record<LoraTarget, Tensor>>[];
  /** (N, widest) what is added to a result, or to a gradient. */
  readonly added: Tensor;
}

/** An adapter in use. */
export interface Adapters {
  readonly lora: LoraConfig;
  readonly set: AdapterSet;
  /** (rank,rank): the scale on its diagonal. Multiplying by it scales, which no operation does otherwise. */
  readonly scaling: Tensor;
  readonly ws: AdapterWorkspace;
}

/** An adapter with what its training has besides: gradients, and AdamW's moments. */
export interface AdapterTraining extends Pick<Adapters, "lora" | "set" | "scaling"> {
  readonly grads: AdapterGradients;
  readonly m: AdapterSet;
  readonly v: AdapterSet;
}

export function allocAdapterTraining(
  at: Pick<Backend, "alloc" | "limits">,
  config: GPT2Config,
  lora: LoraConfig,
): AdapterTraining {
  const allocate = (usage: Usage) => new AdapterSet(at, config, lora, usage);
  return {
    lora,
    set: allocate("weights"),
    scaling: at.alloc([lora.rank, lora.rank]),
    grads: new AdapterGradients(at, config, lora),
    m: allocate("moments"),
    v: allocate("moments"),
  };
}

export function allocAdapterWorkspace(
  at: Pick<Backend, "alloc">,
  config: GPT2Config,
  { rank, targets }: LoraConfig,
  N: number,
): AdapterWorkspace {
  const widest = Math.max(...targets.flatMap((target) => shapeOfTarget(config, target)));
  return {
    inner: at.alloc([N, rank]),
    scaled: at.alloc([N, rank]),
    kept: Array.from({ length: config.L }, () =>
      Object.fromEntries(targets.map((target) => [target, at.alloc([N, rank])])),
    ),
    added: at.alloc([N, widest]),
  };
}

/**
 * A new adapter, which adds nothing yet: A as PEFT begins it (uniform within 1 / sqrt(in), Kaiming's for a = sqrt(5)), B zero.
 * The tensors must be zero before.
 */
export async function initializeAdapter(
  be: Backend,
  { set, scaling, lora: { rank, alpha } }: Pick<Adapters, "set" | "scaling" | "lora">,
  seed: number,
): Promise<void> {
  const diagonal = Float32Array.from({ length: rank * rank }, (_, i) => (i % (rank + 1) === 0 ? alpha / rank : 0));
  await be.write(scaling, diagonal);
  const random = new Mt19937(seed);
  for (const pairs of set.pairs)
    for (const { A } of Object.values(pairs)) {
      const bound = 1 / Math.sqrt(A.shape[1]);
      await be.write(
        A,
        Float32Array.from({ length: A.size }, () => random.randfloat32() * 2 * bound - bound),
      );
    }
}

/** Behind a matmul with the matrix of a target: out (N,OC) += scale (inp (N,C) Aᵀ) Bᵀ. */
export function lowRankForward(
  be: Backend,
  { set, scaling, ws }: Adapters,
  l: number,
  target: LoraTarget,
  out: Tensor,
  inp: Tensor,
): void {
  const { [target]: pair } = set.pairs[l];
  const { [target]: whole } = ws.kept[l];
  if (!pair || !whole) return;
  const [N] = matrixOf(inp);
  const [rank] = pair.A.shape;
  const [inner, kept] = [ws.inner, whole].map((tensor) => view(tensor, 0, [N, rank]));
  const added = view(ws.added, 0, out.shape);
  be.matmulForward(inner, inp, matrix(pair.A));
  be.matmulForward(kept, inner, matrix(scaling));
  be.matmulForward(added, kept, matrix(pair.B));
  be.residualForward(out, out, added);
}

/** After `lowRankForward`: dinp (N,C) += the gradient of inp, and those of A and B, overwritten or added to. */
export function lowRankBackward(
  be: Backend,
  { set, scaling, ws }: Adapters,
  grads: AdapterSet["pairs"],
  l: number,
  target: LoraTarget,
  { dinp, dout, inp }: Readonly<Record<"dinp" | "dout" | "inp", Tensor>>,
  accumulate: boolean,
): void {
  const { [target]: pair } = set.pairs[l];
  const { [target]: dpair } = grads[l];
  const { [target]: whole } = ws.kept[l];
  if (!pair || !dpair || !whole) return;
  const [N] = matrixOf(inp);
  const [rank] = pair.A.shape;
  const [dinner, dscaled, kept] = [ws.inner, ws.scaled, whole].map((tensor) => view(tensor, 0, [N, rank]));
  const added = view(ws.added, 0, dinp.shape);
  be.matmulBackwardWeight({ ...matrix(dpair.B), accumulate }, dout, kept);
  be.matmulBackwardInput(dscaled, dout, matrix(pair.B));
  be.matmulBackwardInput(dinner, dscaled, matrix(scaling));
  be.matmulBackwardWeight({ ...matrix(dpair.A), accumulate }, dinner, inp);
  be.matmulBackwardInput(added, dinner, matrix(pair.A));
  be.residualForward(dinp, dinp, added);
}

const matrix = (weight: Tensor): Linear => ({ weight, bias: null });
