import { platform } from "#platform";
import { InputError } from "../errors.ts";
import { MaskWriter, maskName } from "../format/loss-mask.ts";
import { inMadeFolder } from "../format/save.ts";
import { TokenWriter } from "../format/tokens.ts";
import { inFolder } from "../platform/paths.ts";
import type { ByteSink } from "../platform/platform.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { Dataset, DatasetSplit } from "./dataset.ts";
import { beginReplacing, completeReplacing, requireOwnFiles } from "./dataset-folder.ts";
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
 * the folder is unchanged, or not made. InputError for files of these names that are no data set's.
 */
export async function writeDataset(
  folder: string,
  names: DatasetNames,
  tokenBytes: 2 | 4,
  fill: Fill,
): Promise<Dataset> {
  return inMadeFolder(folder, () => writeInto(folder, names, tokenBytes, fill));
}

/** The names of the token files and masks. */
export function filesNamed({ train, val, masked }: DatasetNames): readonly string[] {
  const tokenFiles = [train, ...(val === undefined ? [] : [val])];
  return masked ? [...tokenFiles, ...tokenFiles.map(maskName)] : tokenFiles;
}

async function writeInto(folder: string, names: DatasetNames, tokenBytes: 2 | 4, fill: Fill): Promise<Dataset> {
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
    await beginReplacing(folder);
    for (const sink of sinks) await sink.commit();
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
