import { type Command, Option } from "commander";
import { examples } from "../options/common.ts";
import { typedOptions } from "../options/typed.ts";
import { output, real, whole } from "../options/values.ts";
import type { PrepareFlags } from "./run.ts";

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
    .option("-o, --out <folder>", "where to write (default: a folder in data/, named after the text)", output)
    .option("--chat", "of .jsonl: conversations, of which the assistant's turns are learned")
    .option("--chat-template <file>", "with --chat: a Jinja template (default: the tokenizer's own, else ChatML)")
    .addOption(
      new Option(
        "--tokenizer <name>",
        "gpt2, char (one token a character), byte, bpe:8192 (trained on the text, of so many tokens), or that of a model, a " +
          "run, data, or a tokenizer's file (.bin, .json)",
      ).default("gpt2"),
    )
    .option(
      "--val-fraction <share>",
      "share kept for validation, at the end; 0: none (default: 0.1; of .jsonl and .parquet 0.01, every 100th document; with --chat every 10th conversation)",
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
Their files do not depend on the number of threads; an interrupted command, started again, resumes behind its
last finished shard.

With --chat each line is a conversation: {"messages": [{"role": "user", "content": …}, {"role": "assistant", …}]}, as OpenAI
has it, or {"conversations": [{"from": "human", "value": …}, {"from": "gpt", …}]}, as ShareGPT. A system prompt may come first.
Turns are marked by special tokens; a loss mask beside the token file lets a model learn the assistant's turns alone. smalltalk
is bundled.
${examples(
  ["llm.c's tiny Shakespeare, byte for byte", "llm-ts prepare tinyshakespeare"],
  ["the same text in characters, for a small model", "llm-ts prepare tinyshakespeare --tokenizer char -o chars"],
  ["a book of your own", "llm-ts prepare book.txt --out data/book"],
  ["the same in a vocabulary of its own", "llm-ts prepare book.txt --tokenizer bpe:8192 --out data/book-bpe"],
  [
    "another text for an existing model, in its own tokens",
    "llm-ts prepare more.txt --tokenizer runs/baby-001 -o more",
  ],
  ["the output of another program", "zcat books.gz | llm-ts prepare - --out data/books"],
  [
    "documents in .jsonl, in shards of 10 million tokens",
    "llm-ts prepare docs.jsonl --field body --shard-tokens 10000000",
  ],
  [
    "conversations to learn, and then to chat",
    "llm-ts prepare conversations.jsonl --chat --tokenizer bpe:4096 -o data/chat",
  ],
  ["llm.c's HellaSwag file", "llm-ts prepare hellaswag -o data"],
)}`,
    )
    .action(async (inputs: readonly string[], flags: PrepareFlags, command: Command) => {
      const { prepare } = await import("./run.ts");
      await prepare(inputs, flags, typedOptions(command));
    });
}
