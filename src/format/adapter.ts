/**
 * LoRA adapters of GPT-2 in PEFT's layout: adapter_config.json and adapter_model.safetensors. An adapted matrix (out, in) is
 * weight + scale B A, with B (out, rank) and A (rank, in); scale is alpha / rank, or alpha / sqrt(rank) for rank-stabilised LoRA.
 */
import { InputError } from "../errors.ts";
import type { LoraTarget } from "../model/lora.ts";
import { hubName, type TensorName } from "../model/parameters.ts";
import type { ByteSource } from "../platform/platform.ts";
import { isObject, parseObject } from "./json.ts";
import { toFloat32 } from "./numbers.ts";
import { readSafetensorsHeader, type StoredTensor, unsupportedDType, weightDTypes } from "./safetensors-file.ts";
import { type LayerPart, layerParts, type TensorStream } from "./tensors.ts";

export const adapterFiles = { config: "adapter_config.json", weights: "adapter_model.safetensors" } as const;

/** The product of two thin matrices that is added to a matrix (out, in). */
interface LowRank {
  /** (out, rank) and (rank, in). */
  readonly B: Float32Array;
  readonly A: Float32Array;
  readonly out: number;
  readonly in: number;
  readonly rank: number;
  readonly scale: number;
}

/** What the matrices of an adapter are, before they are read. */
interface Pair extends Pick<LowRank, "out" | "in" | "rank" | "scale"> {
  readonly A: StoredTensor;
  readonly B: StoredTensor;
  readonly alpha: number;
}

/** A description of an adapter. Rank and alpha of several values have them all. */
export interface AdapterFacts {
  readonly rank: string;
  readonly alpha: string;
  /** True where the product is scaled by alpha / sqrt(rank). */
  readonly isStabilised: boolean;
  /** Names of the adapted matrices, as PEFT has them: attn.c_attn. */
  readonly targets: readonly string[];
  readonly layers: number;
  readonly parameters: number;
  readonly dtype: string;
  /** The model that it was trained on, as its config.json calls it. */
  readonly base?: string;
}

export interface Adapter {
  /** Path of its weights, for messages. */
  readonly name: string;
  /** The model that it was trained on, as its config.json calls it. */
  readonly base?: string;
  /** By the hub's name of the adapted module: h.0.attn.c_attn. */
  readonly modules: ReadonlyMap<string, LowRank>;
}

/** Bytes; far above any such file. */
const longestConfig = 1 << 20;

/** Reads an adapter. InputError for one that is no LoRA of linear layers, or is damaged. */
export async function readAdapter(configFile: ByteSource, weights: ByteSource): Promise<Adapter> {
  const config = await readConfig(configFile);
  const modules = new Map<string, LowRank>();
  for (const [module, pair] of await readPairs(config, configFile, weights)) {
    const [A, B] = [await elementsOf(weights, pair.A), await elementsOf(weights, pair.B)];
    modules.set(module, { ...pair, A, B });
  }
  return { name: weights.name, base: config.base, modules };
}

/** Describes an adapter, of which the matrices are not read. InputError as in `readAdapter`. */
export async function describeAdapter(configFile: ByteSource, weights: ByteSource): Promise<AdapterFacts> {
  const config = await readConfig(configFile);
  const pairs = [...(await readPairs(config, configFile, weights))];
  const all = <T>(of: (pair: Pair, module: string) => T) => [
    ...new Set(pairs.map(([module, pair]) => of(pair, module))),
  ];
  return {
    rank: all(({ rank }) => rank).join(", "),
    alpha: all(({ alpha }) => alpha).join(", "),
    isStabilised: config.isStabilised,
    targets: all((_, module) => module.replace(/^h\.\d+\./, "")),
    layers: all((_, module) => module.split(".")[1]).length,
    parameters: pairs.reduce((sum, [, pair]) => sum + pair.rank * (pair.out + pair.in), 0),
    dtype: [...new Set(pairs.flatMap(([, { A, B }]) => [A.dtype, B.dtype]))].join(", "),
    base: config.base,
  };
}

