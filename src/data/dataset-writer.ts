/** Writing the files of a data set: they appear in their folder together, in the place of an earlier one's. */
import { platform } from "#platform";
import { InputError } from "../errors.ts";
import { MaskWriter, maskName } from "../format/loss-mask.ts";
import { requireWritable, saveText } from "../format/save.ts";
import { TokenWriter } from "../format/tokens.ts";
import { inFolder } from "../platform/paths.ts";
import type { ByteSink } from "../platform/platform.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import {
  type Dataset,
  type DatasetSplit,
  datasetFile,
  isUnfinished,
  progressFile,
  readDatasetFile,
} from "./dataset.ts";
import { inLockedFolder, requireUnlocked } from "./folder-lock.ts";
import { planDataTokenizer } from "./tokenizer-files.ts";

/** The token files of a dataset while they are being written. */
export interface SplitWriters {
  readonly train: TokenWriter;
  /** Only where something is kept for validation. */
  readonly val?: TokenWriter;
  /** Their loss masks, of masked data. */
  readonly masks?: { readonly train: MaskWriter; readonly val?: MaskWriter };
}

export interface DatasetNames {
  readonly train: string;
  readonly val?: string;
  /** Each token file has a loss mask beside it. */
  readonly masked?: boolean;
}

export type DatasetFacts = Pick<Dataset, "source" | "sha256" | "bytes" | "documents">;

type Fill = (writers: SplitWriters) => Promise<{ readonly facts: DatasetFacts; readonly tokenizer: Tokenizer }>;

/**
 * Writes a dataset's files into a folder: the token files of `tokenBytes` a token, which `fill` fills, the tokenizer and
 * dataset.json. They appear together at the end, in place of those of an earlier data set; if anything fails before,
 * the folder is unchanged, or not made. InputError for files of these names that are no data set's, and while another process
 * writes there.
 */
export async function writeDataset(
  folder: string,
  names: DatasetNames,
  tokenBytes: 2 | 4,
  fill: Fill,
): Promise<Dataset> {
  return inLockedFolder(folder, (requireLock) => writeInto(folder, names, tokenBytes, fill, requireLock));
}

/** The names of the token files and masks. */
export function filesNamed({ train, val, masked }: DatasetNames): readonly string[] {
  const tokenFiles = [train, ...(val === undefined ? [] : [val])];
  return masked ? [...tokenFiles, ...tokenFiles.map(maskName)] : tokenFiles;
}

async function writeInto(
  folder: string,
  names: DatasetNames,
  tokenBytes: 2 | 4,
  fill: Fill,
  requireLock: () => Promise<void>,
): Promise<Dataset> {
  const written = filesNamed(names);
  await requireOwnFiles(folder, written);
  const sinks: ByteSink[] = [];
  const create = async (name: string) => {
    const sink = await platform.createSink(inFolder(folder, name));
    sinks.push(sink);
    return sink;
  };
  try {
    const train = await TokenWriter.create(await create(names.train), tokenBytes);
    const val = names.val === undefined ? undefined : await TokenWriter.create(await create(names.val), tokenBytes);
    const maskOf = async (name: string) => MaskWriter.create(await create(maskName(name)));
    const masks = names.masked
      ? { train: await maskOf(names.train), val: names.val === undefined ? undefined : await maskOf(names.val) }
      : undefined;
    const { facts, tokenizer } = await fill({ train, val, masks });
    const dataset: Dataset = {
      ...facts,
      tokenizer: tokenizer.kind,
      vocabSize: tokenizer.vocabSize,
      train: await finish(names.train, train, masks?.train),
      ...(names.val !== undefined && val && { val: await finish(names.val, val, masks?.val) }),
    };
    const beside = await planDataTokenizer(folder, tokenizer);
    await requireLock();
    await beginReplacing(folder);
    for (const sink of sinks) {
      await requireLock();
      await sink.commit();
    }
    await requireLock();
    await beside.write();
    await completeReplacing(folder, dataset, written);
    return dataset;
  } finally {
    for (const sink of sinks) await sink.abort();
  }
}

