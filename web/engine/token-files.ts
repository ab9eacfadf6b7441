/** Copies llm.c's token files into a folder of the same form as prepared data. */

import { type Dataset, datasetFile, parseDataset } from "../../src/data/dataset.ts";
import { dataTokenizer, planTokenizer } from "../../src/data/tokenizer-files.ts";
import { InputError } from "../../src/errors.ts";
import { type FileHash, saveHashed, saveText } from "../../src/format/save.ts";
import { readSmallText, withSource } from "../../src/format/source.ts";
import { openTokenFile } from "../../src/format/tokens.ts";
import { inFolder } from "../../src/platform/paths.ts";
import { gpt2Tokenizer } from "../../src/tokenizer/gpt2.ts";
import type { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import type { DroppedFiles } from "./data-files.ts";
import { droppedTokenizer } from "./dropped-tokenizer.ts";

type DroppedTokens = Extract<DroppedFiles, { kind: "tokens" }>;

interface Copying {
  readonly onProgress: (share: number) => void;
  readonly signal: AbortSignal;
}

/** Copies the files, and writes a dataset.json. InputError for a damaged file. */
export async function copyTokens(
  dropped: DroppedTokens,
  folder: string,
  { onProgress, signal }: Copying,
): Promise<void> {
  const { train, val } = dropped;
  const reads = await tokenizerOf(dropped);
  const total = train.size + (val?.size ?? 0);
  let done = 0;
  const onBytes = (bytes: number) => {
    signal.throwIfAborted();
    done += bytes;
    onProgress(done / total);
  };
  const copied = await copy(train, inFolder(folder, "train.bin"), onBytes);
  const copiedVal = val && (await copy(val, inFolder(folder, "val.bin"), onBytes));
  await (await planTokenizer(folder, dataTokenizer(reads), [], "none")).write();
  const { sha256 } = copied;
  const content: Dataset = {
    source: val ? `${train.name}, ${val.name}` : train.name,
    sha256,
    bytes: total,
    documents: 1,
    tokenizer: reads.kind,
    vocabSize: reads.vocabSize,
    train: { file: "train.bin", tokens: copied.tokens },
    ...(copiedVal && { val: { file: "val.bin", tokens: copiedVal.tokens } }),
  };
  await saveText(inFolder(folder, datasetFile), `${JSON.stringify(content, null, 2)}\n`);
}

/** The tokenizer beside the tokens; llm.c's token files come without one, and are GPT-2's unless dataset.json differs. */
async function tokenizerOf({ tokenizer, beside }: DroppedTokens): Promise<Tokenizer> {
  const found = await droppedTokenizer(beside, tokenizer);
  if (found) return found;
  const dataset = beside.find(({ name }) => name === "dataset.json");
  const kind = dataset && parseDataset(dataset.name, await readSmallText(dataset)).tokenizer;
  if (kind === undefined || kind === "gpt2") return gpt2Tokenizer();
  const files = kind === "huggingface" ? "tokenizer.json" : "tokenizer.bin";
  throw new InputError(`The tokens are those of a ${kind} tokenizer: choose its ${files} together with them.`);
}

const piece = 1 << 20;

async function copy(file: File, to: string, onBytes: (bytes: number) => void): Promise<FileHash & { tokens: number }> {
  return withSource(file, async (source) => {
    const { count } = await openTokenFile(source);
    const hash = await saveHashed(to, async (out) => {
      for (let start = 0; start < source.size; start += piece) {
        const bytes = await source.read(start, Math.min(piece, source.size - start));
        await out.write(bytes);
        onBytes(bytes.length);
      }
    });
    return { ...hash, tokens: count };
  });
}
