import { elementBytes, type WeightType, weightTypes } from "../backend/backend.ts";
import { BLOCK } from "../backend/int8.ts";
import { sizeOf } from "../backend/shape.ts";
import { type GPT2Config, requireConfig } from "./config.ts";

/** Properties of a parameter tensor. */
interface Row {
  /** The shape: of each layer's, where there is one a layer. A matrix is (out, in). */
  readonly shape: (config: GPT2Config) => readonly number[];
  readonly perLayer?: boolean;
  /** Initial values: normal of deviation 0.02, for projections into the residual stream 0.02/sqrt(2L), ones or zeros. */
  readonly init: "normal" | "residual" | "one" | "zero";
  /** Weight decay pulls on embeddings and matrices only (as GPT-2 was trained). */
  readonly decay?: boolean;
  /** May be kept in bfloat16 or int8 when it is only read: the matrices, which are nearly all of a model. */
  readonly bf16?: boolean;
  /** Hugging Face's name; behind "h.{layer}." where there is one a layer. */
  readonly hub: string;
  /** A matrix that is (in, out) there. */
  readonly transposed?: boolean;
  /** True if a model of this configuration has it; default: always. */
  readonly when?: (config: GPT2Config) => boolean;
}

const hasPositions = ({ positions }: GPT2Config) => positions !== "rotary";
const scale = { perLayer: true, init: "one" } as const;
const bias = { perLayer: true, init: "zero" } as const;
const normBias = { init: "zero", when: ({ norm }: GPT2Config) => norm !== "rms" } as const;
const matrix = { perLayer: true, init: "normal", decay: true, bf16: true, transposed: true } as const;

/** GPT-2's parameter tensors in llm.c's order, which is that of its files. All else about them derives from this table. */
const rows = {
  wte: { hub: "wte.weight", shape: ({ Vp, C }) => [Vp, C], init: "normal", decay: true, bf16: true },
  wpe: { hub: "wpe.weight", shape: ({ maxT, C }) => [maxT, C], init: "normal", decay: true, when: hasPositions },
  ln1w: { ...scale, hub: "ln_1.weight", shape: ({ C }) => [C] },
  ln1b: { ...normBias, perLayer: true, hub: "ln_1.bias", shape: ({ C }) => [C] },
  qkvw: { ...matrix, hub: "attn.c_attn.weight", shape: ({ C }) => [3 * C, C] },
  qkvb: { ...bias, hub: "attn.c_attn.bias", shape: ({ C }) => [3 * C] },
  attprojw: { ...matrix, hub: "attn.c_proj.weight", shape: ({ C }) => [C, C], init: "residual" },
  attprojb: { ...bias, hub: "attn.c_proj.bias", shape: ({ C }) => [C] },
  ln2w: { ...scale, hub: "ln_2.weight", shape: ({ C }) => [C] },
  ln2b: { ...normBias, perLayer: true, hub: "ln_2.bias", shape: ({ C }) => [C] },
  fcw: { ...matrix, hub: "mlp.c_fc.weight", shape: ({ hidden, C }) => [hidden, C] },
  fcb: { ...bias, hub: "mlp.c_fc.bias", shape: ({ hidden }) => [hidden] },
  fcprojw: { ...matrix, hub: "mlp.c_proj.weight", shape: ({ hidden, C }) => [C, hidden], init: "residual" },
  fcprojb: { ...bias, hub: "mlp.c_proj.bias", shape: ({ C }) => [C] },
  lnfw: { hub: "ln_f.weight", shape: ({ C }) => [C], init: "one" },
  lnfb: { ...normBias, hub: "ln_f.bias", shape: ({ C }) => [C] },
} as const satisfies Record<string, Row>;

export type TensorName = keyof typeof rows;

const table: Readonly<Record<TensorName, Row>> = rows;

export const tensorNames = Object.keys(table) as readonly TensorName[];

/** A parameter tensor of one configuration. */
export interface ParameterTensor extends Omit<Row, "shape" | "when"> {
  readonly name: TensorName;
  /** The shape: of each layer's, where there is one a layer. */
  readonly shape: readonly number[];
  /** Number of such tensors: L, or 1. Contiguous in files. */
  readonly count: number;
  /** Elements of all of them. */
  readonly size: number;
  /** Elements at the end that are zero for ever: wte's rows from V on. */
  readonly padding: number;
}

/** The parameter tensors of a model, in order. */
export function parametersOf(config: GPT2Config): ParameterTensor[] {
  const sizes = { ...config, Vp: config.V };
  return tensorNames.flatMap((name) => {
    const { when, shape: shapeOf, ...row } = table[name];
    if (when && !when(config)) return [];
    const shape = shapeOf(config);
    const count = row.perLayer ? config.L : 1;
    const size = count * sizeOf(shape);
    return [{ ...row, name, shape, count, size, padding: size - count * sizeOf(shapeOf(sizes)) }];
  });
}

/** The shape of every parameter tensor, in order. Weights are (out, in); L stands first where there is one a layer. */
export function tensorShapes(config: GPT2Config): Readonly<Partial<Record<TensorName, readonly number[]>>> {
  requireConfig(config);
  const entries = parametersOf(config).map(
    ({ name, shape, perLayer, count }) => [name, perLayer ? [count, ...shape] : shape] as const,
  );
  return Object.fromEntries(entries);
}

/** Hugging Face's name of a tensor; of layer `l`'s, where there is one a layer. */
export function hubName(name: TensorName, l = 0): string {
  const { hub, perLayer } = table[name];
  return perLayer ? `h.${l}.${hub}` : hub;
}

/** All numbers in the model, padding rows of wte included. */
export function parameterCount(config: GPT2Config): number {
  requireConfig(config);
  return parametersOf(config).reduce((sum, { size }) => sum + size, 0);
}

/** A matrix whose rows are not whole blocks of int8, which a model can therefore not be kept in; undefined if there is none. */
export function unevenMatrix(config: GPT2Config): ParameterTensor | undefined {
  return parametersOf(config).find(({ bf16, shape }) => bf16 && (shape.at(-1) ?? 0) % BLOCK !== 0);
}

/** Bytes that the weights take in memory, by the type of the matrices. */
export function weightBytes(config: GPT2Config): Partial<Record<WeightType, number>> {
  const bytesIn = (type: WeightType) =>
    parametersOf(config).reduce((sum, { size, bf16 }) => sum + size * elementBytes[bf16 ? type : "f32"], 0);
  const possible = weightTypes.filter((type) => type !== "int8" || !unevenMatrix(config));
  return Object.fromEntries(possible.map((type) => [type, bytesIn(type)]));
}
