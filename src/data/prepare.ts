import { platform } from "#platform";
import { InputError, shown, UsageError } from "../errors.ts";
import { withSource } from "../format/source.ts";
import type { TokenWriter } from "../format/tokens.ts";
import { type OptionNames, requireFolder, requireOptions, requireType } from "../option-names.ts";
import { nameOfBlob } from "../platform/blob-source.ts";
import type { ByteStream } from "../platform/platform.ts";
import { gpt2Tokenizer } from "../tokenizer/gpt2.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { Dataset } from "./dataset.ts";
import { type DatasetFacts, type DatasetNames, type SplitWriters, writeDataset } from "./dataset-writer.ts";
import { type Document, findDocuments, requireInputs } from "./documents.ts";
import { makeEncoding, type PreparedKind, type TextEncoding } from "./encoding.ts";
import { requireEncoding } from "./text.ts";
import { planDataTokenizer } from "./tokenizer-files.ts";

export interface PrepareOptions {
  /** The tokenizer of a model that is to be trained on, or a new one. */
  readonly tokenizer: PreparedKind | Tokenizer;
  /** The share of the tokens, at the end, that is kept for validation; default 0.1. With 0 there is no val file. */
  readonly valFraction?: number;
  /** Encoding of the texts, under a name that TextDecoder accepts, such as "gb18030" or "utf-16le"; default UTF-8. */
  readonly encoding?: string;
  readonly onProgress?: (progress: PrepareProgress) => void;
}

const prepareOptions: OptionNames<PrepareOptions> = {
  tokenizer: true,
  valFraction: true,
  encoding: true,
  onProgress: true,
};

export interface PrepareProgress {
  readonly bytesDone: number;
  /** Unknown for standard input. */
  readonly bytesTotal: number | undefined;
  readonly tokens: number;
}

/**
 * Turns texts into token files: train.bin and val.bin in `folder`, beside them tokenizer.bin and dataset.json. Inputs
 * are files, folders (all text files in them), globs, "-" for standard input, and Blobs. Texts of any size pass through a
 * few megabytes of memory. InputError when a text is missing, empty or no UTF-8, or the folder cannot be written.
 */
export async function prepareText(
  inputs: readonly (string | Blob)[],
  folder: string,
  options: PrepareOptions,
): Promise<Dataset> {
  requireOptions("prepareText", options, prepareOptions);
  requireInputs("The texts", inputs, true);
  requirePlan(folder, options);
  const documents = await findDocuments(inputs);
  const source = inputs.map(nameOf).join(", ");
  return prepareDocuments({ source, documents }, folder, textNames, options);
}

/** UsageError for a folder or callback that is none, InputError for an encoding: before texts are read. */
export function requirePlan(
  folder: string,
  { encoding, onProgress }: Pick<PrepareOptions, "encoding" | "onProgress">,
): void {
  requireFolder("The folder", folder);
  if (encoding !== undefined) requireEncoding(encoding);
  requireType("function", { onProgress });
}

export const textNames = { train: "train.bin", val: "val.bin" };

function nameOf(input: string | Blob): string {
  if (typeof input !== "string") return nameOfBlob(input);
  return input === "-" ? "standard input" : input;
}

/** The bundled text; its origin is in data/README.md. */
const shakespeareUrl = new URL("../../data/tinyshakespeare.txt", import.meta.url);
const shakespeare = "tiny Shakespeare";
export const shakespeareNames = { train: "tiny_shakespeare_train.bin", val: "tiny_shakespeare_val.bin" };
/** llm.c keeps the first 32,768 tokens for validation. */
const shakespeareValTokens = 32768;

/**
 * Turns the bundled tiny Shakespeare into tiny_shakespeare_train.bin and tiny_shakespeare_val.bin in `folder`. With
 * gpt2 they are llm.c's, byte for byte (dev/data/tinyshakespeare.py); with char or byte the split is nanoGPT's.
 */
export async function prepareTinyshakespeare(folder: string, options: PrepareOptions): Promise<Dataset> {
  requireOptions("prepareTinyshakespeare", options, prepareOptions);
  requirePlan(folder, options);
  const { tokenizer } = options;
  if (tokenizer !== "gpt2" && !(typeof tokenizer === "object" && tokenizer?.kind === "gpt2")) {
    const documents = [await shakespeareDocument()];
    return prepareDocuments({ source: shakespeare, documents }, folder, shakespeareNames, options);
  }
  const bytes = await readWhole(shakespeareUrl);
  if (options.valFraction !== undefined)
    throw new UsageError(
      `tinyshakespeare in GPT-2's tokens is split as llm.c does it: the first ${shakespeareValTokens} tokens are for ` +
        "validation. Leave --val-fraction out, or prepare the text as a file of your own.",
    );
  return writeDataset(folder, shakespeareNames, 2, async ({ train, val }) => {
    const { tokens, documents } = await shakespeareTokens(bytes);
    await val?.write(tokens.slice(0, shakespeareValTokens));
    await train.write(tokens.slice(shakespeareValTokens));
    options.onProgress?.({ bytesDone: bytes.length, bytesTotal: bytes.length, tokens: tokens.length });
    const hash = await platform.sha256();
    hash.update(bytes);
    const facts = { source: shakespeare, sha256: hash.digest(), bytes: bytes.length, documents };
    return { facts, tokenizer: await gpt2Tokenizer() };
  });
}

