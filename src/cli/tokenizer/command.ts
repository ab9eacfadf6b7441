import { type Command, Option } from "commander";
import { examples } from "../options/common.ts";
import { typedOptions } from "../options/typed.ts";
import { output, whole } from "../options/values.ts";
import type { CompareFlags, TrainTokenizerFlags } from "./run.ts";

export function addTokenizer(program: Command): void {
  const tokenizer = program
    .command("tokenizer")
    .helpCommand(false)
    .summary("train a vocabulary on your own text, or compare some")
    .description("Trains a byte-level BPE on texts, or compares how few tokens different tokenizers need for a text.")
    .addHelpText(
      "after",
      examples(
        ["a vocabulary of 8,192 tokens from a book", "llm-ts tokenizer train book.txt --vocab 8192 -o data/book-bpe"],
        ["how it compares with GPT-2's", "llm-ts tokenizer compare book.txt -t data/book-bpe -t gpt2"],
      ),
    );
  addTrain(tokenizer);
  addCompare(tokenizer);
}

function addTrain(tokenizer: Command): void {
  tokenizer
    .command("train")
    .summary("train a byte-level BPE on texts")
    .description(
      "Trains a byte-level BPE vocabulary: of all pairs of neighbouring tokens, the most frequent becomes a token, again " +
        "and again. The merges are those that Hugging Face's tokenizers find. Writes tokenizer.json, tokenizer_config.json, " +
        "vocab.json with merges.txt, and llm.c's tokenizer.bin.",
    )
    .argument("<text...>", 'tinyshakespeare, files, folders, .jsonl, .parquet, or "-" for standard input')
    .requiredOption(
      "--vocab <n>",
      "tokens of the vocabulary, the 256 bytes and special ones included",
      whole(257, 1 << 20),
    )
    .option("-o, --out <folder>", "where to write (default: a folder in data/, named after text and size)", output)
    .addOption(
      new Option("--pattern <name>", "split of the text, over which no token reaches: GPT-2's, or GPT-4's")
        .choices(["gpt2", "gpt4"])
        .default("gpt2"),
    )
    .option(
      "--special <token...>",
      "tokens that are never made of text; the first ends a text (default: <|endoftext|>)",
    )
    .option("--min-frequency <n>", "how often a pair must occur to become a token", whole(1), 2)
    .option("--encoding <name>", "of the texts and .jsonl: gb18030, shift_jis, utf-16, … (default: utf-8)")
    .option("--field <name>", "of .jsonl and .parquet: the field that holds the text", "text")
    .option("--json", "print what was written as JSON")
    .addHelpText(
      "after",
      examples(
        ["from all texts of a folder", "llm-ts tokenizer train books/ --vocab 8192"],
        ["then data in its tokens, and a model", "llm-ts prepare books/ --tokenizer data/books-bpe8192"],
        ["both in one", "llm-ts prepare books/ --tokenizer bpe:8192"],
      ),
    )
    .action(async (inputs: readonly string[], flags: TrainTokenizerFlags, command: Command) => {
      const { train } = await import("./run.ts");
      await train(inputs, flags, typedOptions(command));
    });
}

function addCompare(tokenizer: Command): void {
  tokenizer
    .command("compare")
    .summary("compare how few tokens tokenizers need for a text")
    .description("Prints for each tokenizer how many tokens a text has in it, and how many bytes a token stands for.")
    .argument("<text...>", "tinyshakespeare, files, or folders")
    .option(
      "-t, --tokenizer <name...>",
      "gpt2, byte, a tokenizer's file (.bin, .json), or a model, a run or data with one beside it",
      ["gpt2", "byte"],
    )
    .option("--encoding <name>", "of the texts (default: utf-8)")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      examples(["your own beside GPT-2's", "llm-ts tokenizer compare book.txt -t data/book-bpe8192 gpt2"]),
    )
    .action(async (inputs: readonly string[], flags: CompareFlags) => {
      const { compare } = await import("./run.ts");
      await compare(inputs, flags);
    });
}
