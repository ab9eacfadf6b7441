import { parse } from "node:path";
import type { Command } from "commander";
import { Option } from "commander";
import type { Dataset } from "../../data/dataset.ts";
import type { PrepareOptions, PrepareProgress } from "../../data/prepare.ts";
import { InputError, UsageError } from "../../errors.ts";
import { Interrupt } from "../interrupt.ts";
import { examples } from "../options/common.ts";
import { tokenizerNamed } from "../options/tokenizer.ts";
import { real, whole } from "../options/values.ts";
import { print, say } from "../output.ts";
import { suggestion } from "../suggest.ts";

interface PrepareFlags {
  readonly out?: string;
  readonly tokenizer: string;
  readonly valFraction?: number;
  readonly field: string;
  readonly encoding?: string;
  readonly shardTokens: number;
  readonly threads?: number;
  readonly json?: boolean;
}

export function addPrepare(program: Command): void {
  program
    .command("prepare")
    .summary("turn text into token files to train on")
    .description(
      "Turns text into the token files that training reads. tinyshakespeare is bundled: no network is needed. " +
        "Of a folder, all text files in it are taken, in order of their names. Of .jsonl and .parquet files one field is " +
        "the text; each line or row is a document. A folder holds the one or the other.",
    )
    .argument(
      "<text...>",
      'tinyshakespeare, tinystories, fineweb, hellaswag, files, folders, or "-" for standard input',
    )
    .option("-o, --out <folder>", "where to write (default: a folder in data/, named after the text)")
    .addOption(
      new Option(
        "--tokenizer <name>",
        "gpt2, char (one token a character), byte, or that of a model, a run, data, or a tokenizer's file (.bin, .json)",
      ).default("gpt2"),
    )
    .option(
      "--val-fraction <share>",
      "share kept for validation, at the end; 0: none (default: 0.1; of .jsonl and .parquet 0.01, every 100th document)",
      real(0, 0.999999),
    )
    .option(
      "--encoding <name>",
      "of the texts and .jsonl: gb18030, shift_jis, utf-16, windows-1252, … (default: utf-8)",
    )
    .option("--field <name>", "of .jsonl and .parquet: the field that holds the text", "text")
    .option(
      "--shard-tokens <n>",
      "of .jsonl, .parquet and fineweb: tokens of a file",
      whole(2, 2 ** 31 - 1),
      100_000_000,
    )
    .option("--threads <n>", "of the same: threads that encode (default: all cores)", whole(1, 256))
    .option("--json", "print what was written as JSON")
    .addHelpText(
      "after",
      `
tinystories, fineweb (10 billion tokens, 28 GB to download) and hellaswag come from the Hugging Face hub and get the
names that llm.c's scripts give them. From .jsonl, .parquet and these, an end-of-text token stands before each document.
Their files do not depend on the number of threads; when the same command was cut, it goes on behind the shards that it
had finished.
${examples(
  ["llm.c's tiny Shakespeare, byte for byte", "llm-ts prepare tinyshakespeare"],
  ["the same text in characters, for a small model", "llm-ts prepare tinyshakespeare --tokenizer char -o chars"],
  ["a book of your own", "llm-ts prepare book.txt --out data/book"],
  [
    "another text for a model that is there, in its own tokens",
    "llm-ts prepare more.txt --tokenizer runs/baby-001 -o more",
  ],
  ["whatever another program prints", "zcat books.gz | llm-ts prepare - --out data/books"],
  [
    "documents in .jsonl, in shards of 10 million tokens",
    "llm-ts prepare docs.jsonl --field body --shard-tokens 10000000",
  ],
  ["llm.c's HellaSwag file", "llm-ts prepare hellaswag -o data"],
)}`,
    )
    .action(prepare);
}

async function prepare(inputs: readonly string[], flags: PrepareFlags): Promise<void> {
  new Interrupt();
  await refuseRuns(inputs);
  const { requireEncoding } = await import("../../data/text.ts");
  if (flags.encoding !== undefined) requireEncoding(flags.encoding);
  try {
    await prepareInputs(inputs, flags);
  } catch (error) {
    const { advised } = await import("../options/data.ts");
    throw await advised(error, process.argv.slice(2), true);
  }
}

async function prepareInputs(inputs: readonly string[], flags: PrepareFlags): Promise<void> {
  if (await prepareDataset(inputs, flags)) return;
  const { prepareText, prepareTinyshakespeare } = await import("../../data/prepare.ts");
  const bundled = inputs.length === 1 && inputs[0] === "tinyshakespeare";
  const folder = flags.out ?? `data/${nameOf(inputs)}`;
  const progress = await progressBar();
  const { valFraction, encoding } = flags;
  const tokenizer = flags.tokenizer === "char" ? "char" : await tokenizerNamed(flags.tokenizer);
  const options: PrepareOptions = { tokenizer, valFraction, encoding, onProgress: progress.update };
  try {
    const dataset = await (bundled ? prepareTinyshakespeare(folder, options) : prepareText(inputs, folder, options));
    progress.stop();
    await print(flags.json ? `${JSON.stringify({ folder, ...dataset })}\n` : summary(folder, dataset));
  } finally {
    progress.stop();
  }
}

