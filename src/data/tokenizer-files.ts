/** The files of a tokenizer. They are written with their model as one set, replacing another model's. */
import { platform } from "#platform";
import { InputError } from "../errors.ts";
import { generationConfig, generationConfigFile, readEndTokens } from "../format/generation-config.ts";
import { formatOfMagic, readHeader } from "../format/header.ts";
import { save } from "../format/save.ts";
import { withSource } from "../format/source.ts";
import { writeVocabulary } from "../format/tokenizer.ts";
import { inFolder } from "../platform/paths.ts";
import { gpt2HuggingFaceFiles } from "../tokenizer/huggingface-files.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import {
  chooseTokenizer,
  datasetFile,
  type FoundTokenizer,
  gpt2TokenizerFile,
  isPrepared,
  readDatasetFile,
  sameTokenizer,
  tokenizerFile,
  tokenizersIn,
} from "./dataset.ts";

/** Reader of a written tokenizer: llm-ts alone (runs and data), llm.c, or transformers, for `maxT` positions. */
export type TokenizerReader = "llm-ts" | "llm.c" | { readonly maxT: number };

/** The files of a tokenizer, by their names. */
export async function tokenizerFiles(
  tokenizer: Tokenizer,
  reader: TokenizerReader,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const { kind, files = new Map<string, string>(), endOfText } = tokenizer;
  const isHub = typeof reader === "object";
  const texts = isHub && kind === "gpt2" ? Object.entries(await gpt2HuggingFaceFiles(reader.maxT)) : [...files];
  const found = new Map<string, Uint8Array>(texts.map(([name, text]) => [name, new TextEncoder().encode(text)]));
  const tokens = tokenizer.tokens();
  // llm.c's file has a byte for a token's length.
  const fitsLlmc = tokens.every(({ length }) => length >= 1 && length <= 255);
  if (fitsLlmc && !(isHub && found.size > 0)) {
    const name = reader === "llm.c" && kind === "gpt2" ? gpt2TokenizerFile : tokenizerFile;
    found.set(name, await collected(name, (out) => writeVocabulary(out, tokens, endOfText)));
  }
  return found;
}

async function collected(
  name: string,
  write: (out: { name: string; write(bytes: Uint8Array): Promise<void> }) => Promise<void>,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  await write({ name, write: async (bytes) => void parts.push(bytes.slice()) });
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let start = 0;
  for (const part of parts) {
    whole.set(part, start);
    start += part.length;
  }
  return whole;
}

/** Tokenizer files beside a model, and the way they are written there. */
export interface TokenizerSet {
  readonly tokenizer: Tokenizer | undefined;
  readonly reader: TokenizerReader;
  /** The model's vocabulary. */
  readonly V: number;
  /** The tokens that end a text. Default: the tokenizer's. */
  readonly endTokens?: readonly number[];
}

/** The set of prepared data. */
export function dataTokenizer(tokenizer: Tokenizer): TokenizerSet {
  return { tokenizer, reader: "llm-ts", V: tokenizer.vocabSize };
}

/** The bytes that a token takes in a file. */
export function tokenBytesOf({ vocabSize }: Pick<Tokenizer, "vocabSize">): 2 | 4 {
  return vocabSize > 65536 ? 4 : 2;
}

/** A set that may be written into a folder. */
export interface PlannedSet {
  /** The names of its files. */
  readonly names: readonly string[];
  /** Writes them, and removes what another model's tokenizer has left there. */
  write(): Promise<void>;
  /** The latter alone, but for `kept`: where they were written otherwise. */
  removeOthers(kept: readonly string[]): Promise<void>;
}

/** Other tokenizers in a folder that may be removed: none, those that a model would be misread with, or all. */
export type Replacing = "none" | "wrong" | "all";

/**
 * Finds out whether a model of the file names `models`, and its tokenizer, can be written into a folder. InputError where
 * another tokenizer lies there that the model would be read with, or that would be overwritten, unless it may be removed. None
 * is removed where there are other models, or data.
 */
