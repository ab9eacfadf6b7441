import type { Command } from "commander";
import { UsageError } from "../../errors.ts";
import { trainOptions } from "../../train/settings.ts";
import { addBackendOptions } from "../options/backend.ts";
import { examples, headerlessOption } from "../options/common.ts";
import { refuseIdle, typedOptions } from "../options/typed.ts";
import { addUpdateOptions, updateFlags } from "../options/update.ts";
import { numeric, reals } from "../options/values.ts";
import type { VerifyFlags } from "./run.ts";
import type { TraceVerifyFlags } from "./trace.ts";

type Flags = Omit<VerifyFlags & TraceVerifyFlags, "model" | "state" | "trace"> &
  Partial<Pick<VerifyFlags & TraceVerifyFlags, "model" | "state" | "trace">>;

/** Options of `--state` alone. */
const ofState = ["losses", "backend", "threads", "kernel", "blas", "revectorize"];
/** Options about the file of `--data`. */
const ofData = ["batch", "block", "headerless"];

export function addVerify(program: Command): void {
  const command = program
    .command("verify")
    .summary("check numbers: a model's against a debug state, a port's against a trace")
    .description(
      "Checks that logits, loss and every gradient are those of a debug state, then takes ten AdamW steps: llm.c's " +
        "test_gpt2. With --trace: compares the tensors that another program computed for one training step with the right " +
        "ones, in the order of computation, and names the first that deviates, with the likely reason.",
    )
    .option("-e, --model <file>", "a model file, like gpt2_124M.bin")
    .option("--state <file>", "its debug state, like gpt2_124M_debug_state.bin")
    .option("--losses <list>", "expected losses of the ten steps (default: those of GPT-2 124M)", reals(10))
    .option("--trace <file>", "another program's tensors, as safetensors; docs/learn/port.md says how they are called")
    .option("--expected <file>", "of --trace: a file of llm-ts trace in place of the model")
    .option("-i, --data <file>", "of --trace: the token file, where the dump has no tensors tokens and targets")
    .option("-b, --batch <n>", "of --data: sequences in the batch", numeric(trainOptions.batch), 2)
    .option("-t, --block <n>", "of --data: tokens in a sequence", numeric(trainOptions.block), 8)
    .option("--partial", "of --trace: tensors may be missing, as long as a port is not complete")
    .addOption(headerlessOption())
    .option("--json", "one JSON object with all differences");
  addUpdateOptions(command);
  addBackendOptions(command)
    .addHelpText(
      "after",
      `
Two right programs differ by rounding. Allowed are 1e-4 for logits, 1e-5 for the loss and 1e-4 of a tensor's largest
value for its gradient, more in proportion where logits exceed 10, and 1e-3 for the losses of the ten steps.
Exit code 0 when all is okay, 1 when not.
With --trace, activations may differ by 2e-5 of a tensor's largest value, gradients by 1e-4; --lr and the options beside it
are those of the port's update; a file by llm-ts trace says its own. Exit code 0 when all agrees and nothing is missing.
${examples(
  ["llm.c's own test", "llm-ts verify --model gpt2_124M.bin --state gpt2_124M_debug_state.bin"],
  ["a port's tensors, with a trace", "llm-ts verify --trace mine.safetensors --expected trace.safetensors"],
  ["the same with the model alone", "llm-ts verify --trace mine.safetensors --model runs/baby-001"],
)}`,
    )
    .action(async (flags: Flags, command: Command) => {
      if ((flags.state === undefined) === (flags.trace === undefined))
        throw new UsageError("verify needs one of --state, a debug state, and --trace, another program's tensors.");
      const typed = typedOptions(command);
      if (flags.trace !== undefined) {
        refuseIdle(typed, ofState, "--trace computes with the reference backend, one step.");
        if (flags.data === undefined) refuseIdle(typed, ofData, "no --data is read.");
        if (flags.expected !== undefined) refuseIdle(typed, ["data"], "the file of --expected has the batch.");
        const { verifyTrace } = await import("./trace.ts");
        const chosen = updateFlags.filter((name) => command.getOptionValueSource(name) === "cli");
        return verifyTrace({ ...flags, trace: flags.trace, chosen });
      }
      refuseIdle(
        typed,
        ["expected", "data", "partial", ...ofData, ...updateFlags],
        "--state has a batch, and llm.c's steps.",
      );
      const { model, state } = flags;
      if (model === undefined || state === undefined)
        throw new UsageError("--state needs the model that it belongs to: --model with a model file.");
      const { runVerify } = await import("./run.ts");
      await runVerify({ ...flags, model, state });
    });
}
