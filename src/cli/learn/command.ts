import type { Command } from "commander";
import { examples } from "../options/common.ts";
import { output, whole } from "../options/values.ts";
import type { LearnFlags } from "./run.ts";

export function addLearn(program: Command): void {
  program
    .command("learn")
    .summary("exercises: write GPT-2's layers yourself, and have them checked")
    .description(
      "Writes sixteen files into a folder, each a function of GPT-2 to fill in: its layers, their gradients, the update, a " +
        "training step of all of them, and a fast matmul. Files that are there stay as they are.",
    )
    .argument("<folder>", "where the exercises are, or will be", output)
    .option("--check", "run those that you worked on, up to the first that is wrong, and say which is next")
    .option("--watch", "check again whenever a file is saved, until Ctrl-C")
    .option("--hint [n]", "a hint for the one at which --check ends; with 2, 3, … the next ones", whole(1, 9))
    .option("--train [steps]", "train the small model on Shakespeare with your own functions", whole(1, 100000))
    .addHelpText(
      "after",
      `
Each function runs in a thread of its own, ten seconds at most, on small random numbers of odd sizes, and its results are compared
with the right ones within rounding; the last one also at the size that is measured, for two minutes at most. docs/learn
explains the same layers, chapter by chapter.
${examples(
  ["write the exercises", "llm-ts learn my-gpt2"],
  ["check whenever you save", "llm-ts learn my-gpt2 --watch"],
  ["the second hint", "llm-ts learn my-gpt2 --hint 2"],
)}`,
    )
    .action(async (folder: string, flags: LearnFlags) => {
      const { runLearn } = await import("./run.ts");
      await runLearn(folder, flags);
    });
}
