import type { Command } from "commander";
import { trainOptions } from "../../train/settings.ts";
import { examples, headerlessOption } from "../options/common.ts";
import { numeric, output } from "../options/values.ts";
import type { DebugStateFlags } from "./run.ts";

export function addDebugState(program: Command): void {
  const { batch, block } = trainOptions;
  program
    .command("debug-state")
    .summary("write a debug state: logits, loss and gradients of a model")
    .description(
      "Writes logits, loss and gradients of a model for the first batch of a token file: what llm-ts verify and llm.c's " +
        "test_gpt2 compare with. Computed by the reference backend, in double-precision sums: slow.",
    )
    .requiredOption("-e, --model <file>", "a model file, or a run folder: its newest model")
    .requiredOption("-i, --train <file>", "a token file, or a folder that prepare wrote")
    .requiredOption("--out <file>", "the file to write, like gpt2_124M_debug_state.bin", output)
    .option("-b, --batch <n>", "sequences in the batch", numeric(batch), batch.default)
    .option("-t, --block <n>", "tokens in a sequence", numeric(block), block.default)
    .addOption(headerlessOption())
    .addHelpText(
      "after",
      examples([
        "llm.c's own batch: some minutes",
        "llm-ts debug-state --model gpt2_124M.bin --train tiny_shakespeare_val.bin --out gpt2_124M_debug_state.bin",
      ]),
    )
    .action(async (flags: DebugStateFlags) => {
      const { debugState } = await import("./run.ts");
      await debugState(flags);
    });
}
