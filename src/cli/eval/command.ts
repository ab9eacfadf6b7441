import type { Command } from "commander";
import { addBackendOptions } from "../options/backend.ts";
import { adapterOption, examples, headerlessOption, weightsOption } from "../options/common.ts";
import { addGroupOptions } from "../options/group.ts";
import { typedOptions } from "../options/typed.ts";
import { whole } from "../options/values.ts";
import type { EvalFlags } from "./run.ts";

export function addEval(program: Command): void {
  const command = program
    .command("eval")
    .summary("score a model: loss, bits per byte, HellaSwag, LAMBADA")
    .description(
      "Scores a model on data of yours (loss, perplexity, bits per byte), on HellaSwag and on LAMBADA. " +
        "HellaSwag and LAMBADA are downloaded from the Hugging Face hub, once, unless a file is named.",
    )
    .argument(
      "[data...]",
      "token files, folders that prepare wrote (their validation data), or texts (plain, .jsonl, .parquet)",
    )
    .requiredOption("-e, --model <file>", "a model file, a folder of a run or a download, or gpt2, gpt2-medium, …")
    .option("--hellaswag [file]", "llm.c's hellaswag_val.bin, or the original's .jsonl or .parquet")
    .option("--lambada [file]", 'a .jsonl or .parquet of texts (field "text"), of which the last word is predicted')
    .option("-t, --block <n>", "tokens that the model sees at once (default: all its positions)", whole(1))
    .option("--stride <n>", "tokens from one such window to the next (default: the block)", whole(1))
    .option("--limit <n>", "only the first n examples, or tokens of data", whole(1))
    .addOption(weightsOption())
    .addOption(adapterOption())
    .addOption(headerlessOption())
    .option("--encoding <name>", "of texts and .jsonl: gb18030, shift_jis, utf-16, windows-1252, … (default: utf-8)")
    .option("--field <name>", "of .jsonl and .parquet: the field that holds the text", "text")
    .option("--json", "one JSON object with all results");
  addGroupOptions(addBackendOptions(command))
    .addHelpText(
      "after",
      `
Every token of the data but the first of each file is scored exactly once. With a stride below the block, windows
overlap, and a token has at least block - stride tokens before it: better numbers, for block / stride times the work.
Bits per byte compare models of different tokenizers: all losses over the bytes of the text that the tokens stand for.

HellaSwag is scored as llm.c does: each of four endings by its tokens alone, by their sum (acc) and their mean
(acc_norm). Published are, over all 10,042 examples: GPT-2 124M 0.2859 and 0.2955, GPT-2 XL 0.3842 and 0.4893.
LAMBADA: a last word counts when each of its tokens is the most probable one.
${examples(
  ["the validation data of a run", "llm-ts eval data/tinyshakespeare --model runs/baby-001"],
  ["a text, with overlapping windows", "llm-ts eval book.txt --model gpt2 --stride 512"],
  ["what weights of 8 bits cost", "llm-ts eval data/tinyshakespeare --model runs/baby-001 --weights int8"],
  ["HellaSwag's first 1000 examples", "llm-ts eval --model gpt2 --hellaswag --limit 1000"],
  ["in four processes, each with a part of the examples", "mpirun -np 4 llm-ts eval --model gpt2 --hellaswag"],
  ["llm.c's file, and LAMBADA, as JSON", "llm-ts eval --model gpt2 --hellaswag hellaswag_val.bin --lambada --json"],
)}`,
    )
    .action(async (data: readonly string[], flags: EvalFlags, command: Command) => {
      const [{ inGroup }, { runEval }] = await Promise.all([import("../group.ts"), import("./run.ts")]);
      const group = { words: "eval …", command };
      await inGroup(flags, group, (member) => runEval(data, flags, member, typedOptions(command)));
    });
}
