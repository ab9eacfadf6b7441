import type { Command } from "commander";
import { addBackendOptions, type BackendFlags } from "./backend-options.ts";
import { examples } from "./examples.ts";
import { real, whole } from "./option-values.ts";

export interface GenerateFlags extends BackendFlags {
  readonly model: string;
  readonly tokens: number;
  readonly temperature: number;
  readonly topK: number;
  readonly topP: number;
  readonly seed: number;
  readonly json?: boolean;
}

export function addGenerate(program: Command): void {
  const command = program
    .command("generate")
    .summary("write text with a model")
    .description("Writes text with a model, token by token. A prompt is continued; without one a new text begins.")
    .argument("[prompt]", 'text to continue; "-" to read it from standard input')
    .requiredOption("-e, --model <file>", "a model file, a folder of a run or a download, or gpt2, gpt2-medium, …")
    .option("-g, --tokens <n>", "tokens to write", whole(0), 256)
    .option("--temperature <f>", "0: always the most probable token; above 1: wilder", real(0), 1)
    .option("--top-k <n>", "choose among the k most probable tokens only; 0: all", whole(0), 0)
    .option("--top-p <f>", "choose among the most probable that together reach this", real(0, 1), 1)
    .option("--seed <n>", "of the choice: the same seed writes the same text", whole(0), 1337)
    .option("--json", "one JSON object with the text and its tokens");
  addBackendOptions(command)
    .addHelpText(
      "after",
      examples(
        ["with the model of a run", 'llm-ts generate "ROMEO:" --model runs/baby-001'],
        ["calmer", 'llm-ts generate "The sea" --model gpt2_124M.bin --temperature 0.8 --top-k 40'],
        ["with GPT-2, which is downloaded once", 'llm-ts generate "The sea" --model gpt2'],
        ["continue a file", "llm-ts generate - --model gpt2_124M.bin < poem.txt"],
      ),
    )
    .action(async (prompt: string | undefined, flags: GenerateFlags) => {
      const { generate } = await import("./generate-run.ts");
      await generate(prompt, flags);
    });
}
