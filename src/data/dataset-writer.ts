import { platform } from "#platform";
import { InputError } from "../errors.ts";
import { TokenWriter } from "../format/tokens.ts";
import { inFolder } from "../platform/paths.ts";
import type { ByteSink } from "../platform/platform.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { type Dataset, type DatasetSplit, datasetFile } from "./dataset.ts";
import { beginReplacing, completeReplacing } from "./dataset-folder.ts";
import { dataTokenizer, planTokenizer } from "./tokenizer-files.ts";

/** The token files of a dataset while they are being written. */
export interface SplitWriters {
  readonly train: TokenWriter;
  /** Only where something is kept for validation. */
  readonly val?: TokenWriter;
}

export interface DatasetNames {
  readonly train: string;
  readonly val?: string;
}

export type DatasetFacts = Pick<Dataset, "source" | "sha256" | "bytes" | "documents">;

/**
 * Writes a dataset's files into a folder: the token files of `tokenBytes` a token, which `fill` fills, the tokenizer and
 * dataset.json. They appear together at the end, in place of those of an earlier data set; if anything fails before,
 * the folder is unchanged.
 */
export async function writeDataset(
  folder: string,
  names: DatasetNames,
  tokenBytes: 2 | 4,
  fill: (writers: SplitWriters) => Promise<{ readonly facts: DatasetFacts; readonly tokenizer: Tokenizer }>,
): Promise<Dataset> {
  await platform.makeFolder(folder);
  const sinks: ByteSink[] = [];
  const create = async (name: string) => {
    const sink = await platform.createSink(inFolder(folder, name));
    sinks.push(sink);
    return sink;
  };
  try {
    const train = await TokenWriter.create(await create(names.train), tokenBytes);
    const val = names.val === undefined ? undefined : await TokenWriter.create(await create(names.val), tokenBytes);
    const { facts, tokenizer } = await fill({ train, val });
    const dataset: Dataset = {
      ...facts,
      tokenizer: tokenizer.kind,
      vocabSize: tokenizer.vocabSize,
      train: await finish(names.train, train),
      ...(names.val !== undefined && val && { val: await finish(names.val, val) }),
    };
    const beside = await planTokenizer(folder, dataTokenizer(tokenizer), [datasetFile], "wrong");
    await beginReplacing(folder);
    for (const sink of sinks) await sink.commit();
    await beside.write();
    await completeReplacing(folder, dataset, [names.train, ...(names.val === undefined ? [] : [names.val])]);
    return dataset;
  } finally {
    for (const sink of sinks) await sink.abort();
  }
}

async function finish(file: string, writer: TokenWriter): Promise<DatasetSplit> {
  // One token to start from, and one to predict.
  if (writer.count < 2)
    throw new InputError(
      `The text is too short: ${file} would hold ${writer.count} tokens, expected at least 2. Use a longer text, ` +
        "or another --val-fraction (0 for no validation data).",
    );
  await writer.finish();
  return { file, tokens: writer.count };
}
