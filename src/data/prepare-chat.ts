/** Conversations to token files with a loss mask: the assistant's turns are learned. */
import { platform } from "#platform";
import { InputError, shown, UsageError } from "../errors.ts";
import { sizeOf, withSource } from "../format/source.ts";
import { type OptionNames, requireOptions } from "../option-names.ts";
import { ChatFormat, type EncodedConversation, withChat } from "../tokenizer/chat.ts";
import { chatMl, marksIn } from "../tokenizer/chat-template.ts";
import { requireTokenizer, type Tokenizer } from "../tokenizer/tokenizer.ts";
import { type Conversation, conversationIn } from "./conversations.ts";
import type { Dataset } from "./dataset.ts";
import { filesNamed, requirePlace, type SplitWriters, writeDataset } from "./dataset-writer.ts";
import { type Document, findInputs, requireInputs } from "./documents.ts";
import { readJsonl } from "./jsonl.ts";
import { inMemory, type PrepareProgress, requireFraction, requirePlan } from "./prepare.ts";
import { tokenBytesOf } from "./tokenizer-files.ts";
import { trainTokenizer } from "./train-tokenizer.ts";

export interface PrepareChatOptions {
  /** One with special tokens, or GPT-2's, which gets them; or the size of a vocabulary to train on the conversations. */
  readonly tokenizer: Tokenizer | number;
  /** A Jinja template, with its name for messages. Default: the tokenizer's own, else ChatML. */
  readonly template?: { readonly source: string; readonly name: string };
  /** The share of the conversations, evenly among them, that is kept for validation; default 0.1. With 0 there is no val file. */
  readonly valFraction?: number;
  /** Encoding of the files, under a name that TextDecoder accepts; default UTF-8. */
  readonly encoding?: string;
  readonly onProgress?: (progress: PrepareProgress) => void;
}

const prepareChatOptions: OptionNames<PrepareChatOptions> = {
  tokenizer: true,
  template: true,
  valFraction: true,
  encoding: true,
  onProgress: true,
};

/** The name of the bundled conversations; their origin is in data/README.md. */
export const smallTalk = "smalltalk";
const smallTalkUrl = new URL("../../data/smalltalk.jsonl", import.meta.url);

/**
 * Turns conversations into train.bin and val.bin in `folder`, with loss masks (train.mask, val.mask), the tokenizer with its chat
 * template and dataset.json. Inputs are .jsonl files, folders and globs of them, "-" for standard input, and "smalltalk", which is
 * bundled. InputError, with the line, for a conversation that cannot be learned.
 */
export async function prepareChat(
  inputs: readonly string[],
  folder: string,
  options: PrepareChatOptions,
): Promise<Dataset> {
  requireOptions("prepareChat", options, prepareChatOptions);
  requireInputs("The conversations", inputs, false);
  requirePlan(folder, options);
  const { tokenizer: wanted, template, valFraction = 0.1, encoding, onProgress } = options;
  if (typeof wanted !== "number") requireTokenizer(wanted, "a number of tokens or ");
  requireFraction(valFraction);
  const isText = (value: unknown) => typeof value === "string" && value !== "";
  if (template !== undefined && !(isText(template?.source) && isText(template?.name)))
    throw new UsageError(`template is ${shown(template)}, expected an object with the texts source and name.`);
  const documents = await chatDocuments(inputs);
  const names = { train: "train.bin", ...(valFraction > 0 && { val: "val.bin" }), masked: true };
  await requirePlace(folder, filesNamed(names));
  const tokenizer = await chatTokenizer(documents, wanted, template, encoding);
  const format = await ChatFormat.of(tokenizer, template?.name);
  if (!format) throw new InputError("The tokenizer has no chat template.");
  return writeDataset(folder, names, tokenBytesOf(tokenizer), async (writers) => {
    const hash = await platform.sha256();
    const sizes = documents.map(({ size = Number.NaN }) => size).reduce((sum, size) => sum + size, 0);
    const total = Number.isNaN(sizes) ? undefined : sizes;
    let [bytes, count, tokens] = [0, 0, 0];
    const onBytes = (chunk: Uint8Array) => {
      hash.update(chunk);
      bytes += chunk.length;
    };
    for await (const conversation of conversations(documents, { encoding, onBytes })) {
      const isVal = Math.floor((count + 1) * valFraction) > Math.floor(count * valFraction);
      tokens += await write(writers, isVal ? "val" : "train", conversation, format);
      count++;
      if (count % 100 === 0) onProgress?.({ bytesDone: bytes, bytesTotal: total, tokens });
    }
    if (count === 0)
      throw new InputError(`${inputs.join(", ")}: there are no conversations. Name files that hold some.`);
    requireLearned(writers);
    const facts = { source: inputs.join(", "), sha256: hash.digest(), bytes, documents: count };
    return { facts, tokenizer };
  });
}

