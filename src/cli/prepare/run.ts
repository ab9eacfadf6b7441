import { SingleBar } from "cli-progress";
import { platform } from "#platform";
import { type Dataset, readDatasetFile } from "../../data/dataset.ts";
import { requirePlace } from "../../data/dataset-writer.ts";
import {
  type PrepareOptions,
  type PrepareProgress,
  prepareText,
  prepareTinyshakespeare,
  shakespeareNames,
  textNames,
} from "../../data/prepare.ts";
import { prepareChat, smallTalk } from "../../data/prepare-chat.ts";
import { patternsOf } from "../../data/prepare-items.ts";
import { requireEncoding } from "../../data/text.ts";
import { InputError, UsageError } from "../../errors.ts";
import { readSmallText } from "../../format/source.ts";
import { holdsRun } from "../../runs/run-config.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { Interrupt } from "../interrupt.ts";
import { advised } from "../options/data.ts";
import { tokenizerNamed } from "../options/tokenizer.ts";
import { refuseIdle, type Typed } from "../options/typed.ts";
import { print, say } from "../output.ts";
import { suggestion } from "../suggest.ts";
import { trainShown } from "../tokenizer/run.ts";
import { itemFiles, nameOfTexts } from "./inputs.ts";
import { ownOutputs, prepareFineweb, prepareHellaSwag, prepareOwnItems, prepareTinyStories } from "./items.ts";

/** The options of `llm-ts prepare`. */
export interface PrepareFlags {
  readonly out?: string;
  readonly tokenizer: string;
  readonly valFraction?: number;
  readonly field: string;
  readonly encoding?: string;
  readonly shardTokens: number;
  readonly chat?: boolean;
  readonly chatTemplate?: string;
  readonly threads?: number;
  readonly json?: boolean;
}

export async function prepare(inputs: readonly string[], flags: PrepareFlags, typed: Typed): Promise<void> {
  new Interrupt();
  await refuseRuns(inputs);
  if (flags.encoding !== undefined) requireEncoding(flags.encoding);
  try {
    await prepareInputs(inputs, flags, typed);
  } catch (error) {
    throw await advised(error, process.argv.slice(2), true);
  }
}

/** Options that are about documents with fields alone. */
const ofItems = ["field", "shardTokens", "threads"];

async function prepareInputs(inputs: readonly string[], flags: PrepareFlags, typed: Typed): Promise<void> {
  if (flags.chat) {
    refuseIdle(typed, ofItems, "with --chat, conversations have their own fields, and become one file of tokens.");
    return prepareConversations(inputs, flags);
  }
  if (flags.chatTemplate !== undefined) throw new UsageError("--chat-template is for conversations: add --chat.");
  if (inputs.includes(smallTalk) && (await platform.pathKind(smallTalk)) === undefined)
    throw new UsageError(
      `${smallTalk} is conversations: add --chat, as in ${suggestion("prepare", "--chat", smallTalk, "--tokenizer", "bpe:512", "-o", "data/smalltalk")}`,
    );
  if (await prepareDataset(inputs, flags, typed)) return;
  refuseIdle(typed, ofItems, `${inputs.join(", ")} is plain text, which has no fields and becomes one file of tokens.`);
  const bundled = inputs.length === 1 && inputs[0] === "tinyshakespeare";
  if (bundled) refuseIdle(typed, ["encoding"], "tinyshakespeare is bundled.");
  const folder = flags.out ?? `data/${nameOfTexts(inputs)}`;
  const { valFraction, encoding } = flags;
  const { train, val } = bundled ? shakespeareNames : textNames;
  const names = valFraction === 0 ? [train] : [train, val];
  const tokenizer = flags.tokenizer === "char" ? "char" : await tokenizerFor(inputs, flags, { folder, names });
  const progress = progressBar();
  const options: PrepareOptions = { tokenizer, valFraction, encoding, onProgress: progress.update };
  try {
    await report(folder, flags, async () => {
      const dataset = await (bundled ? prepareTinyshakespeare(folder, options) : prepareText(inputs, folder, options));
      progress.stop();
      return dataset;
    });
  } finally {
    progress.stop();
  }
}

/** Where a data set is to be written, and the names of its files, or patterns. */
interface Place {
  readonly folder: string;
  readonly names: readonly string[];
}

/** The tokenizer that `--tokenizer` names; bpe:8192 is trained on the texts first, which takes long: `place` is checked before. */
async function tokenizerFor(
  inputs: readonly string[],
  { tokenizer, encoding, field }: PrepareFlags,
  { folder, names }: Place,
): Promise<Tokenizer> {
  const vocabSize = bpeSize(tokenizer, inputs);
  if (vocabSize === undefined) return tokenizerNamed(tokenizer);
  await requirePlace(folder, names);
  const { tokenizer: trained } = await trainShown(inputs, { vocabSize, encoding, field });
  return trained;
}

/** The size in bpe:8192; undefined for other tokenizers. */
function bpeSize(tokenizer: string, inputs: readonly string[]): number | undefined {
  if (!tokenizer.startsWith("bpe:")) return undefined;
  const vocabSize = Number(tokenizer.slice("bpe:".length) || Number.NaN);
  if (!Number.isInteger(vocabSize))
    throw new UsageError(
      `--tokenizer ${tokenizer}: expected the size of a vocabulary behind the colon, as in bpe:8192.`,
    );
  if (inputs.includes("-"))
    throw new UsageError(
      `--tokenizer ${tokenizer} reads the text twice, to train the tokenizer and to encode, and standard input can be read ` +
        "once. Save the text in a file first.",
    );
  return vocabSize;
}

