/** `llm-ts prepare` for data sets of items: .jsonl and .parquet of one's own, and those of the hub that llm.c knows. */
import { platform } from "#platform";
import type { Dataset } from "../../data/dataset.ts";
import { hellaSwagExample, hellaSwagFields } from "../../data/hellaswag.ts";
import { readItems } from "../../data/items.ts";
import { type EncodedBatch, type ItemsPlan, prepareItems, type TextBatch } from "../../data/prepare-items.ts";
import { type HellaSwagExample, writeHellaSwag } from "../../format/hellaswag.ts";
import { inMadeFolder, save } from "../../format/save.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { ProgressLine } from "../display/progress-line.ts";
import { short } from "../display/text.ts";
import { datasetFiles, hubDatasets } from "../pull/hub.ts";
import { encodeInWorkers } from "./tokenizer-pool.ts";

export interface ItemsFlags {
  readonly field: string;
  readonly encoding?: string;
  readonly shardTokens: number;
  readonly tokenizer: Tokenizer;
  readonly valFraction?: number;
  readonly threads?: number;
}

const numbered = (name: string) => (index: number) => `${name}_${String(index).padStart(6, "0")}.bin`;

/** Where the documents of one's own files go. */
export const ownOutputs: ItemsPlan["outputs"] = [
  { nameOf: numbered("train"), splitOf: () => "train" },
  { nameOf: numbered("val"), splitOf: () => "val" },
];

/** Of one's own files, every hundredth document is for validation: the end of a data set may be unlike the rest. */
const defaultValFraction = 0.01;

/** `source`: where the files come from, for people. */
export async function prepareOwnItems(
  source: string,
  files: readonly string[],
  folder: string,
  flags: ItemsFlags,
): Promise<Dataset> {
  const fraction = flags.valFraction ?? defaultValFraction;
  const isVal = (item: number) => Math.floor((item + 1) * fraction) > Math.floor(item * fraction);
  return prepare(folder, flags, {
    source,
    files,
    outputs: ownOutputs,
    outputOf: (item) => (isVal(item) ? 1 : 0),
    rule: `val-fraction ${fraction}`,
  });
}

/** llm.c's fineweb.py: the first shard is for validation. */
export async function prepareFineweb(folder: string, flags: ItemsFlags): Promise<Dataset> {
  const files = await datasetFiles(hubDatasets.fineweb);
  const splitOf = (index: number) => (index === 0 ? "val" : "train");
  const nameOf = (index: number) => numbered(`fineweb_${splitOf(index)}`)(index);
  return prepare(folder, flags, {
    source: "FineWeb, sample-10BT",
    files,
    outputs: [{ nameOf, splitOf }],
    outputOf: () => 0,
    rule: "first shard for validation",
  });
}

/** The stories that the hub has in parquet, with its own validation split; llm.c's script takes another version. */
export async function prepareTinyStories(folder: string, flags: ItemsFlags): Promise<Dataset> {
  const val = await datasetFiles(hubDatasets.tinystoriesVal);
  const train = await datasetFiles(hubDatasets.tinystories);
  return prepare(
    folder,
    { ...flags, shardTokens: mostTokens },
    {
      source: "TinyStories",
      files: [...val, ...train],
      outputs: [
        { nameOf: () => "TinyStories_train.bin", splitOf: () => "train" },
        { nameOf: () => "TinyStories_val.bin", splitOf: () => "val" },
      ],
      outputOf: (_, file) => (file < val.length ? 1 : 0),
      rule: "by file",
    },
  );
}

/** llm.c has one file for each split. */
const mostTokens = 2 ** 31 - 1;

async function prepare(
  folder: string,
  { field, encoding, shardTokens, tokenizer, threads = platform.wantedThreads() ?? platform.usableCores() }: ItemsFlags,
  data: Pick<ItemsPlan, "source" | "files" | "outputs" | "outputOf" | "rule">,
): Promise<Dataset> {
  const reading = new ProgressLine("reading");
  const line = new ProgressLine("preparing");
  // Short reading needs no line of its own in a log.
  const onHashed = (share: number) => (share < 1 ? reading.update(share) : reading.end());
  const onProgress: ItemsPlan["onProgress"] = (share, tokens) => line.update(share, `${short(tokens)} tokens`);
  const plan = { ...data, folder, field, encoding, shardTokens, tokenizer, onHashed, onProgress };
  try {
    const encode = tokenizer.kind === "gpt2" ? encodeInWorkers : encodeHere;
    return await prepareItems(plan, (batches) => encode(batches, threads, tokenizer));
  } finally {
    reading.end();
    line.end();
  }
}

/** Encodes batches on this thread: the others know GPT-2's tokenizer alone. */
async function* encodeHere(
  batches: AsyncIterable<TextBatch>,
  _threads: number,
  tokenizer: Tokenizer,
): AsyncGenerator<EncodedBatch> {
  const stream = tokenizer.encodeStream({ ordinary: true });
  const border = tokenizer.endOfText === undefined ? [] : [tokenizer.endOfText];
  for await (const { places, texts } of batches) {
    const documents = texts.map((text) => [...border, ...stream.push(text), ...stream.end()]);
    yield { places, tokens: Int32Array.from(documents.flat()), lengths: documents.map(({ length }) => length) };
  }
}

/** Writes llm.c's hellaswag_val.bin, in the tokens of a tokenizer, and gives its path. */
export async function prepareHellaSwag(folder: string, tokenizer: Tokenizer): Promise<string> {
  const examples: HellaSwagExample[] = [];
  for (const file of await datasetFiles(hubDatasets.hellaswag))
    for await (const item of readItems(file, hellaSwagFields)) examples.push(hellaSwagExample(item, tokenizer));
  const path = `${folder}/hellaswag_val.bin`;
  await inMadeFolder(folder, () => save(path, (sink) => writeHellaSwag(sink, examples)));
  return path;
}