/** InputError for token files of which nothing is learned; one without tokens is refused as too short. */
function requireLearned({ train, val, masks }: SplitWriters): void {
  const refuse = (file: string, advice: string) =>
    new InputError(
      `${file} would hold no token that is learned: every assistant's message in it has "weight": 0. ${advice}`,
    );
  if (train.count > 0 && masks?.train.counted === 0) throw refuse("train.bin", "Give those to learn the weight 1.");
  if (val && val.count > 0 && masks?.val?.counted === 0)
    throw refuse("val.bin", "Give some of those kept for validation the weight 1, or keep none: --val-fraction 0.");
}

/** Writes a conversation and its mask; gives its number of tokens. */
async function write(
  writers: SplitWriters,
  split: "train" | "val",
  { name, messages, learned }: Conversation,
  format: ChatFormat,
): Promise<number> {
  for (const [i, { content }] of messages.entries()) {
    const mark = format.markIn(content);
    if (mark !== undefined)
      throw new InputError(
        `${name}: message ${i + 1} holds ${mark}, a special token: as text it would end or begin a turn. Write it otherwise, or leave ` +
          "this conversation out.",
      );
  }
  const { tokens, mask } = encoded(name, () => format.encode(messages, (i) => learned[i]));
  const { endOfText } = format.tokenizer;
  const isBorder = endOfText !== undefined && tokens[0] !== endOfText;
  const [all, marks] = isBorder ? [[endOfText, ...tokens], Uint8Array.of(0, ...mask)] : [tokens, mask];
  await writers[split]?.write(all);
  await writers.masks?.[split]?.write(marks);
  return all.length;
}

/** What `encode` makes of the conversation `name`, which its InputError names as well. */
function encoded(name: string, encode: () => EncodedConversation): EncodedConversation {
  try {
    return encode();
  } catch (error) {
    throw error instanceof InputError ? new InputError(`${name}: ${error.message}`, { cause: error }) : error;
  }
}

/** The tokenizer of conversations: with a chat template, and the special tokens of it. */
async function chatTokenizer(
  documents: readonly Document[],
  wanted: Tokenizer | number,
  template: PrepareChatOptions["template"],
  encoding: string | undefined,
): Promise<Tokenizer> {
  const { source = chatMl, name = "ChatML" } = template ?? {};
  if (typeof wanted !== "number")
    return !template && wanted.turnEnd !== undefined ? wanted : withChat(wanted, source, name);
  const end = "<|endoftext|>";
  const special = [end, ...marksIn(source).filter((mark) => mark !== end)];
  const texts = contentsOf(documents, encoding);
  const { tokenizer } = await trainTokenizer(texts, { vocabSize: wanted, special });
  return withChat(tokenizer, source, name);
}

async function* contentsOf(documents: readonly Document[], encoding: string | undefined): AsyncGenerator<string> {
  // Names of roles are words of nearly every template.
  for await (const { messages } of conversations(documents, { encoding }))
    for (const { role, content } of messages) yield* [role, content];
}

async function* conversations(
  documents: readonly Document[],
  options: { readonly encoding?: string; readonly onBytes?: (chunk: Uint8Array) => void },
): AsyncGenerator<Conversation> {
  for (const document of documents)
    for await (const item of readJsonl(await document.open(), options)) yield conversationIn(item);
}

async function chatDocuments(inputs: readonly string[]): Promise<readonly Document[]> {
  const found: Document[] = [];
  for (const input of inputs) {
    if (input === smallTalk && (await platform.pathKind(input)) === undefined) {
      const bytes = await withSource(smallTalkUrl, (source) => source.read(0, source.size));
      found.push({ name: smallTalk, size: bytes.length, open: async () => inMemory(smallTalk, bytes) });
      continue;
    }
    if (input === "tinyshakespeare" && (await platform.pathKind(input)) === undefined)
      throw new InputError(
        "tinyshakespeare is a text and no conversations. Prepare it without --chat; the bundled conversations are smalltalk.",
      );
    const { texts, items } = await findInputs([input]);
    const other = [...texts.map(({ name }) => name), ...items].find(
      (name) => name !== "standard input" && !/\.(jsonl|ndjson)$/i.test(name),
    );
    if (other !== undefined)
      throw new InputError(
        `${other} is no .jsonl file: conversations are objects with "messages", one a line. Convert it, or leave --chat out to train ` +
          "on its text.",
      );
    found.push(...texts);
    for (const path of items)
      found.push({ name: path, size: await sizeOf(path), open: () => platform.openStream(path) });
  }
  return found;
}
