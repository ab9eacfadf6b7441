/** Data sets of items (.jsonl, .parquet) to token files, as many shards as it takes. */
import { platform } from "#platform";
import { InputError, UsageError } from "../errors.ts";
import { readSmallText, sizeOf } from "../format/source.ts";
import { inFolder } from "../platform/paths.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { type Dataset, isUnfinished, progressFile } from "./dataset.ts";
import { beginReplacing, completeReplacing, requireOwnFiles } from "./dataset-writer.ts";
import { inLockedFolder } from "./folder-lock.ts";
import { nameField, readItems, textField } from "./items.ts";
import { hashOf, type Shard, ShardWriter, type TokenArray } from "./shards.ts";
import { planDataTokenizer, tokenBytesOf, tokenizerFiles } from "./tokenizer-files.ts";

/** A document: its number, counted from 0 over all files, and the output that it goes to. */
interface Place {
  readonly item: number;
  readonly output: number;
}

/** Documents that are encoded together. */
export interface TextBatch {
  readonly places: readonly Place[];
  readonly texts: readonly string[];
}

export interface EncodedBatch {
  readonly places: readonly Place[];
  /** All documents one after the other, and the length of each. */
  readonly tokens: TokenArray;
  readonly lengths: readonly number[];
}

/** Encodes batches, on as many threads as it likes, and gives them in their order. */
export type EncodeBatches = (batches: AsyncIterable<TextBatch>) => AsyncIterable<EncodedBatch>;

/** One of the outputs that documents go to. */
export interface OutputPlan {
  /** The name of a shard, counted from 0, and what it is for. */
  readonly nameOf: (index: number) => string;
  readonly splitOf: (index: number) => "train" | "val";
}

export interface ItemsPlan {
  /** For messages, and to recognise an interrupted run. */
  readonly source: string;
  readonly folder: string;
  readonly files: readonly string[];
  /** The field that holds the text. */
  readonly field: string;
  /** Of .jsonl; default UTF-8. */
  readonly encoding?: string;
  readonly shardTokens: number;
  readonly outputs: readonly OutputPlan[];
  /** The output that a document goes to, by its number and that of its file; and the same rule in words. */
  readonly outputOf: (item: number, file: number) => number;
  readonly rule: string;
  readonly tokenizer: Tokenizer;
  /** Called with the share of the files hashed so far, before they are encoded: 0 to 1. */
  readonly onHashed?: (share: number) => void;
  readonly onProgress?: (share: number, tokens: number) => void;
}

/** Kept in the folder until it is finished, so that an interrupted run resumes after its finished shards. */
interface Progress {
  /** The task: other files or options make other shards. */
  readonly plan: string;
  readonly shards: readonly (readonly Shard[])[];
}

/**
 * Turns items into token files of `shardTokens` tokens each, with an end-of-text token before each document, as llm.c's
 * scripts do. The files depend on the data and the plan alone. Shards that an earlier run of the same plan has finished
 * are verified and kept. InputError when a file is damaged or lacks the field, where what was finished before stays; and while
 * another process writes there.
 */
export async function prepareItems(plan: ItemsPlan, encode: EncodeBatches): Promise<Dataset> {
  const { folder, shardTokens } = plan;
  if (!(shardTokens >= 2)) throw new UsageError(`A shard of ${shardTokens} tokens is too small: expected 2 or more.`);
  return inLockedFolder(folder, (requireLock) => writeShards(plan, encode, requireLock));
}

async function writeShards(plan: ItemsPlan, encode: EncodeBatches, requireLock: () => Promise<void>): Promise<Dataset> {
  const { folder, files, shardTokens, outputs, tokenizer } = plan;
  await requireOwnFiles(folder, patternsOf(outputs));
  const beside = await planDataTokenizer(folder, tokenizer);
  const tokenBytes = tokenBytesOf(tokenizer);
  const description = await describePlan(plan);
  const finished = await readProgress(folder, description);
  const writers: ShardWriter[] = [];
  let marked = false;
  const beforeShard = async () => {
    await requireLock();
    if (!marked) await keep();
    marked = true;
  };
  for (const [i, { nameOf }] of outputs.entries())
    writers.push(await ShardWriter.open({ folder, nameOf, shardTokens, tokenBytes, beforeShard }, finished[i] ?? []));
  const isWanted = ({ item, output }: Place) => item >= writers[output].firstItem;
  const keep = async () => {
    await requireLock();
    await beginReplacing(folder, progressOf(description, writers));
  };
  const counter = { documents: 0, share: 0 };
  try {
    for await (const { places, tokens, lengths } of encode(textBatches(plan, isWanted, counter))) {
      let start = 0;
      for (const [i, { item, output }] of places.entries()) {
        const document = tokens.subarray(start, start + lengths[i]);
        start += lengths[i];
        if (await writers[output].add(item, document)) await keep();
      }
      plan.onProgress?.(
        counter.share,
        writers.reduce((sum, writer) => sum + writer.tokens, 0),
      );
    }
    for (const writer of writers) await writer.finish();
  } finally {
    for (const writer of writers) await writer.abort();
  }
  if (counter.documents === 0)
    throw new InputError(`${files.join(", ")}: there are no documents. Name files that hold some.`);
  const dataset = await datasetOf(plan, counter.documents, writers);
  await keep();
  await beside.write();
  for (const [i, writer] of writers.entries()) await removeFurther(folder, outputs[i], writer.shards.length);
  const written = writers.flatMap(({ shards }) => shards.map(({ file }) => file));
  await completeReplacing(folder, dataset, written);
  return dataset;
}

