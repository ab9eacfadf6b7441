/**
 * GPT-2 in Hugging Face's model.safetensors. Layers are apart there ("h.0.ln_1.weight"), in some files behind the prefix
 * "transformer.", wte has V rows, and the four matrices of a layer are (in, out): transposed on their way.
 */
import { sizeOf } from "../backend/shape.ts";
import { InputError } from "../errors.ts";
import { architectureIn, configProblem, departures, type GPT2Config, isGpt2, usualConfig } from "../model/config.ts";
import { hubName } from "../model/parameters.ts";
import type { Appender, ByteSource } from "../platform/platform.ts";
import { activationFunctions, geluForms } from "./huggingface-config.ts";
import { bytesPer, type FileDType, fromFloat32, toFloat32 } from "./numbers.ts";
import {
  makeSafetensorsHeader,
  readSafetensorsHeader,
  type SafetensorsHeader,
  type StoredTensor,
  unsupportedDType,
  weightDTypes,
} from "./safetensors-file.ts";
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

export interface SafetensorsModel extends TensorStream {
  /** Type of the weights; if there are several, one that represents them all. */
  readonly dtype: FileDType;
  /** Fields of config.json that are in neither file, and were assumed as in GPT-2. */
  readonly assumed: readonly string[];
  /** The weights as they are in the file, by Hugging Face's names without prefix. */
  readonly tensors: ReadonlyMap<string, StoredTensor>;
}

interface Part extends LayerPart {
  readonly stored: string;
  /** (in, out) of a matrix that is stored transposed. */
  readonly storedShape: readonly number[];
  readonly transposed?: boolean;
}

function partsOf(config: GPT2Config): Part[] {
  return layerParts(config).map((part) => {
    const { name, transposed } = part.parameter;
    const storedShape = transposed ? part.shape.toReversed() : part.shape;
    return { ...part, stored: hubName(name, part.layer), storedShape, transposed };
  });
}

/** Masks that old files carry along: no parameters. */
const mask = /^h\.\d+\.attn\.(bias|masked_bias)$/;

/**
 * Opens a model. Without `config` (from config.json) the sizes are taken from the tensors; the number of heads, which
 * they do not tell, is then what llm-ts noted, else `heads`, else a head for every 64 channels as in every published GPT-2;
 * epsilon and activation are GPT-2's. `header`: where it was read already.
 */
export async function readSafetensorsModel(
  source: ByteSource,
  config?: GPT2Config,
  header?: SafetensorsHeader,
  heads?: number,
): Promise<SafetensorsModel> {
  const { tensors: stored, metadata } = header ?? (await readSafetensorsHeader(source));
  const tensors = withoutPrefix(stored);
  const known = config ?? inferConfig(source, tensors, metadata, heads);
  const dtype = checkTensors(source, known, tensors);
  await checkHead(source, tensors);
  const given = { ...metadata, ...(heads !== undefined && { n_head: heads }) };
  const assumed = config ? [] : inferredFields.filter((field) => !Object.hasOwn(given, field));
  return {
    config: known,
    dtype,
    assumed,
    tensors,
    readTensors: (onChunk) => readParts(source, known, tensors, onChunk),
  };
}

function withoutPrefix(tensors: ReadonlyMap<string, StoredTensor>): Map<string, StoredTensor> {
  const found = new Map<string, StoredTensor>();
  for (const [name, tensor] of tensors) {
    const short = name.replace(/^transformer\./, "");
    if (!mask.test(short)) found.set(short, tensor);
  }
  return found;
}

/** Fields that do not follow from the shapes of tensors. */
const inferredFields = ["n_head", "layer_norm_epsilon", "activation_function"];

const channelsOfHead = 64;

function inferConfig(
  source: ByteSource,
  tensors: ReadonlyMap<string, StoredTensor>,
  metadata: Readonly<Record<string, string>>,
  heads?: number,
): GPT2Config {
  const [V = 0, C = 0] = tensors.get(hubName("wte"))?.shape ?? [];
  const [hidden = 0] = tensors.get(hubName("fcb"))?.shape ?? [];
  let L = 0;
  while (tensors.has(hubName("ln1w", L))) L++;
  const { n_head = heads, layer_norm_epsilon, activation_function, n_positions = 0 } = metadata;
  const [maxT = Number(n_positions)] = tensors.get(hubName("wpe"))?.shape ?? [];
  if (n_head === undefined && L > 0 && C % channelsOfHead !== 0)
    throw new InputError(
      `${source.name} does not have the number of attention heads of its ${C} channels, and there is no ` +
        "config.json beside it. Put the model's config.json there, or say the number: llm-ts convert MODEL FOLDER --heads N.",
    );
  const config: GPT2Config = {
    ...usualConfig({ V, C }),
    maxT,
    V,
    L,
    NH: Number(n_head ?? C / channelsOfHead),
    C,
    hidden,
    ...(layer_norm_epsilon !== undefined && { epsilon: Number(layer_norm_epsilon) }),
    ...(activation_function !== undefined && { gelu: geluForms[activation_function] }),
    ...architectureIn(metadata),
  };
  const problem = configProblem(config);
  if (problem)
    throw new InputError(
      `${source.name}: its tensors are not those of a GPT-2: ${problem}. Give a GPT-2 model, and keep its config.json ` +
        "beside it.",
    );
  return config;
}