async function readPairs(
  config: Awaited<ReturnType<typeof readConfig>>,
  configFile: ByteSource,
  weights: ByteSource,
): Promise<ReadonlyMap<string, Pair>> {
  const { tensors } = await readSafetensorsHeader(weights);
  const pairs = new Map<string, Partial<Record<"A" | "B", StoredTensor>>>();
  for (const tensor of tensors.values()) {
    const [, module, side] = adapted.exec(tensor.name) ?? [];
    if (module === undefined || (side !== "A" && side !== "B"))
      throw new InputError(
        `${weights.name}: the tensor "${tensor.name}" is no lora_A or lora_B of a layer's matrix, and llm-ts applies only ` +
          "these. Merge the adapter by PEFT (merge_and_unload), and give the merged model.",
      );
    pairs.set(module, { ...pairs.get(module), [side]: tensor });
  }
  if (pairs.size === 0) throw new InputError(`${weights.name} holds no tensors of LoRA. Give another adapter.`);
  const found = new Map<string, Pair>();
  for (const [module, { A, B }] of pairs) {
    if (!A || !B)
      throw new InputError(`${weights.name}: ${module} has only one of lora_A and lora_B. Copy the file again.`);
    const [rank, inputs] = A.shape;
    const [out] = B.shape;
    if (A.shape.length !== 2 || B.shape.length !== 2 || B.shape[1] !== rank || rank === 0)
      throw new InputError(
        `${weights.name}: ${module} has lora_A of shape [${A.shape}] and lora_B of [${B.shape}], expected (rank, in) and ` +
          "(out, rank) of one rank. Copy the file again.",
      );
    if (!config.isTarget(module))
      throw new InputError(
        `${weights.name} holds ${module}, which is none of the "target_modules" in ${configFile.name}: they are two adapters' files. ` +
          "Copy both again.",
      );
    if (rank !== (config.rankOf(module) ?? rank))
      throw new InputError(
        `${weights.name}: ${module} has rank ${rank}, and ${configFile.name} says ${config.rankOf(module)}: they are two adapters' ` +
          "files. Copy both again.",
      );
    const alpha = config.alphaOf(module);
    const scale = alpha / (config.isStabilised ? Math.sqrt(rank) : rank);
    found.set(module, { A, B, out, in: inputs, rank, alpha, scale });
  }
  return found;
}

/** A tensor's name: with the prefixes of PEFT and transformers, or without. */
const adapted = /^(?:base_model\.model\.)?(?:transformer\.)?(h\.\d+\.\w+\.\w+)\.lora_([AB])(?:\.default)?\.weight$/;

async function elementsOf(source: ByteSource, { name, dtype, offset, bytes }: StoredTensor): Promise<Float32Array> {
  const type = weightDTypes[dtype];
  if (!type) throw unsupportedDType(source, name, dtype);
  return toFloat32(await source.read(offset, bytes), type);
}

/** Settings that change what an adapter adds, and which llm-ts lacks, with the only value that it takes. */
const absent: Readonly<Record<string, readonly unknown[]>> = {
  peft_type: ["LORA"],
  use_dora: [false, undefined, null],
  bias: ["none", undefined],
  modules_to_save: [null, undefined],
  layer_replication: [null, undefined],
};

async function readConfig(source: ByteSource) {
  const text = new TextDecoder().decode(await source.read(0, Math.min(source.size, longestConfig)));
  const config = parseObject(source.name, text, "Copy the adapter again.");
  for (const [field, values] of Object.entries(absent))
    if (!values.includes(config[field]))
      throw new InputError(
        `${source.name}: "${field}" is ${JSON.stringify(config[field])}, and llm-ts applies LoRA of matrices alone ` +
          `(${JSON.stringify(values[0])}). Merge the adapter by PEFT (merge_and_unload), and give the merged model.`,
      );
  const { lora_alpha: alpha, r, use_rslora, alpha_pattern, rank_pattern, base_model_name_or_path: base } = config;
  const targets: unknown = config.target_modules;
  const own = (patterns: unknown, module: string) =>
    Object.entries(isObject(patterns) ? patterns : {}).find(([pattern]) => matches(source, pattern, module));
  const number = (field: string, value: unknown): number => {
    if (typeof value === "number" && Number.isFinite(value)) return value;
    throw new InputError(`${source.name}: "${field}" is ${JSON.stringify(value)}, expected a number.`);
  };
  return {
    isStabilised: use_rslora === true,
    base: typeof base === "string" && base !== "" ? base : undefined,
    /** True where the file leaves it open as well: by an expression, or not at all. */
    isTarget(module: string): boolean {
      return !Array.isArray(targets) || targets.some((name) => isTargeted(module, String(name)));
    },
    alphaOf(module: string): number {
      const found = own(alpha_pattern, module);
      return found ? number(`alpha_pattern"."${found[0]}`, found[1]) : number("lora_alpha", alpha);
    },
    /** Undefined where the file does not say. */
    rankOf(module: string): number | undefined {
      const [, rank = r] = own(rank_pattern, module) ?? [];
      return rank === undefined ? undefined : number("r", rank);
    },
  };
}

