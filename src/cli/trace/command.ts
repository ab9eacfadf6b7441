import type { Command } from "commander";
import { trainOptions } from "../../train/settings.ts";
import { examples, headerlessOption } from "../options/common.ts";
import { addUpdateOptions } from "../options/update.ts";
import { numeric, output } from "../options/values.ts";
import type { TraceFlags } from "./run.ts";

export function addTrace(program: Command): void {
  const { block } = trainOptions;
  const command = program
    .command("trace")
    .summary("write one training step, tensor by tensor, for a port to compare with")
    .description(
      "Writes one training step of a model for the first batch of a token file: weights, every activation, every gradient, " +
        "AdamW's moments and the updated weights, by name, as safetensors; beside it a JSON of names, shapes, order, and how " +
        "each tensor is computed. By the reference backend, in double-precision sums: slow.",
    )
    .requiredOption("-e, --model <file>", "a model file, or a run folder: its newest model")
    .requiredOption("-i, --data <file>", "a token file, or a folder that prepare wrote")
    .requiredOption("--out <file>", "the file to write, like trace.safetensors; the JSON is trace.json then", output)
    .option("-b, --batch <n>", "sequences in the batch", numeric(trainOptions.batch), 2)
    .option("-t, --block <n>", "tokens in a sequence", numeric(block), 8)
    .addOption(headerlessOption());
  addUpdateOptions(command)
    .addHelpText(
      "after",
      `
llm-ts verify --trace compares what another program computes. docs/learn/port.md shows how to write one.
${examples(["a step of your own model", "llm-ts trace --model runs/baby-001 --data data/tinyshakespeare -b 2 -t 8 --out trace.safetensors"])}`,
    )
    .action(async (flags: TraceFlags) => {
      const { runTrace } = await import("./run.ts");
      await runTrace(flags);
    });
}