/** Characters of a batch: enough to be worth a message to another thread. */
const batchCharacters = 1 << 18;

async function* textBatches(
  { files, field, encoding, outputOf }: ItemsPlan,
  isWanted: (place: Place) => boolean,
  counter: { documents: number; share: number },
): AsyncGenerator<TextBatch> {
  let places: Place[] = [];
  let texts: string[] = [];
  let characters = 0;
  const onShareOf = (i: number) => (share: number) => {
    counter.share = (i + share) / files.length;
  };
  for (const [i, file] of files.entries())
    for await (const item of readItems(file, [field], { encoding, onShare: onShareOf(i), advice: nameField })) {
      const number = counter.documents++;
      const place = { item: number, output: outputOf(number, i) };
      if (!isWanted(place)) continue;
      const text = textField(item, field, nameField);
      places.push(place);
      texts.push(text);
      characters += text.length;
      if (characters < batchCharacters) continue;
      yield { places, texts };
      [places, texts, characters] = [[], [], 0];
    }
  if (places.length > 0) yield { places, texts };
}

/** Files are known again by their content: one that was edited may be as long as before. */
async function describePlan({
  source,
  files,
  field,
  encoding,
  shardTokens,
  rule,
  tokenizer,
  onHashed,
}: ItemsPlan): Promise<string> {
  const described: [string, string][] = [];
  const total = await bytesOf(files);
  let bytes = 0;
  const onBytes = (count: number) => {
    bytes += count;
    onHashed?.(bytes / total);
  };
  for (const path of files) described.push([path, await hashOf(path, onBytes)]);
  return JSON.stringify({
    source,
    files: described,
    field,
    encoding,
    shardTokens,
    rule,
    tokenizer: await nameOf(tokenizer),
  });
}

/** By which a tokenizer is known again. */
async function nameOf(tokenizer: Tokenizer): Promise<string> {
  if (tokenizer.kind === "gpt2") return tokenizer.kind;
  const hash = await platform.sha256();
  for (const [name, bytes] of await tokenizerFiles(tokenizer, "llm-ts")) {
    hash.update(new TextEncoder().encode(name));
    hash.update(bytes);
  }
  return `${tokenizer.kind} ${hash.digest()}`;
}

async function readProgress(folder: string, plan: string): Promise<readonly (readonly Shard[])[]> {
  if (!(await isUnfinished(folder))) return [];
  const progress: Progress = JSON.parse(await readSmallText(inFolder(folder, progressFile)));
  return progress.plan === plan ? progress.shards : [];
}

function progressOf(plan: string, writers: readonly ShardWriter[]): Progress {
  return { plan, shards: writers.map(({ shards }) => shards) };
}

/** Removes the shards after the last one: those of an interrupted run with other options. */
async function removeFurther(folder: string, { nameOf }: OutputPlan, count: number): Promise<void> {
  for (let i = count; i === 0 || nameOf(i) !== nameOf(i - 1); i++) {
    const path = inFolder(folder, nameOf(i));
    if ((await platform.pathKind(path)) !== "file") return;
    await platform.removeFile(path);
  }
}

async function datasetOf(
  { source, files, outputs, tokenizer }: ItemsPlan,
  documents: number,
  writers: readonly ShardWriter[],
): Promise<Dataset> {
  const hash = await platform.sha256();
  for (const { shards } of writers) for (const { sha256 } of shards) hash.update(new TextEncoder().encode(sha256));
  const bytes = await bytesOf(files);
  const splitOf = (split: "train" | "val") => {
    const shards = writers.flatMap((writer, i) => writer.shards.filter((_, n) => outputs[i].splitOf(n) === split));
    const tokens = shards.reduce((sum, shard) => sum + shard.tokens, 0);
    return { file: shards.length === 1 ? shards[0].file : commonPattern(shards.map(({ file }) => file)), tokens };
  };
  const [train, val] = [splitOf("train"), splitOf("val")];
  if (train.tokens < 2) throw new InputError(`${source}: there are too few documents to train on.`);
  return {
    source,
    sha256: hash.digest(),
    bytes,
    documents,
    tokenizer: tokenizer.kind,
    vocabSize: tokenizer.vocabSize,
    train,
    ...(val.tokens >= 2 && { val }),
  };
}

async function bytesOf(files: readonly string[]): Promise<number> {
  let bytes = 0;
  for (const path of files) bytes += await sizeOf(path);
  return bytes;
}

/** Patterns of all files that outputs are written to. An output's first shard may be named otherwise than the others. */
export function patternsOf(outputs: readonly OutputPlan[]): readonly string[] {
  const patterns = outputs.flatMap(({ nameOf }) => [0, 1].map((index) => commonPattern([nameOf(index)])));
  return [...new Set(patterns)];
}

/** "train_000001.bin" and the like as "train_*.bin". */
function commonPattern(files: readonly string[]): string {
  return (files[0] ?? "").replace(/_\d+\.bin$/, "_*.bin");
}
