/**
 * GPT-2 in llama.cpp's GGUF: llm.c's matrices as they are, (out, in), each layer's apart; norms, biases and positions in
 * float32, matrices and token embedding in the file's type. Tensors stand in llm.c's order, so that a model of any size
 * passes through in chunks.
 */
import { sizeOf } from "../backend/shape.ts";
import { InputError, UsageError } from "../errors.ts";
import { configProblem, departures, type GPT2Config, usualConfig } from "../model/config.ts";
import type { TensorName } from "../model/parameters.ts";
import type { Appender, ByteSource } from "../platform/platform.ts";
import {
  alignment,
  type GgmlType,
  type GgufHeader,
  type GgufMetadata,
  type GgufTensor,
  ggmlBytes,
  ggmlTypes,
  makeGgufHeader,
} from "./gguf-file.ts";
import { fromFloat32, fromQ8, toFloat32, toQ8 } from "./numbers.ts";
import {
  chunksOf,
  type LayerPart,
  layerParts,
  type OnChunk,
  readByLayer,
  readPadding,
  sameContent,
  type TensorStream,
} from "./tensors.ts";

/** llama.cpp's names; of a layer's tensors behind "blk.{layer}.". */
const names: Readonly<Record<TensorName, string>> = {
  wte: "token_embd.weight",
  wpe: "position_embd.weight",
  ln1w: "attn_norm.weight",
  ln1b: "attn_norm.bias",
  qkvw: "attn_qkv.weight",
  qkvb: "attn_qkv.bias",
  attprojw: "attn_output.weight",
  attprojb: "attn_output.bias",
  ln2w: "ffn_norm.weight",
  ln2b: "ffn_norm.bias",
  fcw: "ffn_up.weight",
  fcb: "ffn_up.bias",
  fcprojw: "ffn_down.weight",
  fcprojb: "ffn_down.bias",
  lnfw: "output_norm.weight",
  lnfb: "output_norm.bias",
};

/** Some files hold the head, which GPT-2 has from wte, a second time. */
const head = "output.weight";

interface Part extends LayerPart {
  readonly name: string;
  readonly isMatrix: boolean;
}

function partsOf(config: GPT2Config): Part[] {
  return layerParts(config).map((part) => {
    const { name, perLayer, bf16 } = part.parameter;
    return { ...part, name: perLayer ? `blk.${part.layer}.${names[name]}` : names[name], isMatrix: bf16 === true };
  });
}

/** llama.cpp's numbers of what a file mostly holds. */
const fileTypes = { f32: 0, f16: 1, q8_0: 7, bf16: 32 } as const;

/** Writes a model; the caller commits. `vocabulary`: the fields of its tokenizer. UsageError where GGUF's gpt2 cannot hold it. */
export async function writeGguf(
  sink: Appender,
  model: TensorStream,
  type: GgmlType,
  vocabulary: GgufMetadata,
): Promise<void> {
  const { config } = model;
  requireGguf(config, type);
  const parts = partsOf(config);
  const typeOf = ({ isMatrix }: Part): GgmlType => (isMatrix ? type : "f32");
  const tensors = parts.map((part) => ({ name: part.name, shape: part.shape, type: typeOf(part) }));
  await sink.write(makeGgufHeader({ ...fieldsOf(config, type), ...vocabulary }, tensors));
  await readByLayer(model, parts, async (part, piece, done) => {
    const size = sizeOf(part.shape);
    await sink.write(encode(piece, typeOf(part), part.name));
    if (done + piece.length === size)
      await sink.write(new Uint8Array(-ggmlBytes(typeOf(part), size) & (alignment - 1)));
  });
}

function encode(values: Float32Array, type: GgmlType, name: string): Uint8Array {
  return type === "q8_0" ? toQ8(values, name) : fromFloat32(values, type);
}

function requireGguf(config: GPT2Config, type: GgmlType): void {
  const strange = Object.entries({ ...departures(config), ...(config.gelu === "tanh" ? {} : { gelu: config.gelu }) });
  if (strange.length > 0)
    throw new UsageError(
      `GGUF's gpt2 cannot hold this model: ${strange.map(([field, value]) => `${field} is ${value}`).join(", ")}, and ` +
        "llama.cpp computes GPT-2's own. Convert to safetensors.",
    );
  const { block } = ggmlTypes[type];
  const uneven = partsOf(config).find(({ isMatrix, shape }) => isMatrix && (shape.at(-1) ?? 0) % block !== 0);
  if (uneven)
    throw new UsageError(
      `${type} has a scale for ${block} numbers of a row, and ${uneven.name} has rows of ${uneven.shape.at(-1)}. Choose ` +
        "f16.",
    );
}

