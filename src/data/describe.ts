import { sizeOf } from "../backend/shape.ts";
import { InputError } from "../errors.ts";
import { foreignFile } from "../format/foreign.ts";
import { ggufModel } from "../format/gguf.ts";
import { readGgufHeader } from "../format/gguf-file.ts";
import { readHeader } from "../format/header.ts";
import { readHellaSwagHeader } from "../format/hellaswag.ts";
import { identify } from "../format/identify.ts";
import { isObject, parseObject } from "../format/json.ts";
import { readMaskHeader } from "../format/loss-mask.ts";
import { readModel } from "../format/model.ts";
import { onnxParameters, readOnnx } from "../format/onnx-file.ts";
import { readOptimizerHeader } from "../format/optimizer.ts";
import { readSafetensorsModel, type SafetensorsModel } from "../format/safetensors.ts";
import { readSafetensorsHeader, type SafetensorsHeader } from "../format/safetensors-file.ts";
import { shardOf } from "../format/safetensors-shards.ts";
import { readVocabulary } from "../format/tokenizer.ts";
import { headerlessHint, openTokenFile, type TokenFileOptions } from "../format/tokens.ts";
import { isAdapterState } from "../format/trained-adapter.ts";
import { departures, type GPT2Config } from "../model/config.ts";
import { hubName, parameterCount, weightBytes } from "../model/parameters.ts";
import { nameOf } from "../platform/paths.ts";
import type { ByteSource } from "../platform/platform.ts";
import { tokenizerInGguf } from "../tokenizer/gguf-vocabulary.ts";
import { huggingFaceTokenizer } from "../tokenizer/huggingface.ts";
import { loadTokenizer } from "../tokenizer/load.ts";
import { fieldsOfItem } from "./items.ts";
import { readJsonl } from "./jsonl.ts";
import { isBin, otherThanUtf8 } from "./not-text.ts";
import { parquetColumns } from "./parquet.ts";

/** Description of a file, for people and programs. */
export interface FileDescription {
  /** "llm.c model", "safetensors model", "tokens", … */
  readonly format: string;
  readonly bytes: number;
  readonly [field: string]: string | number | boolean | Readonly<Record<string, number>>;
}

export interface DescribeOptions extends TokenFileOptions {
  /** Reads the config.json of a model in safetensors. */
  readonly config?: (header: SafetensorsHeader) => Promise<GPT2Config | undefined>;
}

/** Identifies a file and checks its header; InputError when it is damaged or of an unknown format. */
export async function describe(source: ByteSource, options: DescribeOptions = {}): Promise<FileDescription> {
  const bytes = source.size;
  if (options.headerless) return { format: "tokens", bytes, ...(await describeTokens(source, options)) };
  const format = await identify(source);
  switch (format) {
    case "model":
      return { format: "llm.c model", bytes, ...(await describeModel(source)) };
    case "safetensors":
      return { format: "safetensors model", bytes, ...(await describeSafetensors(source, options)) };
    case "gguf":
      return { format: "GGUF model", bytes, ...(await describeGguf(source)) };
    case "onnx":
      return { format: "ONNX model", bytes, ...(await describeOnnx(source)) };
    case "state":
      return { format: "llm.c debug state", bytes, ...(await describeState(source)) };
    case "tokens":
    case "tokens32":
      return { format: "tokens", bytes, ...(await describeTokens(source, options)) };
    case "mask":
      return { format: "loss mask", bytes, ...(await readMaskHeader(source)) };
    case "tokenizer":
      return { format: "tokenizer", bytes, ...(await describeTokenizer(source)) };
    case "optimizer": {
      const { bytes: _, version, ...header } = await readOptimizerHeader(source);
      return { format: `${version === 1 ? "llm.c" : "llm.ts"} optimizer state`, bytes, ...header };
    }
    case "hellaswag":
      return { format: "HellaSwag", bytes, ...(await readHellaSwagHeader(source)) };
    case "json":
      return {
        format: "JSON",
        bytes,
        ...(await (isJsonLines(source) ? describeJsonLines(source) : describeJson(source))),
      };
    case "parquet":
      return { ...(await describeParquet(source)), bytes };
    default: {
      const foreign = await foreignFile(source);
      const known = format === "text" || bytes === 0 ? await describeText(source) : undefined;
      if (known) return known;
      if (format === "text" && (!foreign || foreign.isText)) return { format, bytes };
      if (foreign) throw new InputError(`${source.name} is ${foreign.what}. ${foreign.advice}`);
      if (bytes === 0) throw new InputError(`${source.name} is empty. Give another file.`);
      const hint = await headerlessHint(source);
      const start = await source.read(0, Math.min(source.size, startBytes));
      const { encoding, what } = hint || isBin(source.name) ? {} : await otherThanUtf8(start, source.name);
      if (encoding !== undefined) return { format: "text", bytes, encoding };
      throw new InputError(
        `${source.name} ${what === undefined ? "has" : `is ${what}, and has`} none of the formats that llm-ts knows: ` +
          `llm.c's .bin files, safetensors, GGUF and texts. ${hint ?? "Give another file."}`,
      );
    }
  }
}