async function finish(file: string, writer: TokenWriter, mask?: MaskWriter): Promise<DatasetSplit> {
  // One token to start from, and one to predict.
  if (writer.count < 2)
    throw new InputError(
      `The text is too short: ${file} would hold ${writer.count} tokens, expected at least 2. Use a longer text, ` +
        "or another --val-fraction (0 for no validation data).",
    );
  await writer.finish();
  await mask?.finish();
  return { file, tokens: writer.count, ...(mask && { learned: mask.counted }) };
}

/** Marks a folder's files as no longer, or not yet, of one data set. Called before the first of them is replaced. */
export async function beginReplacing(folder: string, progress: object = {}): Promise<void> {
  await saveText(inFolder(folder, progressFile), `${JSON.stringify(progress)}\n`);
}

/** InputError where the files of a data set cannot be written into a folder: worth knowing before long work. Makes nothing. */
export async function requirePlace(folder: string, patterns: readonly string[]): Promise<void> {
  await requireWritable(folder);
  await requireUnlocked(folder);
  await requireOwnFiles(folder, patterns);
}

/**
 * InputError where a folder holds files of the names, or patterns, that are to be written, and they are not of a data set that
 * `prepare` wrote there: they would be lost.
 */
export async function requireOwnFiles(folder: string, patterns: readonly string[]): Promise<void> {
  // An interrupted one has replaced some of its files.
  if (await isUnfinished(folder)) return;
  const advice = "Move that file away, or write into another folder: llm-ts prepare -o FOLDER.";
  const earlier = await readDatasetFile(folder).catch((error: unknown) => {
    if (!(error instanceof InputError)) throw error;
    throw new InputError(
      `${inFolder(folder, datasetFile)} would be replaced, and is none that llm-ts prepare wrote, or is damaged. ${advice}`,
      { cause: error },
    );
  });
  if ((await platform.pathKind(inFolder(folder, progressFile))) !== undefined)
    throw new InputError(
      `${inFolder(folder, progressFile)} would be replaced, and is none that llm-ts prepare wrote, or is damaged. ${advice}`,
    );
  const own = earlier ? await filesOf(folder, earlier) : [];
  for (const name of await namesOf(folder, patterns))
    if (!own.includes(name))
      throw new InputError(
        `${inFolder(folder, name)} would be replaced, and ${earlier ? `${datasetFile} there does not name it` : `there is no ${datasetFile} beside it`}: ` +
          `llm-ts prepare did not write it. ${advice}`,
      );
}

/** Makes the files of a folder a data set: what an earlier one has left is removed, and dataset.json written. */
export async function completeReplacing(folder: string, dataset: Dataset, files: readonly string[]): Promise<void> {
  for (const stale of await filesOfEarlier(folder))
    if (!files.includes(stale)) await platform.removeFile(inFolder(folder, stale));
  await saveText(inFolder(folder, datasetFile), `${JSON.stringify(dataset, null, 2)}\n`);
  await platform.removeFile(inFolder(folder, progressFile));
}

/** The names of the token files that a folder's dataset.json, which is about to be replaced, names. */
async function filesOfEarlier(folder: string): Promise<string[]> {
  try {
    const earlier = await readDatasetFile(folder);
    return earlier ? await filesOf(folder, earlier) : [];
  } catch (error) {
    // One that is damaged names nothing.
    if (error instanceof InputError) return [];
    throw error;
  }
}

/** The names of the token files of a data set, and of their masks. */
async function filesOf(folder: string, { train, val }: Dataset): Promise<string[]> {
  const names = [train, val].flatMap((part) => (part?.file.endsWith(".bin") ? [part.file] : []));
  return namesOf(
    folder,
    names.flatMap((name) => [name, maskName(name)]),
  );
}

/** The names of the files in a folder that match one of the patterns. */
async function namesOf(folder: string, patterns: readonly string[]): Promise<string[]> {
  const paths = await Promise.all(patterns.map((pattern) => platform.listFiles(pattern, folder)));
  return paths.flat().map((path) => path.slice(inFolder(folder, "").length));
}