export async function planTokenizer(
  folder: string,
  { tokenizer, reader, V, endTokens = endsOf(tokenizer) }: TokenizerSet,
  models: readonly string[],
  replacing: Replacing,
): Promise<PlannedSet> {
  const files = new Map(tokenizer ? await tokenizerFiles(tokenizer, reader) : []);
  if (!sameIds(endTokens, endsOf(tokenizer)))
    files.set(generationConfigFile, new TextEncoder().encode(generationConfig(endTokens)));
  const names = [...files.keys()];
  const set = { tokenizer, V, names, endTokens };
  const isFolder = (await platform.pathKind(folder)) === "folder";
  const { wrong, others } = isFolder ? await otherFiles(folder, set) : { wrong: [], others: [] };
  const users = others.length > 0 ? await otherUsers(folder, models) : [];
  if (wrong.length > 0 && (users.length > 0 || replacing === "none")) {
    const whose = users.length > 0 ? `, which belongs to ${users.slice(0, 3).join(", ")}` : "";
    throw new InputError(
      `${folder} holds another tokenizer (${wrong.join(", ")})${whose}. A model and its tokenizer belong together: write ` +
        "into a folder of its own.",
    );
  }
  const stale = replacing === "all" && users.length === 0 ? others : wrong;
  const removeOthers = async (kept: readonly string[]) => {
    for (const name of stale) if (!kept.includes(name)) await platform.removeFile(inFolder(folder, name));
  };
  const write = async () => {
    for (const [name, bytes] of files) await save(inFolder(folder, name), (sink) => sink.write(bytes));
    await removeOthers(names);
  };
  return { names, write, removeOthers };
}

/** The same for a data set's tokenizer, which replaces that of an earlier data set alone. */
export async function planDataTokenizer(folder: string, tokenizer: Tokenizer): Promise<PlannedSet> {
  const replacing = (await isPrepared(folder)) ? "wrong" : "none";
  return planTokenizer(folder, dataTokenizer(tokenizer), [datasetFile], replacing);
}

interface OwnSet extends Pick<TokenizerSet, "tokenizer" | "V"> {
  readonly names: readonly string[];
  readonly endTokens: readonly number[];
}

/** Files of other tokenizers: `wrong` if a model would be misread with them, or if this set would replace theirs. */
async function otherFiles(
  folder: string,
  { tokenizer, V, names, endTokens }: OwnSet,
): Promise<{ readonly wrong: readonly string[]; readonly others: readonly string[] }> {
  const isOther = (found: FoundTokenizer) => !tokenizer || !sameTokenizer(found.tokenizer, tokenizer);
  const others = (await tokenizersIn(folder, await kindIn(folder))).filter(isOther);
  const own: FoundTokenizer[] = tokenizer ? [{ names, tokenizer }] : [];
  const isWrong = (found: FoundTokenizer) => {
    if (found.names.some((name) => names.includes(name))) return true;
    try {
      return chooseTokenizer(folder, [found, ...own], V) === found.tokenizer;
    } catch (error) {
      if (error instanceof InputError) return true;
      throw error;
    }
  };
  const path = inFolder(folder, generationConfigFile);
  const ends = (await platform.pathKind(path)) === "file" ? await withSource(path, readEndTokens) : undefined;
  const wrongEnds = ends && !sameIds(ends, endTokens) ? [generationConfigFile] : [];
  return {
    wrong: [...others.filter(isWrong).flatMap((found) => found.names), ...wrongEnds],
    others: [...others.flatMap((found) => found.names), ...wrongEnds],
  };
}

/** The kind of tokenizer.bin that a dataset.json names: one that is damaged, or about to be replaced, names none. */
async function kindIn(folder: string): Promise<Tokenizer["kind"] | undefined> {
  try {
    return (await readDatasetFile(folder))?.tokenizer;
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}

/** The tokens that end a text, if the tokenizer declares them: the end of a document, and of a turn. */
export function endsOf(tokenizer: Tokenizer | undefined): readonly number[] {
  const ends = [tokenizer?.endOfText, tokenizer?.turnEnd].filter((id) => id !== undefined);
  return [...new Set(ends)];
}

function sameIds(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((id, i) => id === b[i]);
}

/** The models and data sets of a folder, but for those that are being written. */
async function otherUsers(folder: string, models: readonly string[]): Promise<string[]> {
  const users: string[] = [];
  for (const name of (await platform.listFolder(folder)).filter((name) => !models.includes(name)))
    if (
      name === datasetFile ||
      /\.safetensors$/.test(name) ||
      (/\.bin$/.test(name) && (await isModel(inFolder(folder, name))))
    )
      users.push(name);
  return users;
}

async function isModel(path: string): Promise<boolean> {
  return withSource(path, async (source) => {
    if (source.size < 1024) return false;
    const [magic] = await readHeader(source);
    return formatOfMagic(magic) === "model";
  });
}