/** Conversations, of which the assistant's turns are learned. */
async function prepareConversations(inputs: readonly string[], flags: PrepareFlags): Promise<void> {
  const { valFraction, encoding, chatTemplate: name } = flags;
  if (flags.tokenizer === "char" || flags.tokenizer === "byte")
    throw new UsageError(
      `${flags.tokenizer === "char" ? "Characters" : "Bytes"} have no special tokens, which mark the turns of a conversation. Give ` +
        "--tokenizer bpe:1024, or gpt2.",
    );
  const folder = flags.out ?? `data/${nameOfTexts(inputs)}`;
  const tokenizer = bpeSize(flags.tokenizer, inputs) ?? (await tokenizerNamed(flags.tokenizer));
  const template = name === undefined ? undefined : { source: await readSmallText(name), name };
  const progress = progressBar();
  try {
    const options = { tokenizer, template, valFraction, encoding, onProgress: progress.update };
    await report(folder, flags, async () => {
      const dataset = await prepareChat(inputs, folder, options);
      progress.stop();
      return dataset;
    });
  } finally {
    progress.stop();
  }
}

/** InputError for folders that hold no text but a training run. */
async function refuseRuns(inputs: readonly string[]): Promise<void> {
  const kinds = await Promise.all(inputs.map((input) => platform.pathKind(input)));
  const folders = inputs.filter((_, at) => kinds[at] === "folder");
  if (folders.length === 0) return;
  for (const input of folders)
    if (await holdsRun(input))
      throw new InputError(
        `${input} is the folder of a training run, and no text. Name files or folders with the text to prepare; llm-ts ` +
          "info describes a file or folder.",
      );
}

/** Options that do nothing for data sets of the hub. */
const idleOptions: Readonly<Record<string, readonly string[]>> = {
  tinystories: ["valFraction", "encoding", "field", "shardTokens"],
  fineweb: ["valFraction", "encoding", "field"],
  hellaswag: ["valFraction", "encoding", ...ofItems],
};

/** Data sets of documents with fields, if that is what the inputs name. */
async function prepareDataset(inputs: readonly string[], flags: PrepareFlags, typed: Typed): Promise<boolean> {
  const folder = flags.out ?? `data/${nameOfTexts(inputs)}`;
  const name = inputs.length === 1 ? inputs[0] : "";
  if (name === "tinyshakespeare") return false;
  const isNamed = ["tinystories", "fineweb", "hellaswag"].includes(name);
  const files = isNamed ? [] : await itemFiles(inputs);
  if (!isNamed && files.length === 0) return false;
  refuseIdle(typed, idleOptions[name] ?? [], `${name} is read and divided as llm.c does it.`);
  if (flags.tokenizer === "char")
    throw new UsageError(
      `${inputs.join(", ")}: documents with fields are encoded with tokens that are known before, not with char, whose ` +
        "characters are known at the end. Give --tokenizer byte or gpt2, or the tokenizer of a model or of other data.",
    );
  const names = patternsOf(ownOutputs);
  const tokenizer = await (isNamed ? tokenizerNamed(flags.tokenizer) : tokenizerFor(inputs, flags, { folder, names }));
  if (name === "hellaswag") {
    const file = await prepareHellaSwag(folder, tokenizer);
    await print(flags.json ? `${JSON.stringify({ folder, file })}\n` : `${file}\n`);
    return true;
  }
  const named: Readonly<Record<string, typeof prepareFineweb>> = {
    fineweb: prepareFineweb,
    tinystories: prepareTinyStories,
  };
  const options = { ...flags, tokenizer };
  const own = () => prepareOwnItems(inputs.join(", "), files, folder, options);
  await report(folder, flags, () => named[name]?.(folder, options) ?? own());
  return true;
}

/** Prints what `make` has written into a folder, and on standard error which other data set that replaced. */
async function report(folder: string, { json }: PrepareFlags, make: () => Promise<Dataset>): Promise<void> {
  // One that is damaged is for `make` to refuse.
  const earlier = await readDatasetFile(folder).catch(() => undefined);
  const dataset = await make();
  if (earlier && JSON.stringify(earlier) !== JSON.stringify(dataset))
    say(
      `${folder}: replaced the data set that was prepared there from ${earlier.source} (${earlier.tokenizer}, ` +
        `${earlier.vocabSize.toLocaleString("en-US")} tokens)`,
    );
  await print(json ? `${JSON.stringify({ folder, ...dataset })}\n` : summary(folder, dataset));
}

function summary(folder: string, { train, val, tokenizer, vocabSize }: Dataset): string {
  const count = (n: number) => n.toLocaleString("en-US");
  const lines = [train, ...(val ? [val] : [])].map(
    ({ file, tokens, learned }) =>
      `${folder}/${file}: ${count(tokens)} tokens${learned === undefined ? "" : `, of which ${count(learned)} are learned`}`,
  );
  const file = tokenizer === "huggingface" ? "tokenizer.json" : "tokenizer.bin";
  lines.push(`${folder}/${file}: ${tokenizer}, ${count(vocabSize)} tokens`);
  return `${lines.join("\n")}\n`;
}

/** A bar on standard error while text is read; nothing where standard error is no terminal. */
function progressBar(): { update: (progress: PrepareProgress) => void; stop: () => void } {
  if (!process.stderr.isTTY) return { update: () => {}, stop: () => {} };
  const bar = new SingleBar({
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
