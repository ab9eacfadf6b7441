import { type Command, InvalidArgumentError, Option } from "commander";
import { addBackendOptions } from "../options/backend.ts";
import { adapterOption, examples, weightsOption } from "../options/common.ts";
import { addSamplingOptions } from "../options/sampling.ts";
import { anyText, whole } from "../options/values.ts";

const notes = `
A text ends after --tokens, at a stop string, or where the model writes end-of-text.
A model sees as many tokens as it has positions (GPT-2: 1024). Of a longer prompt it sees the end; and when its
positions are full while it writes, it drops the older half and continues.
Where a model has no tokenizer, prompt and text are token ids.
With --interactive, a pipe's lines are as those of a person; where a line failed, the exit code is 1.
`;

import type { GenerateFlags } from "./run.ts";

export function addGenerate(program: Command): void {
  const command = program
    .command("generate")
    .summary("write text with a model")
    .description("Writes text with a model, token by token. A prompt is continued; without one a new text begins.")
    .argument("[prompt]", 'text to continue; "-" to read it from standard input', anyText)
    .option(
      "-e, --model <file>",
      "a model file, a folder of a run or a download, or gpt2, gpt2-medium, … (default: the newest run in runs/)",
    )
    .option("-i, --interactive", "write, continue, retry and change settings by commands; /help lists them")
    .option("-g, --tokens <n>", "tokens to write", whole(0), 256);
  addSamplingOptions(command, 1)
    .addOption(
      new Option("--stop <text>", "end the text before this string; can be given several times")
        .argParser(several)
        .default([], "none"),
    )
    .option("--past-end", "continue after end-of-text")
    .option("--seed <n>", "of sampling: the same seed generates the same text", whole(0), 1337)
    .option("-n, --samples <n>", "write several texts together; number i is what seed + i - 1 writes", whole(1), 1)
    .option("--llmc-sampling", "sample as llm.c does, recomputing all positions for each token: slow")
    .addOption(weightsOption())
    .addOption(adapterOption())
    .option("--json", "one JSON object a sample: its text and tokens, and how probable each token was")
    .option("--logprobs <k>", "with --json: the k most probable tokens at each position too", whole(0, 1000));
  addBackendOptions(command)
    .addHelpText(
      "after",
      notes +
        examples(
          ["with the model of a run", 'llm-ts generate "ROMEO:" --model runs/baby-001'],
          ["less random", 'llm-ts generate "The sea" --model gpt2_124M.bin --temperature 0.8 --top-k 40'],
          ["with GPT-2, which is downloaded once", 'llm-ts generate "The sea" --model gpt2'],
          [
            "with weights of 8 bits: quicker, in a quarter of the memory",
            'llm-ts generate "The sea" --model gpt2 --weights int8',
          ],
          ["fine-tuned with PEFT, by LoRA", 'llm-ts generate "The sea" --model gpt2 --adapter my-lora'],
          ["continue a file", "llm-ts generate - --model gpt2_124M.bin < poem.txt"],
          ["one paragraph, four times", String.raw`llm-ts generate "The sea" --model gpt2 --stop $'\n\n' -n 4`],
          ["interactively", "llm-ts generate --interactive --model gpt2"],
          ["the alternatives at each token", 'llm-ts generate "The sea" --model gpt2 -g 5 --json --logprobs 3'],
        ),
    )
    .action(async (prompt: string | undefined, flags: GenerateFlags) => {
      const { generate } = await import("./run.ts");
      await generate(prompt, flags);
    });
}

function several(text: string, previous: readonly string[]): readonly string[] {
  if (text === "") throw new InvalidArgumentError("Expected at least one character.");
  return [...previous, text];
}
