import { platform } from "#platform";
import { InputError, shown, UsageError } from "../errors.ts";
import { hubTokenizerFiles } from "../format/huggingface-config.ts";
import { isObject, parseObject } from "../format/json.ts";
import { maskName } from "../format/loss-mask.ts";
import { readSmallText, withSource } from "../format/source.ts";
import { openTokenFile } from "../format/tokens.ts";
import { requireFolder } from "../option-names.ts";
import { folderOf, inFolder, nameOf } from "../platform/paths.ts";
import { findHuggingFaceTokenizer } from "../tokenizer/huggingface.ts";
import { loadTokenizer } from "../tokenizer/load.ts";
import { fits, sameTokens, type Tokenizer, type TokenizerKind } from "../tokenizer/tokenizer.ts";
import { requireUnlocked } from "./folder-lock.ts";

/** One of the token files that `prepare` wrote. */
export interface DatasetSplit {
  /** Its name in the folder; of shards a glob. */
  readonly file: string;
  readonly tokens: number;
  /** Of them, those that are learned, where there is a loss mask beside the file. */
  readonly learned?: number;
}

/** Content of dataset.json, which `prepare` writes beside its token files. */
export interface Dataset {
  /** Source of the text. */
  readonly source: string;
  /** Of the text's bytes, all documents one after the other; of .jsonl and .parquet: of the shards' own sha256. */
  readonly sha256: string;
  readonly bytes: number;
  readonly documents: number;
  readonly tokenizer: TokenizerKind;
  readonly vocabSize: number;
  readonly train: DatasetSplit;
  readonly val?: DatasetSplit;
}

export const datasetFile = "dataset.json";
/** State that `prepare` keeps in the folder until it is finished. */
export const progressFile = "prepare.json";
export const tokenizerFile = "tokenizer.bin";
/** llm.c's name for GPT-2's. */
export const gpt2TokenizerFile = "gpt2_tokenizer.bin";

/**
 * The dataset.json of a folder; undefined when there is none, InputError when it is damaged, or when the folder's files
 * were being replaced when `prepare` was interrupted.
 */
export async function readDataset(folder: string): Promise<Dataset | undefined> {
  requireFolder("The folder", folder);
  const dataset = await readDatasetFile(folder);
  if (dataset) await requireComplete(folder);
  return dataset;
}

/** True for a folder in which `prepare` has written a data set, or has begun to. */
export async function isPrepared(folder: string): Promise<boolean> {
  return (await platform.pathKind(inFolder(folder, datasetFile))) !== undefined || isUnfinished(folder);
}

