import type { Command } from "commander";
import { addBackendOptions } from "../options/backend.ts";
import { examples } from "../options/common.ts";
import { reals } from "../options/values.ts";
import type { VerifyFlags } from "./run.ts";

export function addVerify(program: Command): void {
  const command = program
    .command("verify")
    .summary("check a model's numbers against a debug state")
    .description(
      "Checks that logits, loss and every gradient are those of a debug state, then takes ten AdamW steps: llm.c's " +
        "test_gpt2.",
    )
    .requiredOption("-e, --model <file>", "a model file, like gpt2_124M.bin")
    .requiredOption("--state <file>", "its debug state, like gpt2_124M_debug_state.bin")
    .option("--losses <list>", "expected losses of the ten steps (default: those of GPT-2 124M)", reals(10))
    .option("--json", "one JSON object with all differences");
  addBackendOptions(command)
    .addHelpText(
      "after",
      `
Two right programs differ by rounding. Allowed are 1e-4 for logits, 1e-5 for the loss and 1e-4 of a tensor's largest
value for its gradient, more in proportion where logits exceed 10, and 1e-3 for the losses of the ten steps.
Exit code 0 when all is okay, 1 when not.
${examples(["llm.c's own test", "llm-ts verify --model gpt2_124M.bin --state gpt2_124M_debug_state.bin"])}`,
    )
    .action(async (flags: VerifyFlags) => {
      const { runVerify } = await import("./run.ts");
      await runVerify(flags);
    });
}