/** By so many first bytes a file is known that is none of ours. */
const startBytes = 4096;

const isJsonLines = ({ name }: ByteSource) => /\.(jsonl|ndjson)(\.|$)/i.test(name);

/** By the fields of its first line. */
async function describeJsonLines(source: ByteSource) {
  const { name, size } = source;
  const stream = {
    name,
    size,
    async *[Symbol.asyncIterator]() {
      for (let start = 0; start < size; start += block) yield source.read(start, Math.min(block, size - start));
    },
  };
  const { value: first } = await readJsonl(stream).next();
  const { names, texts, isTalk } = fieldsOfItem(first?.value ?? {});
  const content = texts.includes("text") ? "documents, " : isTalk ? "conversations, " : "";
  return { format: `${content}JSON lines`, fields: names.join(", ") || "none" };
}

async function describeParquet(source: ByteSource) {
  const { names, texts } = await parquetColumns(source);
  return { format: `${texts.includes("text") ? "documents, " : ""}Parquet`, fields: names.join(", ") || "none" };
}

export const mergesFormat = "merges of a BPE tokenizer";

/** A text that a program wrote, or an empty mark, known by its name; undefined: another. */
async function describeText(source: ByteSource): Promise<FileDescription | undefined> {
  const { name, size: bytes } = source;
  const [, mark, step] = /^(KEEP|DONE)_(\d{8})$/.exec(nameOf(name)) ?? [];
  if (mark === "DONE") return { format: "mark of a checkpoint that is complete", bytes, step: Number(step) };
  const kind = mark ?? nameOf(name);
  if (!["KEEP", "merges.txt", "main.log"].includes(kind)) return undefined;
  const text = new TextDecoder().decode(await source.read(0, Math.min(bytes, longestJson)));
  const lines = text.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("#version"));
  if (kind === "KEEP")
    return { format: "mark of a checkpoint that is kept", bytes, step: Number(step), because: lines.join("; ") };
  if (kind === "merges.txt")
    return bytes > 0 && lines.every((line) => /^\S+ \S+\r?$/.test(line))
      ? { format: mergesFormat, bytes, merges: lines.length }
      : undefined;
  return /^s:\d+ t[er]l:/.test(text)
    ? { format: "log of a run, as llm.c writes it", bytes, lines: lines.length }
    : undefined;
}

/** Of a tokenizer.json, the tokenizer as well. */
async function describeJson(source: ByteSource): Promise<Partial<FileDescription>> {
  const { name, size } = source;
  // Texts of other kinds begin with a brace as well.
  if (size > longestJson || !/\.json$/i.test(name)) return {};
  const text = new TextDecoder().decode(await source.read(0, size));
  const content = parseObject(name, text, "It is damaged: fetch or write it again.");
  if (nameOf(name) === "vocab.json" && Object.values(content).every((id) => Number.isInteger(id)))
    return { format: "vocabulary of a BPE tokenizer", tokens: Object.keys(content).length };
  const { model, added_tokens: added } = content;
  if (!isObject(model) || model.vocab === undefined || added === undefined) return {};
  const tokenizer = await huggingFaceTokenizer(new Map([["tokenizer.json", text]]), `${name}: `);
  if (!tokenizer) return {};
  return { format: "tokenizer", ...factsOf(tokenizer.kind, tokenizer.tokens(), tokenizer.endOfText ?? "none") };
}

/** No tokenizer's is near this. */
const longestJson = 64 << 20;

function sizes(config: GPT2Config) {
  const { maxT, V, Vp, L, NH, C } = config;
  return { parameters: parameterCount(config), memory: weightBytes(config), L, NH, C, maxT, V, Vp };
}

async function describeModel(source: ByteSource) {
  const { version, dtype, config } = await readModel(source);
  return { version, dtype, ...sizes(config) };
}

