import { platform } from "#platform";
import { endsOf, planTokenizer } from "../data/tokenizer-files.ts";
import { InputError, UsageError } from "../errors.ts";
import { adapterFiles, readAdapter, withAdapter } from "../format/adapter.ts";
import { generationConfigFile, readEndTokens } from "../format/generation-config.ts";
import { ggufModel, writeGguf } from "../format/gguf.ts";
import { type GgmlType, readGgufHeader } from "../format/gguf-file.ts";
import { huggingFaceConfig, readHuggingFaceConfig } from "../format/huggingface-config.ts";
import { identify } from "../format/identify.ts";
import { readModel, writeModel } from "../format/model.ts";
import type { FileDType } from "../format/numbers.ts";
import { readSafetensorsModel, writeSafetensors } from "../format/safetensors.ts";
import { readSafetensorsHeader, type SafetensorsHeader } from "../format/safetensors-file.ts";
import { isShardIndex, openShards, requireNoShard } from "../format/safetensors-shards.ts";
import { save, saveText } from "../format/save.ts";
import { withSource } from "../format/source.ts";
import type { TensorStream } from "../format/tensors.ts";
import { type GPT2Config, sameConfig } from "../model/config.ts";
import { folderOf, inFolder, nameOf } from "../platform/paths.ts";
import type { ByteSource } from "../platform/platform.ts";
import { quoted } from "../platform/quoted.ts";
import { endTokensInGguf, ggufVocabulary } from "../tokenizer/gguf-vocabulary.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { adapterWeights, modelOfAdapter, requireBaseOf, whatAdaptersAre } from "./adapter-base.ts";

/** A model file whose header was read and checked; its tensors come in chunks, in llm.c's order. */
export interface ModelFile extends TensorStream {
  /** Type of its numbers; the widest, where there are several. */
  readonly dtype: FileDType;
  /** Type of the file's matrices, where `dtype` is what they are read as. */
  readonly quantized?: "q8_0";
  /** The tokens that end a text, where a generation_config.json or config.json beside the file names them. */
  readonly endTokens?: readonly number[];
  /** Fields of config.json assumed to be GPT-2's, for safetensors without config.json. */
  readonly assumed: readonly string[];
  /** Path of the weights of the adapter that is added to it. */
  readonly adapter?: string;
  /** Bytes of the file, or of all its shards. */
  readonly bytes: number;
  close(): Promise<void>;
}

/**
 * Opens llm.c's .bin, a safetensors file or llama.cpp's GGUF, identified by its first bytes, or the index of a model in several
 * safetensors files; or an adapter that a run trained, which is added to its model. `configFile` is the config.json of safetensors
 * that have no folder to find it in; `heads` the number of attention heads where there is none. InputError when it is none of these.
 */