/** True for a folder in which `prepare` has begun to put files in place. A prepare.json that another program wrote says nothing. */
export async function isUnfinished(folder: string): Promise<boolean> {
  const path = inFolder(folder, progressFile);
  if ((await platform.pathKind(path)) !== "file") return false;
  const progress = parsed(await readSmallText(path));
  if (!isObject(progress)) return false;
  const isOfShards = typeof progress.plan === "string" && Array.isArray(progress.shards);
  return isOfShards || Object.keys(progress).length === 0;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** InputError for a folder in which `prepare` has not finished. */
export async function requireComplete(folder: string): Promise<void> {
  if (!(await isUnfinished(folder))) return;
  await requireUnlocked(folder);
  throw new InputError(
    `${folder}: llm-ts prepare has not finished there, so its files may be of different texts ` +
      `(${progressFile} says so). Give the same llm-ts prepare command once more: it completes them.`,
  );
}

/** The dataset.json of a folder, whether or not it is that of the files there. */
export async function readDatasetFile(folder: string): Promise<Dataset | undefined> {
  const path = inFolder(folder, datasetFile);
  if ((await platform.pathKind(path)) !== "file") return undefined;
  return parseDataset(path, await readSmallText(path, again, longestText));
}

/** No dataset.json is near this; it keeps a wrong file from being read whole. */
const longestText = 1 << 20;

const again = "Prepare the data again.";

const kinds: readonly unknown[] = ["gpt2", "char", "byte", "huggingface", "unknown"] satisfies TokenizerKind[];

/** The content of a dataset.json; InputError says which field is wrong. */
export function parseDataset(path: string, text: string): Dataset {
  const data = parseObject(path, text, again);
  const wrong = (field: string, expected: string) =>
    new InputError(
      `${path}: "${field}" is ${JSON.stringify(data[field]) ?? "missing"}, expected ${expected}. ${again}`,
    );
  if (!kinds.includes(data.tokenizer)) throw wrong("tokenizer", '"gpt2", "char", "byte" or "huggingface"');
  if (!isSplit(data.train)) throw wrong("train", '{"file": the name of a file in this folder, "tokens": a number}');
  if (data.val !== undefined && !isSplit(data.val)) throw wrong("val", 'the same as "train", or nothing');
  return data as unknown as Dataset;
}

function isSplit(value: unknown): value is DatasetSplit {
  if (!isObject(value)) return false;
  return typeof value.file === "string" && !/[\\/]/.test(value.file) && Number.isSafeInteger(value.tokens);
}

/**
 * The training or validation files that a folder's dataset.json names; undefined where there is no dataset.json.
 * InputError when they are not those of the data set: some are gone, others were added, or their tokens are not as many.
 */
export async function splitFiles(folder: string, split: "train" | "val"): Promise<string[] | undefined> {
  await requireComplete(folder);
  const dataset = await readDataset(folder);
  const part = dataset?.[split];
  if (!dataset) return undefined;
  if (!part)
    throw new InputError(
      `${folder} has no ${split} data: it was prepared without. Prepare it with llm-ts prepare --val-fraction 0.1.`,
    );
  const files = await platform.listFiles(part.file, folder);
  if (files.length === 0)
    throw new InputError(`${inFolder(folder, part.file)} does not exist. Prepare the data again (llm-ts prepare).`);
  let tokens = 0;
  for (const file of files) tokens += await tokenCount(file);
  if (tokens !== part.tokens)
    throw new InputError(
      `${inFolder(folder, part.file)} ${files.length > 1 ? `are ${files.length} files that hold` : "holds"} ${tokens} tokens, ` +
        `expected ${part.tokens} as ${inFolder(folder, datasetFile)} has it: the files are not of one data set. ` +
        "Prepare the data again (llm-ts prepare): that replaces them all.",
    );
  return files;
}

/** InputError for a token file without a loss mask whose folder's dataset.json says that only some of its tokens are learned. */
export async function requireNoMask(tokenFile: string): Promise<void> {
  const folder = folderOf(tokenFile);
  const dataset = await readDatasetFile(folder);
  const part = [dataset?.train, dataset?.val].find((one) => one?.file === nameOf(tokenFile));
  if (part?.learned === undefined) return;
  throw new InputError(
    `${maskName(tokenFile)} does not exist: by ${inFolder(folder, datasetFile)} it is the loss mask of ${tokenFile}, of whose ` +
      `${part.tokens} tokens ${part.learned} are learned. Put it back, or prepare the data again (llm-ts prepare --chat ` +
      `conversations.jsonl). To train on all tokens, remove "learned" from ${datasetFile}.`,
  );
}

async function tokenCount(path: string): Promise<number> {
  return withSource(path, async (source) => (await openTokenFile(source)).count);
}

/**
 * The tokenizer of the dataset, run or model that `path` (a folder, or a file in it) belongs to, where there is one. Of
 * several it is the one for a vocabulary of `V` tokens: as many, or else the most that are not more. Where none fits, one
 * that does not. InputError where two fit that differ.
 */
export async function findTokenizer(path: string, V?: number): Promise<Tokenizer | undefined> {
  if (typeof path !== "string")
    throw new UsageError(`The path is ${shown(path)}, expected that of a folder, or of a file in it.`);
  const folder = (await platform.pathKind(path)) === "folder" ? path : folderOf(path);
  const dataset = await readDataset(folder);
  const found = await tokenizersIn(folder, dataset?.tokenizer);
  if (found.length === 0) return undefined;
  return chooseTokenizer(folder, found, V ?? dataset?.vocabSize ?? found[0].tokenizer.vocabSize);
}

export interface FoundTokenizer {
  /** The files in which it was found. */
  readonly names: readonly string[];
  readonly tokenizer: Tokenizer;
}

/**
 * Every tokenizer that lies in a folder, in llm.c's files and those of the hub; what is there in both forms is one. `kind`
 * is that of tokenizer.bin, if a dataset.json names its kind.
 */
export async function tokenizersIn(folder: string, kind?: TokenizerKind): Promise<FoundTokenizer[]> {
  const found: FoundTokenizer[] = [];
  for (const name of [tokenizerFile, gpt2TokenizerFile]) {
    const file = inFolder(folder, name);
    if ((await platform.pathKind(file)) !== "file") continue;
    const known = name === tokenizerFile ? kind : undefined;
    found.push({ names: [name], tokenizer: await withSource(file, (source) => loadTokenizer(source, known)) });
  }
  const tokenizer = await findHuggingFaceTokenizer(folder);
  if (!tokenizer) return found;
  const names: string[] = [];
  for (const name of hubTokenizerFiles)
    if ((await platform.pathKind(inFolder(folder, name))) === "file") names.push(name);
  // llm.c's file holds tokens alone; the rules for cutting text are only in the hub's files.
  const isSame = (one: FoundTokenizer) => sameTokens(one.tokenizer.tokens(), tokenizer.tokens());
  const same = found.filter(isSame).flatMap((one) => one.names);
  return [...found.filter((one) => !isSame(one)), { names: [...names, ...same], tokenizer }];
}

/** True if two tokenizers encode alike, judged by their files. */
export function sameTokenizer(a: Tokenizer, b: Tokenizer): boolean {
  const isKnown = a.kind !== "unknown" && b.kind !== "unknown";
  if (!sameTokens(a.tokens(), b.tokens()) || (isKnown && a.kind !== b.kind)) return false;
  return !a.files || !b.files || hubTokenizerFiles.every((name) => a.files?.get(name) === b.files?.get(name));
}

/** Of tokenizers in a folder the one for a vocabulary of `V` tokens, as `findTokenizer` has it. */
export function chooseTokenizer(folder: string, found: readonly FoundTokenizer[], V: number): Tokenizer | undefined {
  const fitting = found.filter(({ tokenizer }) => fits(tokenizer, V));
  // GPT-2's lies beside models of other vocabularies, under its own name, and is not theirs.
  if (fitting.length === 0) return found.find(({ names }) => !names.includes(gpt2TokenizerFile))?.tokenizer;
  const sizeOf = ({ tokenizer }: FoundTokenizer) => Math.min(V, tokenizer.vocabSize);
  const most = Math.max(...fitting.map(sizeOf));
  const [first, ...others] = fitting.filter((one) => sizeOf(one) === most);
  const other = others.find(({ tokenizer }) => !sameTokens(first.tokenizer.tokens(), tokenizer.tokens()));
  if (!other) return first.tokenizer;
  throw new InputError(
    `${folder} holds two tokenizers of ${most} tokens that differ, ${first.names[0]} and ${other.names[0]}. Remove the one ` +
      "that is not this model's.",
  );
}

/** The tokenizer in an llm.c tokenizer file; its kind comes from dataset.json beside it, if there is one. */
export async function openTokenizer(file: string): Promise<Tokenizer> {
  if (typeof file !== "string" || file === "")
    throw new UsageError(`The tokenizer's file is ${shown(file)}, expected a path.`);
  return withSource(file, async (source) => {
    const isOwn = file.endsWith(tokenizerFile) && !file.endsWith(gpt2TokenizerFile);
    return loadTokenizer(source, isOwn ? (await readDataset(folderOf(file)))?.tokenizer : undefined);
  });
}
