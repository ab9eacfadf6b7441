/** `llm-ts tokenizer`: training a vocabulary, and comparing some. */
import { findDocuments, requireStdinOnce } from "../../data/documents.ts";
import { readTexts } from "../../data/items.ts";
import { shakespeareDocument } from "../../data/prepare.ts";
import { readText } from "../../data/text.ts";
import {
  type TrainedTokenizer,
  type TrainTokenizerOptions,
  trainTokenizer,
  writeTokenizer,
} from "../../data/train-tokenizer.ts";
import { InputError } from "../../errors.ts";
import { requireWritable } from "../../format/save.ts";
import { inFolder } from "../../platform/paths.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { ProgressLine } from "../display/progress-line.ts";
import { Interrupt } from "../interrupt.ts";
import { tokenizerNamed } from "../options/tokenizer.ts";
import { refuseIdle, type Typed } from "../options/typed.ts";
import { print, say } from "../output.ts";
import { itemFiles, nameOfTexts } from "../prepare/inputs.ts";
import { suggestion } from "../suggest.ts";

export interface TrainTokenizerFlags extends Omit<TrainTokenizerOptions, "vocabSize" | "onProgress"> {
  readonly vocab: number;
  readonly field: string;
  readonly out?: string;
  readonly json?: boolean;
}

export async function train(inputs: readonly string[], flags: TrainTokenizerFlags, typed: Typed): Promise<void> {
  new Interrupt();
  const { vocab, out = `data/${nameOfTexts(inputs)}-bpe${vocab}`, json, ...others } = flags;
  await requireWritable(out);
  const { tokenizer, bytes, tokens } = await trainShown(inputs, { ...others, vocabSize: vocab }, typed);
  const files = await writeTokenizer(out, tokenizer);
  if (json) return print(`${JSON.stringify({ folder: out, files, vocabSize: tokenizer.vocabSize, bytes, tokens })}\n`);
  for (const file of files) await print(`${inFolder(out, file)}\n`);
  say(
    `${count(tokenizer.vocabSize)} tokens; one stands for ${(bytes / tokens).toFixed(2)} bytes of the text. Next: ` +
      suggestion("prepare", ...inputs, "--tokenizer", out),
  );
}

/** Trains a tokenizer on texts, or on a field of .jsonl and .parquet, with its progress on standard error. */
export async function trainShown(
  inputs: readonly string[],
  { field, ...options }: TrainTokenizerOptions & { readonly field: string },
  typed: Typed = new Map(),
): Promise<TrainedTokenizer> {
  const lines = { reading: new ProgressLine("reading"), merging: new ProgressLine("merging") };
  const files = inputs.length === 1 && inputs[0] === "tinyshakespeare" ? [] : await itemFiles(inputs);
  if (files.length === 0) refuseIdle(typed, ["field"], `${inputs.join(", ")} is plain text, which has no fields.`);
  const onShare = (share: number) => lines.reading.update(share);
  const texts = files.length > 0 ? textsIn(files, field, options.encoding, onShare) : inputs;
  try {
    return await trainTokenizer(texts, {
      ...options,
      onProgress: (phase, share) => {
        if (phase === "merging") lines.reading.end();
        lines[phase].update(share);
      },
    });
  } finally {
    lines.reading.end();
    lines.merging.end();
  }
}

async function* textsIn(
  files: readonly string[],
  field: string,
  encoding: string | undefined,
  onShare: (share: number) => void,
): AsyncGenerator<string> {
  for (const [i, file] of files.entries())
    for await (const { text } of readTexts(file, field, {
      encoding,
      onShare: (share) => onShare((i + share) / files.length),
    }))
      yield text;
}

export interface CompareFlags {
  readonly tokenizer: readonly string[];
  readonly encoding?: string;
  readonly json?: boolean;
}

/** A tokenizer's row. */
interface Compared {
  readonly name: string;
  readonly vocabSize: number;
  readonly tokens: number;
  readonly bytesPerToken: number;
}

export async function compare(inputs: readonly string[], flags: CompareFlags): Promise<void> {
  new Interrupt();
  requireStdinOnce(inputs);
  const rows: Compared[] = [];
  const tokenizers = await Promise.all(flags.tokenizer.map(tokenizerNamed));
  for (const [i, name] of flags.tokenizer.entries()) {
    const line = new ProgressLine(name);
    try {
      const found = await measure(inputs, tokenizers[i], flags.encoding, (share) => line.update(share));
      rows.push({ name, vocabSize: tokenizers[i].vocabSize, ...found });
    } finally {
      line.end();
    }
  }
  if (flags.json) return print(`${JSON.stringify(rows)}\n`);
  const cells = rows.map(({ name, vocabSize, tokens, bytesPerToken }) => [
    name,
    count(vocabSize),
    count(tokens),
    bytesPerToken.toFixed(2),
  ]);
  const table = [["tokenizer", "vocabulary", "tokens", "bytes a token"], ...cells];
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  const lineOf = (row: readonly string[]) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]) : cell.padStart(widths[column]))).join("  ");
  await print(`${table.map(lineOf).join("\n")}\n`);
}

async function measure(
  inputs: readonly string[],
  tokenizer: Tokenizer,
  encoding: string | undefined,
  onShare: (share: number) => void,
): Promise<Pick<Compared, "tokens" | "bytesPerToken">> {
  const isBundled = inputs.length === 1 && inputs[0] === "tinyshakespeare";
  const documents = isBundled ? [await shakespeareDocument()] : await findDocuments(inputs);
  const total = documents.reduce((sum, { size = Number.NaN }) => sum + size, 0);
  const encoder = new TextEncoder();
  let [tokens, bytes, read] = [0, 0, 0];
  const onBytes = (chunk: Uint8Array) => {
    read += chunk.length;
    onShare(Number.isNaN(total) ? 0 : read / total);
  };
  for (const document of documents) {
    const stream = tokenizer.encodeStream({ ordinary: true });
    for await (const text of readText(await document.open(), { encoding, onBytes })) {
      bytes += encoder.encode(text).length;
      tokens += stream.push(text).length;
    }
    tokens += stream.end().length;
  }
  if (tokens === 0) throw new InputError(`${inputs.join(", ")}: the text is empty. Give a text to compare on.`);
  return { tokens, bytesPerToken: bytes / tokens };
}

const count = (n: number) => n.toLocaleString("en-US");