export async function openModelFile(
  input: string | Blob | Uint8Array,
  configFile?: Blob,
  heads?: number,
): Promise<ModelFile> {
  const path = typeof input === "string" ? input : undefined;
  if (path !== undefined && nameOf(path) === adapterFiles.weights) return openAdapted(path, heads);
  const shards = path !== undefined && isShardIndex(path) ? await openShards(path) : undefined;
  const source = shards?.source ?? (await platform.openSource(input));
  try {
    const format = shards ? "safetensors" : await formatOf(source);
    const model =
      format === "safetensors"
        ? await openSafetensors(source, shards?.header, configFile ?? path, heads)
        : format === "gguf"
          ? await openGguf(source)
          : await openBin(source, path);
    return { ...model, bytes: source.size, close: () => source.close() };
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** Where the first bytes are those of no known file, the name counts: a damaged one of safetensors gets an error of its own. */
async function formatOf(source: ByteSource) {
  return (await identify(source)) ?? (source.name.endsWith(".safetensors") ? "safetensors" : undefined);
}

type Opened = Omit<ModelFile, "bytes" | "close">;

/** `beside`: the path of the model, or the content of its config.json. */
async function openSafetensors(
  source: ByteSource,
  knownHeader: SafetensorsHeader | undefined,
  beside: string | Blob | undefined,
  heads: number | undefined,
): Promise<Opened> {
  if (!knownHeader) requireNoShard(source.name);
  const header = knownHeader ?? (await readSafetensorsHeader(source));
  const model = await readSafetensorsModel(source, await configBeside(header, beside), header, heads);
  return { ...model, endTokens: await endTokensBeside(beside, [generationConfigFile, "config.json"]) };
}

/** A model of llama.cpp's. Numbers of q8_0 are exact in float32. */
async function openGguf(source: ByteSource): Promise<Opened> {
  const header = await readGgufHeader(source);
  const { type, ...model } = ggufModel(source, header);
  const dtype = type === "q8_0" ? { dtype: "f32" as const, quantized: type } : { dtype: type };
  return { ...model, ...dtype, assumed: [], endTokens: endTokensInGguf(header.fields) };
}

/** A model of llm.c's. InputError for any file that is no model. */
async function openBin(source: ByteSource, path: string | undefined): Promise<Opened> {
  const model = await readModel(source);
  return { ...model, assumed: [], endTokens: await endTokensBeside(path, [generationConfigFile]) };
}

/**
 * A model with a LoRA adapter added to its matrices, from a folder in PEFT's layout, or that of a run, of which it is the newest.
 * InputError for a folder that holds none, one of another model, and a model that has an adapter already.
 */
export async function adaptedBy(file: ModelFile, folder: string): Promise<ModelFile> {
  const weights = await adapterWeights(folder);
  if (file.adapter !== undefined) await refuseSecond(file.adapter, folder);
  const config = inFolder(folderOf(weights), adapterFiles.config);
  for (const path of [config, weights])
    if ((await platform.pathKind(path)) !== "file") throw new InputError(`${path} is not there. ${whatAdaptersAre}`);
  const adapter = await withSource(config, (configFile) =>
    withSource(weights, (weightsFile) => readAdapter(configFile, weightsFile)),
  );
  return { ...file, ...withAdapter(file, adapter), adapter: weights };
}

async function refuseSecond(weights: string, folder: string): Promise<never> {
  const base = await modelOfAdapter(weights);
  throw new InputError(
    `The model is ${base} with the adapter ${folderOf(weights)} already, and ${folder} would be added to both. Give ` +
      `${quoted(base)} as the model, and ${quoted(folder)} as its adapter.`,
  );
}

async function openAdapted(weights: string, heads?: number): Promise<ModelFile> {
  const base = await modelOfAdapter(weights);
  await requireBaseOf(weights, base);
  const file = await openModelFile(base, undefined, heads);
  try {
    return await adaptedBy(file, folderOf(weights));
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Content of a downloaded model's config.json. Files that llm-ts wrote need none, and may lie beside a run's. */
export async function configBeside(
  { metadata }: SafetensorsHeader,
  beside: string | Blob | undefined,
): Promise<GPT2Config | undefined> {
  if (beside === undefined || metadata.n_head !== undefined) return undefined;
  const file = typeof beside === "string" ? inFolder(folderOf(beside), "config.json") : beside;
  if (typeof file === "string" && (await platform.pathKind(file)) !== "file") return undefined;
  return withSource(file, readHuggingFaceConfig);
}

/** Those of the first of the files beside a model that names any; of a Blob, those that it names. */
async function endTokensBeside(
  beside: string | Blob | undefined,
  names: readonly string[],
): Promise<readonly number[] | undefined> {
  if (beside === undefined) return undefined;
  if (typeof beside !== "string") return withSource(beside, readEndTokens);
  for (const name of names) {
    const file = inFolder(folderOf(beside), name);
    const tokens = (await platform.pathKind(file)) === "file" ? await withSource(file, readEndTokens) : undefined;
    if (tokens) return tokens;
  }
  return undefined;
}

export interface SaveOptions {
  /** Type that the numbers are converted to, rounded to nearest, ties to even; q8_0 in GGUF alone. Default: f32. */
  readonly dtype?: GgmlType;
  /** Tokenizer of the model; it is written beside the model. */
  readonly tokenizer?: Tokenizer;
  /** The tokens that end a text. Default: the tokenizer's end of text. */
  readonly endTokens?: readonly number[];
  /** Fields of config.json that are assumptions: it names them as such. */
  readonly assumed?: readonly string[];
  /** Another tokenizer in the folder goes, unless other models or data are there. Default: where the model's file is replaced. */
  readonly replace?: boolean;
}

/**
 * Writes a model whole or not at all, as the path's ending says: .bin in llm.c's version 3 (f32) or 5 (bf16), or
 * .safetensors, with the config.json that transformers requires beside it where there is none yet, or that of the replaced
 * model, of other sizes. Its tokenizer comes beside it, for llm.c or for transformers; in llama.cpp's .gguf it is inside. Gives
 * the paths of what was written. UsageError where the format cannot hold the model,
 * InputError where the folder holds a tokenizer that the model would be read with, or that another one needs.
 */
export async function saveModelFile(path: string, model: TensorStream, options: SaveOptions = {}): Promise<string[]> {
  const { dtype = "f32", assumed = [], tokenizer, replace = (await platform.pathKind(path)) !== undefined } = options;
  const { endTokens = endsOf(tokenizer) } = options;
  if (path.endsWith(".gguf")) {
    const vocabulary = await ggufVocabulary(tokenizer, model.config.V, endTokens);
    await save(path, (sink) => writeGguf(sink, model, dtype, vocabulary));
    return [path];
  }
  const isBin = path.endsWith(".bin");
  if (!isBin && !path.endsWith(".safetensors"))
    throw new UsageError(
      `${path}: a model is saved as .bin, .safetensors or .gguf. Give the file one of these endings.`,
    );
  if (dtype === "q8_0") throw new UsageError(`${path}: q8_0 is a type of GGUF alone. Name the file NAME.gguf.`);
  const { V, maxT } = model.config;
  const folder = folderOf(path);
  const name = nameOf(path);
  const set = { tokenizer, reader: isBin ? ("llm.c" as const) : { maxT }, V, endTokens };
  const beside = await planTokenizer(folder, set, [name], replace ? "wrong" : "none");
  const files = [path];
  if (isBin) await save(path, (sink) => writeModel(sink, model, requireBinDType(path, dtype)));
  else {
    await save(path, (sink) => writeSafetensors(sink, model, dtype));
    const configPath = inFolder(folder, "config.json");
    const kind = await platform.pathKind(configPath);
    if (kind === undefined || (kind === "file" && replace && (await isOfOther(configPath, model.config)))) {
      const config = huggingFaceConfig(model.config, { dtype, endTokens });
      const json = assumed.length > 0 ? { ...config, _assumed: assumed } : config;
      await saveText(configPath, `${JSON.stringify(json, null, 2)}\n`);
      files.push(configPath);
    }
  }
  await beside.write();
  return [...files, ...beside.names.map((other) => path.slice(0, path.length - name.length) + other)];
}

/** True for the config.json of a model of other sizes; a run's is none. */
async function isOfOther(configPath: string, config: GPT2Config): Promise<boolean> {
  const found = await withSource(configPath, readHuggingFaceConfig).catch(() => undefined);
  return found !== undefined && !sameConfig(found, config);
}

function requireBinDType(path: string, dtype: FileDType): "f32" | "bf16" {
  if (dtype !== "f16") return dtype;
  throw new UsageError(
    `${path}: llm.c's .bin holds float32 (version 3) or bfloat16 (version 5), not float16. Choose one of these, or ` +
      "safetensors.",
  );
}