/** True if a module's name ends as the pattern, a regular expression, says. */
function matches({ name }: ByteSource, pattern: string, module: string): boolean {
  try {
    return new RegExp(`(^|\\.)(${pattern})$`).test(module);
  } catch (cause) {
    throw new InputError(`${name}: "alpha_pattern" has ${JSON.stringify(pattern)}, which is no pattern.`, { cause });
  }
}

/** A model with an adapter added to its matrices. InputError for an adapter of another model. */
export function withAdapter(model: TensorStream, adapter: Adapter): TensorStream {
  const parts = new Map(layerParts(model.config).map((part) => [moduleName(part.parameter.name, part.layer), part]));
  const layers = new Map<TensorName, LowRank[]>();
  for (const [module, lowRank] of adapter.modules) {
    const part = parts.get(module);
    requireSameModel(adapter, model, module, lowRank, part);
    const { name } = part.parameter;
    const all = layers.get(name) ?? [];
    all[part.layer] = lowRank;
    layers.set(name, all);
  }
  return {
    ...model,
    readTensors: (onChunk) =>
      model.readTensors((name, start, data) => {
        const added = layers.get(name);
        return onChunk(name, start, added ? sumOf(data, start, added) : data);
      }),
  };
}

/** True if a name in PEFT's target_modules means a module: it is the module's own, or the end of it behind a dot. */
export function isTargeted(module: string, name: string): boolean {
  return module === name || module.endsWith(`.${name}`);
}

/** The hub's name of the module whose weight a tensor is: h.0.attn.c_attn. */
export function moduleName(name: TensorName, layer: number): string {
  return hubName(name, layer).replace(/\.weight$/, "");
}

/** The same within any layer: attn.c_attn, as PEFT's target_modules have it. */
export function moduleInLayer(target: LoraTarget): string {
  return moduleName(`${target}w`, 0).replace("h.0.", "");
}

function requireSameModel(
  { name, base }: Adapter,
  { config: { L, C } }: TensorStream,
  module: string,
  lowRank: LowRank,
  part: LayerPart | undefined,
): asserts part is LayerPart {
  const [out, inputs] = part?.shape ?? [];
  if (part?.parameter.transposed && lowRank.out === out && lowRank.in === inputs) return;
  const of = base === undefined ? "" : `, of "${base}" by its config`;
  const found = part?.parameter.transposed ? `, which is ${out} x ${inputs} in the model` : ", which the model has not";
  throw new InputError(
    `${name} is an adapter of another model${of}: it adds ${lowRank.out} x ${lowRank.in} numbers to ${module}${found} ` +
      `(${L} layers, ${C} channels). Give the model that it was trained on.`,
  );
}

/** `data`, elements of the matrices of all layers from `start` on, with what is added to each layer's. */
function sumOf(data: Float32Array, start: number, layers: readonly LowRank[]): Float32Array {
  const sum = data.slice();
  const { out, in: width } = layers.find((layer) => layer !== undefined) ?? { out: 1, in: 1 };
  for (let at = 0; at < data.length; ) {
    const row = Math.floor((start + at) / width);
    const column = (start + at) % width;
    const count = Math.min(width - column, data.length - at);
    const layer = layers[Math.floor(row / out)];
    if (layer) addRow(sum.subarray(at, at + count), layer, row % out, column);
    at += count;
  }
  return sum;
}

/** to += scale B[row] A, from a column on. */
function addRow(to: Float32Array, { A, B, in: width, rank, scale }: LowRank, row: number, column: number): void {
  const sums = new Float64Array(to.length);
  for (let k = 0; k < rank; k++) {
    const factor = B[row * rank + k];
    for (let i = 0; i < to.length; i++) sums[i] += factor * A[k * width + column + i];
  }
  for (let i = 0; i < to.length; i++) to[i] += scale * sums[i];
}
