/** Evaluation data: token files, texts and benchmarks named by the arguments of `llm-ts eval`. */
import { platform } from "#platform";
import { findTokenizer, splitFiles } from "../../data/dataset.ts";
import { hellaSwagExample, hellaSwagFields } from "../../data/hellaswag.ts";
import { holdsItems, readItems, readTexts, textField } from "../../data/items.ts";
import { isBin } from "../../data/not-text.ts";
import { readText } from "../../data/text.ts";
import { InputError } from "../../errors.ts";
import type { TokenSequence } from "../../eval/loss.ts";
import type { HeaderlessType } from "../../format/headerless.ts";
import { type HellaSwagExample, readHellaSwag } from "../../format/hellaswag.ts";
import { identify } from "../../format/identify.ts";
import { withSource } from "../../format/source.ts";
import { headerlessHint, openTokenFile } from "../../format/tokens.ts";
import { quoted } from "../../platform/quoted.ts";
import { sameTokens, type Tokenizer } from "../../tokenizer/tokenizer.ts";
import { datasetFiles, hubDatasets } from "../pull/hub.ts";

/** A sequence that may be a file which has to be closed. */
export type OpenSequence = TokenSequence & { close(): Promise<void> };

/** Options for reading files. */
export interface Reading {
  readonly headerless?: boolean | HeaderlessType;
  /** The field of .jsonl and .parquet that holds the text. */
  readonly field: string;
  /** Of texts and .jsonl; default UTF-8. */
  readonly encoding?: string;
}

/** The token files and texts that `inputs` name; `tokenizer` gives the model's, which only texts need. */
export async function openSequences(
  inputs: readonly string[],
  reading: Reading,
  tokenizer: () => Tokenizer,
): Promise<OpenSequence[]> {
  const opened: OpenSequence[] = [];
  try {
    for (const input of inputs) {
      const found = input === "-" ? [input] : await filesOf(input);
      for (const path of found) opened.push(await openSequence(path, reading, tokenizer));
    }
    return opened;
  } catch (error) {
    for (const sequence of opened) await sequence.close();
    throw error;
  }
}

/** InputError for prepared data whose tokens are not the model's: their losses would mean nothing. */
export async function requireSameTokens(input: string, tokenizer: Tokenizer | undefined): Promise<void> {
  const kind = input === "-" ? undefined : await platform.pathKind(input);
  const isTokens = kind === "folder" || (kind === "file" && isBin(input));
  const own = tokenizer && isTokens ? await findTokenizer(input) : undefined;
  if (!tokenizer || !own || sameTokens(own.tokens(), tokenizer.tokens())) return;
  throw new InputError(
    `${input} was prepared with other tokens (${own.kind}, ${own.vocabSize}) than the model knows (${tokenizer.kind}, ` +
      `${tokenizer.vocabSize}). Prepare it with --tokenizer and the model, or name the text itself.`,
  );
}

async function filesOf(input: string): Promise<string[]> {
  if ((await platform.pathKind(input)) !== "folder") {
    const files = await platform.listFiles(input);
    if (files.length > 0) return files;
    throw new InputError(`${input} does not exist. Name a token file, a text, or a folder that llm-ts prepare wrote.`);
  }
  const prepared = await splitFiles(input, "val");
  if (prepared) return prepared;
  const files = await platform.listFiles("*val*.bin", input);
  if (files.length > 0) return files;
  throw new InputError(`${input} holds no validation data. Name the file in it that is to be scored.`);
}

async function openSequence(
  path: string,
  { headerless, field, encoding }: Reading,
  tokenizer: () => Tokenizer,
): Promise<OpenSequence> {
  if (path === "-") return encoded(path, encoding, tokenizer());
  if (holdsItems(path)) return encodedItems(path, field, encoding, tokenizer());
  const source = await platform.openSource(path);
  const format = headerless ? "tokens" : await identify(source);
  if (format === "tokens" || format === "tokens32") return openTokenFile(source, { headerless });
  const hint = isBin(path) ? await headerlessHint(source) : undefined;
  await source.close();
  if (format === "hellaswag")
    throw new InputError(`${path} is a HellaSwag file: give it with --hellaswag ${quoted(path)}`);
  if (format !== undefined && format !== "json" && format !== "text")
    throw new InputError(`${path} is neither a token file nor a text, but of llm.c's or Hugging Face's other formats.`);
  if (isBin(path))
    throw new InputError(`${path} is neither a token file with a header nor a text. ${hint ?? "Give another file."}`);
  return encoded(path, encoding, tokenizer());
}

/** Documents with fields as `prepare` writes them: an end-of-text token before each. */
async function encodedItems(
  path: string,
  field: string,
  encoding: string | undefined,
  tokenizer: Tokenizer,
): Promise<OpenSequence> {
  const pieces: Int32Array[] = [];
  for await (const { text } of readTexts(path, field, { encoding })) {
    if (tokenizer.endOfText !== undefined) pieces.push(Int32Array.of(tokenizer.endOfText));
    pieces.push(Int32Array.from(tokenizer.encode(text, { ordinary: true })));
  }
  return inMemory(path, pieces);
}

/** A text as tokens. */
async function encoded(path: string, encoding: string | undefined, tokenizer: Tokenizer): Promise<OpenSequence> {
  const stream = tokenizer.encodeStream({ ordinary: true });
  const pieces: Int32Array[] = [];
  const text = await platform.openStream(path);
  for await (const piece of readText(text, { encoding })) pieces.push(Int32Array.from(stream.push(piece)));
  pieces.push(Int32Array.from(stream.end()));
  return inMemory(text.name, pieces);
}

/** Tokens held in memory, four bytes each. */
function inMemory(name: string, pieces: readonly Int32Array[]): OpenSequence {
  const tokens = new Int32Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let count = 0;
  for (const piece of pieces) {
    tokens.set(piece, count);
    count += piece.length;
  }
  const read = async (start: number, length: number) => tokens.subarray(start, start + length);
  return { name, count, read, close: async () => {} };
}

/** HellaSwag's examples: of the file that is given, else of the one on the hub. */
export async function hellaSwagExamples(
  file: string | true,
  limit: number,
  tokenizer: () => Tokenizer,
): Promise<HellaSwagExample[]> {
  const files = file === true ? await datasetFiles(hubDatasets.hellaswag) : [file];
  const examples: HellaSwagExample[] = [];
  for (const path of files) {
    if (path.endsWith(".bin")) return withSource(path, (source) => readHellaSwag(source, limit));
    for await (const item of readItems(path, hellaSwagFields)) {
      if (examples.length === limit) return examples;
      examples.push(hellaSwagExample(item, tokenizer()));
    }
  }
  return examples;
}

/** LAMBADA's texts: of the file that is given, else of the one on the hub. */
export async function lambadaTexts(file: string | true, limit: number): Promise<string[]> {
  const texts: string[] = [];
  for (const path of file === true ? await datasetFiles(hubDatasets.lambada) : [file])
    for await (const item of readItems(path, ["text"])) {
      if (texts.length === limit) return texts;
      texts.push(textField(item, "text"));
    }
  return texts;
}
