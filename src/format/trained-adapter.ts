/**
 * An adapter in training, written and read: in PEFT's layout, adapter_model.safetensors and adapter_config.json; and AdamW's
 * moments of it, in a safetensors file of ours.
 */
import { sizeOf } from "../backend/shape.ts";
import { InputError } from "../errors.ts";
import type { GPT2Config } from "../model/config.ts";
import { type AdapterTensor, adapterTensors, type LoraConfig } from "../model/lora.ts";
import type { Appender, ByteSource } from "../platform/platform.ts";
import { moduleInLayer, moduleName } from "./adapter.ts";
import { fromFloat32, toFloat32 } from "./numbers.ts";
import { makeSafetensorsHeader, readSafetensorsHeader, type SafetensorsHeader } from "./safetensors-file.ts";
import type { FileHash } from "./save.ts";

/** A stored tensor, and where its elements are in ours. */
interface Slot {
  readonly stored: string;
  readonly shape: readonly number[];
  readonly tensor: AdapterTensor;
  readonly start: number;
}

/** Elements of a tensor of an adapter from `start` on: through all layers. */
type ReadTensor = (name: AdapterTensor["name"], start: number, length: number) => Promise<Float32Array>;
type OnTensor = (name: AdapterTensor["name"], start: number, data: Float32Array) => Promise<void>;

/** The file of the model that an adapter adapts, and by which it is known again. */
export interface AdaptedFile extends Partial<FileHash> {
  readonly path: string;
}

/** In the metadata of the weights: PEFT's configuration takes no fields of others. */
function metadataOf({ path, bytes, sha256 }: AdaptedFile): Record<string, string> {
  const isKnown = bytes !== undefined && sha256 !== undefined;
  return { base_model: path, ...(isKnown && { base_bytes: `${bytes}`, base_sha256: sha256 }) };
}

/** The model's file that an adapter names; undefined in one of another program's. */
export function adaptedFile(metadata: Readonly<Record<string, string>>): AdaptedFile | undefined {
  const { base_model: path, base_bytes: bytes, base_sha256: sha256 } = metadata;
  if (path === undefined) return undefined;
  return { path, ...(bytes !== undefined && sha256 !== undefined && { bytes: Number(bytes), sha256 }) };
}

/** Layer by layer under PEFT's names. */
function layerSlots(config: GPT2Config, lora: LoraConfig): Slot[] {
  return adapterTensors(config, lora).flatMap((tensor) =>
    Array.from({ length: config.L }, (_, l) => ({
      stored: `base_model.model.transformer.${moduleName(`${tensor.target}w`, l)}.${tensor.name.slice(tensor.target.length + 1)}.weight`,
      shape: tensor.shape,
      tensor,
      start: l * sizeOf(tensor.shape),
    })),
  );
}

/** All layers at once, of one moment. */
function momentSlots(config: GPT2Config, lora: LoraConfig, moment: "m" | "v"): Slot[] {
  return adapterTensors(config, lora).map((tensor) => ({
    stored: `${moment}.${tensor.name}`,
    shape: [tensor.count, ...tensor.shape],
    tensor,
    start: 0,
  }));
}

/** Writes adapter_model.safetensors; the caller commits. `base`: the file of the model that it adapts. */
export async function writeAdapter(
  out: Appender,
  config: GPT2Config,
  lora: LoraConfig,
  base: AdaptedFile,
  read: ReadTensor,
): Promise<void> {
  const slots = layerSlots(config, lora);
  await out.write(makeSafetensorsHeader(slots.map(entryOf), "f32", { format: "pt", ...metadataOf(base) }));
  for (const slot of slots) await writeSlot(out, slot, read);
}

/** Writes AdamW's moments after `step` updates; the caller commits. */
export async function writeAdapterState(
  out: Appender,
  config: GPT2Config,
  lora: LoraConfig,
  step: number,
  readM: ReadTensor,
  readV: ReadTensor,
): Promise<void> {
  const [m, v] = [momentSlots(config, lora, "m"), momentSlots(config, lora, "v")];
  await out.write(makeSafetensorsHeader([...m, ...v].map(entryOf), "f32", { step: `${step}` }));
  for (const slot of m) await writeSlot(out, slot, readM);
  for (const slot of v) await writeSlot(out, slot, readV);
}

/** True for the header of what `writeAdapterState` wrote. */
export function isAdapterState({ metadata, tensors }: SafetensorsHeader): boolean {
  return metadata.step !== undefined && [...tensors.keys()].every((name) => /^[mv]\./.test(name));
}

const entryOf = ({ stored, shape }: Slot) => ({ name: stored, shape });

async function writeSlot(out: Appender, { tensor, start, shape }: Slot, read: ReadTensor): Promise<void> {
  await out.write(fromFloat32(await read(tensor.name, start, sizeOf(shape)), "f32"));
}

/** Reads what `writeAdapter` wrote. InputError for an adapter of other sizes, or of other matrices. */
export function readTrainedAdapter(
  source: ByteSource,
  config: GPT2Config,
  lora: LoraConfig,
  onTensor: OnTensor,
): Promise<void> {
  return readSlots(source, layerSlots(config, lora), onTensor);
}

/** Reads what `writeAdapterState` wrote. InputError for that of another adapter. */
export async function readAdapterState(
  source: ByteSource,
  config: GPT2Config,
  lora: LoraConfig,
  onM: OnTensor,
  onV: OnTensor,
): Promise<void> {
  await readSlots(source, momentSlots(config, lora, "m"), onM);
  await readSlots(source, momentSlots(config, lora, "v"), onV);
}

async function readSlots(source: ByteSource, slots: readonly Slot[], onTensor: OnTensor): Promise<void> {
  const { tensors } = await readSafetensorsHeader(source);
  for (const { stored, shape, tensor, start } of slots) {
    const found = tensors.get(stored);
    if (found?.dtype !== "F32" || String(found.shape) !== String(shape))
      throw new InputError(
        `${source.name}: "${stored}" is ${found ? `${found.dtype} of shape [${found.shape}]` : "missing"}, expected F32 of ` +
          `[${shape}]. It is another adapter's: use another checkpoint.`,
      );
    await onTensor(tensor.name, start, toFloat32(await source.read(found.offset, found.bytes), "f32"));
  }
}

/** Content of adapter_config.json, as PEFT 0.13 writes it. `base`: name or path by which transformers finds the model. */
export function adapterConfig({ rank, alpha, targets }: LoraConfig, base: string): Readonly<Record<string, unknown>> {
  return {
    alpha_pattern: {},
    auto_mapping: null,
    base_model_name_or_path: base,
    bias: "none",
    fan_in_fan_out: true,
    inference_mode: true,
    init_lora_weights: true,
    lora_alpha: alpha,
    lora_dropout: 0,
    modules_to_save: null,
    peft_type: "LORA",
    r: rank,
    rank_pattern: {},
    target_modules: targets.map(moduleInLayer),
    task_type: "CAUSAL_LM",
    use_dora: false,
    use_rslora: false,
  };
}
