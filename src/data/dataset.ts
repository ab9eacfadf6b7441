import { platform } from "#platform";
import { InputError } from "../errors.ts";
import { isObject, parseObject } from "../format/json.ts";
import { readSmallText, withSource } from "../format/source.ts";
import { findHuggingFaceTokenizer } from "../tokenizer/huggingface.ts";
import { loadTokenizer } from "../tokenizer/load.ts";
import type { Tokenizer, TokenizerKind } from "../tokenizer/tokenizer.ts";

/** One of the token files that `prepare` wrote. */
export interface DatasetSplit {
  /** Its name in the folder; of shards a glob. */
  readonly file: string;
  readonly tokens: number;
}

/** What `prepare` notes beside its token files, in dataset.json. */
export interface Dataset {
  /** Where the text came from. */
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
export const tokenizerFile = "tokenizer.bin";

/** A file's path in a folder. Forward slashes work everywhere. */
export function inFolder(folder: string, name: string): string {
  return /[\\/]$/.test(folder) ? folder + name : `${folder}/${name}`;
}

/** The folder that a file lies in. */
export function folderOf(path: string): string {
  const cut = Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"));
  return cut < 0 ? "." : path.slice(0, Math.max(cut, 1));
}

/** The dataset.json of a folder; undefined when there is none, InputError when it is damaged. */
export async function readDataset(folder: string): Promise<Dataset | undefined> {
  const path = inFolder(folder, datasetFile);
  if ((await platform.pathKind(path)) !== "file") return undefined;
  return parseDataset(path, await readSmallText(path, again, longestText));
}

/** No dataset.json is near this; it keeps a wrong file from being read whole. */
const longestText = 1 << 20;

const again = "Prepare the data again.";

const kinds: readonly unknown[] = ["gpt2", "char", "byte", "unknown"] satisfies TokenizerKind[];

/** The content of a dataset.json; InputError says which field is wrong. */
export function parseDataset(path: string, text: string): Dataset {
  const data = parseObject(path, text, again);
  const wrong = (field: string, expected: string) =>
    new InputError(
      `${path}: "${field}" is ${JSON.stringify(data[field]) ?? "missing"}, expected ${expected}. ${again}`,
    );
  if (!kinds.includes(data.tokenizer)) throw wrong("tokenizer", '"gpt2", "char" or "byte"');
  if (!isSplit(data.train)) throw wrong("train", '{"file": the name of a file in this folder, "tokens": a number}');
  if (data.val !== undefined && !isSplit(data.val)) throw wrong("val", 'the same as "train", or nothing');
  return data as unknown as Dataset;
}

function isSplit(value: unknown): value is DatasetSplit {
  if (!isObject(value)) return false;
  return typeof value.file === "string" && !/[\\/]/.test(value.file) && Number.isSafeInteger(value.tokens);
}

/** The tokenizer of the dataset, run or model that `path` (a folder, or a file in it) belongs to, where there is one. */
export async function findTokenizer(path: string): Promise<Tokenizer | undefined> {
  const folder = (await platform.pathKind(path)) === "folder" ? path : folderOf(path);
  const dataset = await readDataset(folder);
  let found: Tokenizer | undefined;
  for (const name of [tokenizerFile, "gpt2_tokenizer.bin"]) {
    const file = inFolder(folder, name);
    if (!found && (await platform.pathKind(file)) === "file") found = await openTokenizer(file, dataset?.tokenizer);
  }
  // llm.c's file holds tokens alone; how text is cut, only a tokenizer.json tells.
  return found && found.kind !== "unknown" ? found : ((await findHuggingFaceTokenizer(folder)) ?? found);
}

/** The tokenizer in an llm.c tokenizer file; dataset.json beside it tells its kind, where there is one. */
export function openTokenizer(file: string, kind?: TokenizerKind): Promise<Tokenizer> {
  return withSource(file, async (source) =>
    loadTokenizer(source, kind ?? (await readDataset(folderOf(file)))?.tokenizer),
  );
}