/** InputError for folders that hold no text but a training run. */
async function refuseRuns(inputs: readonly string[]): Promise<void> {
  const { platform } = await import("#platform");
  const kinds = await Promise.all(inputs.map((input) => platform.pathKind(input)));
  const folders = inputs.filter((_, at) => kinds[at] === "folder");
  if (folders.length === 0) return;
  const { holdsRun } = await import("../../runs/read-run.ts");
  for (const input of folders)
    if (await holdsRun(input))
      throw new InputError(
        `${input} is the folder of a training run, and no text. Name files or folders with the text to prepare; llm-ts ` +
          "info tells what a file or folder is.",
      );
}

/** Data sets of documents with fields, if that is what the inputs name. */
async function prepareDataset(inputs: readonly string[], flags: PrepareFlags): Promise<boolean> {
  const folder = flags.out ?? `data/${nameOf(inputs)}`;
  const name = inputs.length === 1 ? inputs[0] : "";
  if (name === "tinyshakespeare") return false;
  const isNamed = ["tinystories", "fineweb", "hellaswag"].includes(name);
  const files = isNamed ? [] : await itemFiles(inputs);
  if (!isNamed && files.length === 0) return false;
  const items = await import("./items.ts");
  if (flags.tokenizer === "char")
    throw new UsageError(
      `${inputs.join(", ")}: documents with fields are encoded with tokens that are known before, not with char, whose ` +
        "characters are known at the end. Give --tokenizer byte or gpt2, or the tokenizer of a model or of other data.",
    );
  const tokenizer = await tokenizerNamed(flags.tokenizer);
  if (name === "hellaswag") {
    const file = await items.prepareHellaSwag(folder, tokenizer);
    await print(flags.json ? `${JSON.stringify({ folder, file })}\n` : `${file}\n`);
    return true;
  }
  const named: Readonly<Record<string, typeof items.prepareFineweb>> = {
    fineweb: items.prepareFineweb,
    tinystories: items.prepareTinyStories,
  };
  const options = { ...flags, tokenizer };
  const own = () => items.prepareOwnItems(inputs.join(", "), files, folder, options);
  const dataset = await (named[name]?.(folder, options) ?? own());
  await print(flags.json ? `${JSON.stringify({ folder, ...dataset })}\n` : summary(folder, dataset));
  return true;
}

/** The .jsonl and .parquet files that arguments name; UsageError when there are plain texts as well. */
async function itemFiles(inputs: readonly string[]): Promise<readonly string[]> {
  const { findInputs } = await import("../../data/documents.ts");
  const { texts, items, leftOut } = await findInputs(inputs);
  if (leftOut.length > 0) say(`left out, as they are no texts: ${listed(leftOut)}`);
  if (items.length === 0 || texts.length === 0) return items;
  throw new UsageError(
    `${items[0]} holds documents with fields, and ${texts[0].name} is a plain text. Prepare them apart, into different ` +
      `folders, as in ${suggestion("prepare", ...items.slice(0, 3), "-o", "data/documents")}`,
  );
}

/** The first names of a list, and how many more there are. */
function listed(names: readonly string[]): string {
  const shown = names.slice(0, 5).join(", ");
  return names.length > 5 ? `${shown} and ${names.length - 5} more` : shown;
}

/** book.txt, books/ and tinyshakespeare give their names; several texts, or those of standard input, have none. */
function nameOf(inputs: readonly string[]): string {
  const name = inputs.length === 1 ? parse(inputs[0]).name : "";
  return /^[^.*?-]/.test(name) ? name : "text";
}

function summary(folder: string, { train, val, tokenizer, vocabSize }: Dataset): string {
  const count = (n: number) => n.toLocaleString("en-US");
  const lines = [train, ...(val ? [val] : [])].map(({ file, tokens }) => `${folder}/${file}: ${count(tokens)} tokens`);
  const file = tokenizer === "huggingface" ? "tokenizer.json" : "tokenizer.bin";
  lines.push(`${folder}/${file}: ${tokenizer}, ${count(vocabSize)} tokens`);
  return `${lines.join("\n")}\n`;
}

/** A bar on standard error while text is read; nothing where standard error is no terminal. */
async function progressBar(): Promise<{ update: (progress: PrepareProgress) => void; stop: () => void }> {
  if (!process.stderr.isTTY) return { update: () => {}, stop: () => {} };
  const { default: cliProgress } = await import("cli-progress");
  const bar = new cliProgress.SingleBar({
    format: "{bar} {percentage}%  {megabytes} MB  {tokens} tokens  {eta_formatted} left",
    hideCursor: true,
    clearOnComplete: true,
  });
  let started = false;
  return {
    update({ bytesDone, bytesTotal, tokens }) {
      const payload = { megabytes: (bytesDone / 1e6).toFixed(0), tokens: tokens.toLocaleString("en-US") };
      if (!started) bar.start(bytesTotal ?? 0, bytesDone, payload);
      started = true;
      // Of standard input the end is unknown: the bar is always at it.
      if (bytesTotal === undefined) bar.setTotal(bytesDone);
      bar.update(bytesDone, payload);
    },
    stop: () => bar.stop(),
  };
}