/** The bundled text, to be read like a file. */
export async function shakespeareDocument(): Promise<Document> {
  const bytes = await readWhole(shakespeareUrl);
  return { name: shakespeare, size: bytes.length, open: async () => inMemory(shakespeare, bytes) };
}

/** Every section between empty lines is a document to llm.c; the empty line stays at its end. */
async function shakespeareTokens(bytes: Uint8Array): Promise<{ tokens: number[]; documents: number }> {
  const tokenizer = await gpt2Tokenizer();
  const sections = new TextDecoder().decode(bytes).split("\n\n");
  const tokens = sections.flatMap((section, i) => {
    const text = i < sections.length - 1 ? `${section}\n\n` : section;
    return [...tokenizer.encode("<|endoftext|>"), ...tokenizer.encode(text)];
  });
  return { tokens, documents: sections.length };
}

function readWhole(url: URL): Promise<Uint8Array> {
  return withSource(url, (source) => source.read(0, source.size));
}

/** Bytes, to be read like a file. */
export function inMemory(name: string, bytes: Uint8Array): ByteStream {
  return {
    name,
    size: bytes.length,
    async *[Symbol.asyncIterator]() {
      yield bytes;
    },
  };
}

async function prepareDocuments(
  { source, documents }: { source: string; documents: readonly Document[] },
  folder: string,
  names: Required<Pick<DatasetNames, "train" | "val">>,
  options: PrepareOptions,
): Promise<Dataset> {
  const valFraction = options.valFraction ?? 0.1;
  requireFraction(valFraction);
  const encoding = await makeEncoding(options.tokenizer);
  // Finds a conflict with another tokenizer in the folder before hours of work; characters depend on the text.
  if (encoding.tokenizer) await planDataTokenizer(folder, encoding.tokenizer);
  return writeDataset(
    folder,
    valFraction > 0 ? names : { train: names.train },
    encoding.tokenBytes,
    async (writers) => {
      const facts = await encodeDocuments(documents, encoding, writers.train, options);
      if (facts.bytes === 0) throw new InputError(`${source}: the text is empty. Give a text to learn from.`);
      const { tokenizer, finalIds } = encoding.finish();
      await split(writers, valFraction, finalIds);
      return { facts: { ...facts, source }, tokenizer };
    },
  );
}

/** UsageError for a share of the tokens that is none. */
export function requireFraction(valFraction: number): void {
  if (!(Number.isFinite(valFraction) && valFraction >= 0 && valFraction < 1))
    throw new UsageError(`The share for validation is ${shown(valFraction)}, expected 0 or more and less than 1.`);
}

async function encodeDocuments(
  documents: readonly Document[],
  encoding: TextEncoding,
  writer: TokenWriter,
  { onProgress, encoding: name }: PrepareOptions,
): Promise<Omit<DatasetFacts, "source">> {
  const hash = await platform.sha256();
  const sizes = documents.map(({ size }) => size ?? Number.NaN);
  const sum = sizes.reduce((total, size) => total + size, 0);
  const bytesTotal = Number.isNaN(sum) ? undefined : sum;
  let bytesDone = 0;
  let count = 0;
  for (const document of documents) {
    const before = writer.count;
    const onBytes = (bytes: Uint8Array) => {
      hash.update(bytes);
      bytesDone += bytes.length;
    };
    for await (const tokens of encoding.encode(await document.open(), { encoding: name, onBytes })) {
      if (tokens.length === 0) continue;
      const isFirst = writer.count === before;
      if (isFirst && before > 0 && encoding.endOfText !== undefined) await writer.write([encoding.endOfText]);
      await writer.write(tokens);
      onProgress?.({ bytesDone, bytesTotal, tokens: writer.count });
    }
    if (writer.count > before) count++;
  }
  return { sha256: hash.digest(), bytes: bytesDone, documents: count };
}

/** Tokens that are moved at once. */
const block = 1 << 16;

/** Moves the last tokens from the training file to the validation file, and puts final ids for provisional ones. */
async function split({ train, val }: SplitWriters, valFraction: number, finalIds?: Uint16Array): Promise<void> {
  const final = (ids: Int32Array) => (finalIds ? ids.map((id) => finalIds[id]) : ids);
  const trainCount = Math.floor(train.count * (1 - valFraction));
  if (val)
    for (let start = trainCount; start < train.count; start += block)
      await val.write(final(await train.readBack(start, Math.min(block, train.count - start))));
  await train.truncate(trainCount);
  if (!finalIds) return;
  for (let start = 0; start < trainCount; start += block)
    await train.rewrite(start, final(await train.readBack(start, Math.min(block, trainCount - start))));
}