/** The dtype that holds all tensors. InputError where they are not those of the model. */
function checkTensors(source: ByteSource, config: GPT2Config, tensors: ReadonlyMap<string, StoredTensor>): FileDType {
  const dtypes = new Set<FileDType>();
  const advice = "Give a GPT-2 model, with its own config.json.";
  const parts = partsOf(config);
  for (const { stored, storedShape } of parts) {
    const tensor = tensors.get(stored);
    if (!tensor) throw new InputError(`${source.name}: the tensor "${stored}" is missing. ${advice}`);
    if (!Object.hasOwn(weightDTypes, tensor.dtype)) throw unsupportedDType(source, stored, tensor.dtype);
    if (String(tensor.shape) !== String(storedShape))
      throw new InputError(
        `${source.name}: tensor "${stored}" has shape [${tensor.shape}], expected [${storedShape}]. ${advice}`,
      );
    dtypes.add(weightDTypes[tensor.dtype]);
  }
  const known = new Set(["lm_head.weight", ...parts.map(({ stored }) => stored)]);
  for (const name of tensors.keys())
    if (!known.has(name)) throw new InputError(`${source.name}: the tensor "${name}" is none of GPT-2's. ${advice}`);
  const [only, ...others] = dtypes;
  return others.length === 0 ? only : "f32";
}

/** GPT-2's head is wte. A file may hold it a second time; another head would silently be lost. */
async function checkHead(source: ByteSource, tensors: ReadonlyMap<string, StoredTensor>): Promise<void> {
  const [head, wte] = [tensors.get("lm_head.weight"), tensors.get(hubName("wte"))];
  if (!head || !wte || head.offset === wte.offset) return;
  const same =
    head.dtype === wte.dtype &&
    String(head.shape) === String(wte.shape) &&
    (await sameContent(source, head.offset, wte.offset, head.bytes));
  if (!same)
    throw new InputError(
      `${source.name}: "lm_head.weight" differs from "wte.weight", and GPT-2 has one for both. Give a GPT-2 model.`,
    );
}

async function readParts(
  source: ByteSource,
  config: GPT2Config,
  tensors: ReadonlyMap<string, StoredTensor>,
  onChunk: OnChunk,
): Promise<void> {
  for (const part of partsOf(config)) {
    const { parameter, stored, start, storedShape, transposed } = part;
    const place = tensors.get(stored);
    if (!place) throw new Error(`${stored} was checked`);
    if (transposed) {
      const [inp, out] = storedShape;
      const matrix = transpose(await readElements(source, place, 0, out * inp), inp, out);
      for (const [from, length] of chunksOf(matrix.length))
        await onChunk(parameter.name, start + from, matrix.subarray(from, from + length));
    } else {
      for (const [from, length] of chunksOf(sizeOf(place.shape)))
        await onChunk(parameter.name, start + from, await readElements(source, place, from, length));
    }
    await readPadding(part, onChunk);
  }
}

async function readElements(
  source: ByteSource,
  { dtype, offset }: StoredTensor,
  start: number,
  length: number,
): Promise<Float32Array> {
  const kind = weightDTypes[dtype];
  return toFloat32(await source.read(offset + start * bytesPer[kind], length * bytesPer[kind]), kind);
}

/** (rows, columns) to (columns, rows), in blocks that stay in the cache. Bits are copied: NaN keeps its payload. */
function transpose(matrix: Float32Array, rows: number, columns: number): Float32Array {
  const bits = new Uint32Array(matrix.buffer, matrix.byteOffset, matrix.length);
  const out = new Uint32Array(matrix.length);
  const block = 32;
  for (let r0 = 0; r0 < rows; r0 += block)
    for (let c0 = 0; c0 < columns; c0 += block)
      for (let r = r0; r < Math.min(r0 + block, rows); r++)
        for (let c = c0; c < Math.min(c0 + block, columns); c++) out[c * rows + r] = bits[r * columns + c];
  return new Float32Array(out.buffer);
}

/**
 * Writes a model; the caller commits, and writes `huggingFaceConfig` beside it. In memory are a chunk, and the one matrix
 * that is being transposed.
 */
export async function writeSafetensors(sink: Appender, model: TensorStream, dtype: FileDType = "f32"): Promise<void> {
  const { config } = model;
  const parts = partsOf(config);
  const entries = parts.map(({ stored, storedShape }) => ({ name: stored, shape: storedShape }));
  const metadata = {
    format: "pt",
    n_head: `${config.NH}`,
    layer_norm_epsilon: `${config.epsilon}`,
    activation_function: activationFunctions[config.gelu],
    ...(isGpt2(config) ? {} : { n_positions: `${config.maxT}`, ...departures(config) }),
  };
  await sink.write(makeSafetensorsHeader(entries, dtype, metadata));

  const write = (data: Float32Array) => sink.write(fromFloat32(data, dtype));
  let matrix = new Float32Array(0);
  await readByLayer(model, parts, async ({ transposed, storedShape }, piece, done) => {
    if (!transposed) return write(piece);
    const size = sizeOf(storedShape);
    if (matrix.length !== size) matrix = new Float32Array(size);
    matrix.set(piece, done);
    if (done + piece.length === size) await write(transpose(matrix, storedShape[1], storedShape[0]));
  });
}