async function describeSafetensors(source: ByteSource, { config }: DescribeOptions) {
  const header = await readSafetensorsHeader(source);
  if (isAdapterState(header)) return describeAdapterState(header);
  const shard = shardOf(source.name);
  if (shard)
    return { format: `part ${shard.part} of a safetensors model in ${shard.count} files`, ...contentOf(header) };
  try {
    return describeWeights(await readSafetensorsModel(source, await config?.(header), header));
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    return { format: "safetensors", ...contentOf(header), model: `none: ${error.message}` };
  }
}

function describeWeights(model: SafetensorsModel) {
  const dtypes = new Set([...model.tensors.values()].map(({ dtype }) => dtype));
  const { hidden, epsilon, gelu } = model.config;
  const assumed = model.assumed.length > 0 && { assumed: model.assumed.join(", ") };
  const facts = { dtype: [...dtypes].join(", "), tensors: model.tensors.size, ...sizes(model.config) };
  return { ...facts, hidden, epsilon, gelu, ...departures(model.config), ...assumed };
}

/** What can be said of any tensors. */
function contentOf({ tensors }: SafetensorsHeader) {
  const all = [...tensors.values()];
  const names = all.slice(0, 5).map(({ name }) => name);
  return {
    dtype: [...new Set(all.map(({ dtype }) => dtype))].join(", ") || "none",
    tensors: all.length,
    numbers: all.reduce((sum, { shape }) => sum + sizeOf(shape), 0),
    names: `${names.join(", ") || "none"}${all.length > names.length ? ", …" : ""}`,
  };
}

function describeAdapterState({ metadata, tensors }: SafetensorsHeader) {
  const numbers = [...tensors.values()].reduce((sum, { shape }) => sum + sizeOf(shape), 0);
  return {
    format: "AdamW's moments of a LoRA adapter",
    step: Number(metadata.step),
    tensors: tensors.size,
    // Two moments of each.
    parameters: numbers / 2,
  };
}

async function describeGguf(source: ByteSource) {
  const header = await readGgufHeader(source);
  const { config, type } = ggufModel(source, header);
  const tokenizer = await tokenizerInGguf(source.name, header.fields);
  const named = tokenizer ? `${tokenizer.kind}, ${tokenizer.vocabSize} tokens` : "none";
  return { dtype: type, tensors: header.tensors.size, ...sizes(config), hidden: config.hidden, tokenizer: named };
}

/** Of a GPT-2 under the hub's names, its sizes as well. */
async function describeOnnx(source: ByteSource) {
  const summary = await readOnnx(source);
  const { producer, opset, nodes, inputs, outputs, weights } = summary;
  const shapeOf = (name: string) => weights.find((weight) => weight.name === name)?.shape;
  const [[V, C] = [], [maxT] = []] = [shapeOf(hubName("wte")), shapeOf(hubName("wpe"))];
  const caches = inputs.filter((name) => /^past_key_values\..*\.key$/.test(name)).length;
  const named = inputs.filter((name) => !name.startsWith("past_key_values."));
  return {
    producer: producer === "" ? "unknown" : producer,
    opset,
    dtype: [...new Set(weights.map(({ dtype }) => dtype))].filter((dtype) => dtype !== "i64").join(", "),
    tensors: weights.length,
    nodes,
    parameters: onnxParameters(summary),
    ...(V !== undefined && maxT !== undefined && { L: caches, C, maxT, V }),
    inputs: caches > 0 ? `${named.join(", ")}, and the keys and values of ${caches} layers` : named.join(", "),
    outputs: outputs.filter((name) => !name.startsWith("present.")).join(", "),
  };
}

/** Without its model, a state's sizes cannot be checked. */
async function describeState(source: ByteSource) {
  const [, version, B, T] = await readHeader(source);
  return { version, B, T };
}

async function describeTokens(source: ByteSource, options: TokenFileOptions) {
  const file = await openTokenFile(source, options);
  let largest = 0;
  for (let start = 0; start < file.count; start += block)
    for (const token of await file.read(start, Math.min(block, file.count - start)))
      if (token >>> 0 > largest) largest = token >>> 0;
  return { tokens: file.count, bytesPerToken: file.tokenBytes, largestToken: largest };
}

/** Tokens that are read at once. */
const block = 1 << 20;

async function describeTokenizer(source: ByteSource) {
  const { tokens, endOfText } = await readVocabulary(source);
  const { kind, endOfText: known } = await loadTokenizer(source);
  return factsOf(kind, tokens, known ?? (kind === "unknown" ? endOfText : "none"));
}

function factsOf(kind: string, tokens: readonly Uint8Array[], endOfText: number | "none") {
  const longestToken = tokens.reduce((length, token) => Math.max(length, token.length), 0);
  return { kind, tokens: tokens.length, endOfText, longestToken };
}