function fieldsOf({ L, NH, C, maxT, hidden, epsilon, V }: GPT2Config, type: GgmlType): GgufMetadata {
  return {
    "general.architecture": "gpt2",
    "general.type": "model",
    "general.name": `GPT-2, ${L} layers of ${C}`,
    "general.file_type": { u32: fileTypes[type] },
    "general.quantization_version": { u32: 2 },
    "gpt2.context_length": { u32: maxT },
    "gpt2.embedding_length": { u32: C },
    "gpt2.feed_forward_length": { u32: hidden },
    "gpt2.block_count": { u32: L },
    "gpt2.attention.head_count": { u32: NH },
    "gpt2.attention.layer_norm_epsilon": { f32: epsilon },
    "gpt2.vocab_size": { u32: V },
  };
}

export interface GgufModel extends TensorStream {
  readonly type: GgmlType;
}

/**
 * The model of a GGUF file. InputError where it is no GPT-2, damaged, or quantized otherwise than by q8_0, and as its tensors are
 * read where it has a head of its own.
 */
export function ggufModel(source: ByteSource, { fields, tensors }: GgufHeader): GgufModel {
  const config = configOf(source, fields, tensors);
  const parts = partsOf(config);
  const types = new Set<GgmlType>();
  for (const { name, shape, isMatrix } of parts) {
    const tensor = tensors.get(name);
    if (!tensor) throw new InputError(`${source.name}: the tensor "${name}" is missing. Give a GPT-2 model.`);
    if (String(tensor.shape) !== String(shape))
      throw new InputError(`${source.name}: tensor "${name}" has shape [${tensor.shape}], expected [${shape}].`);
    const type = typeOf(source, tensor);
    const end = tensor.offset + ggmlBytes(type, sizeOf(shape));
    if (end > source.size)
      throw new InputError(
        `${source.name}: tensor "${name}" ends at byte ${end}, and the file has ${source.size}. Copy or download it again.`,
      );
    if (isMatrix) types.add(type);
  }
  const known = new Set([head, ...parts.map(({ name }) => name)]);
  for (const name of tensors.keys())
    if (!known.has(name)) throw new InputError(`${source.name}: the tensor "${name}" is none of GPT-2's.`);
  const [only, ...others] = types;
  const type = others.length === 0 ? only : "f32";
  return { config, type, readTensors: (onChunk) => readParts(source, parts, tensors, onChunk) };
}

function typeOf({ name: file }: ByteSource, { name, type }: GgufTensor): GgmlType {
  const found = (Object.keys(ggmlTypes) as GgmlType[]).find((known) => ggmlTypes[known].number === type);
  if (found) return found;
  throw new InputError(
    `${file}: tensor "${name}" has ggml's type ${type}, and llm-ts reads ${Object.keys(ggmlTypes).join(", ")}. Take the file ` +
      "in one of these.",
  );
}

function configOf(
  source: ByteSource,
  fields: GgufHeader["fields"],
  tensors: ReadonlyMap<string, GgufTensor>,
): GPT2Config {
  const { "general.architecture": architecture } = fields;
  if (architecture !== "gpt2")
    throw new InputError(
      `${source.name} holds a model of architecture ${String(architecture)}, and llm-ts reads gpt2.`,
    );
  const number = (field: string) => {
    const value = fields[`gpt2.${field}`];
    if (typeof value === "number") return value;
    throw new InputError(`${source.name}: "gpt2.${field}" is ${value === undefined ? "missing" : String(value)}.`);
  };
  const [V = 0] = tensors.get(names.wte)?.shape ?? [];
  const C = number("embedding_length");
  const config: GPT2Config = {
    ...usualConfig({ V, C }),
    V,
    C,
    L: number("block_count"),
    NH: number("attention.head_count"),
    maxT: number("context_length"),
    hidden: number("feed_forward_length"),
    epsilon: Number(number("attention.layer_norm_epsilon").toPrecision(7)),
  };
  const problem = configProblem(config);
  if (problem) throw new InputError(`${source.name}: it is not the model of a GPT-2: ${problem}.`);
  return config;
}

async function readParts(
  source: ByteSource,
  parts: readonly Part[],
  tensors: ReadonlyMap<string, GgufTensor>,
  onChunk: OnChunk,
): Promise<void> {
  await requireTiedHead(source, tensors);
  for (const part of parts) {
    const { parameter, name, start, shape } = part;
    const place = tensors.get(name);
    if (!place) throw new Error(`${name} was checked`);
    const type = typeOf(source, place);
    for (const [from, length] of chunksOf(sizeOf(shape))) {
      const bytes = await source.read(place.offset + ggmlBytes(type, from), ggmlBytes(type, length));
      await onChunk(parameter.name, start + from, type === "q8_0" ? fromQ8(bytes) : toFloat32(bytes, type));
    }
    await readPadding(part, onChunk);
  }
}

async function requireTiedHead(source: ByteSource, tensors: ReadonlyMap<string, GgufTensor>): Promise<void> {
  const [own, wte] = [tensors.get(head), tensors.get(names.wte)];
  if (!own || !wte) return;
  const same =
    own.type === wte.type &&
    String(own.shape) === String(wte.shape) &&
    (await sameContent(source, own.offset, wte.offset, ggmlBytes(typeOf(source, wte), sizeOf(wte.shape))));
  if (!same) throw new InputError(`${source.name}: "${head}" differs from "${names.wte}", and GPT-2 has one for both.`);
}
