import type { Command } from "commander";
import { examples, headerlessOption } from "../options/common.ts";
import type { InfoFlags } from "./run.ts";

export function addInfo(program: Command): void {
  program
    .command("info")
    .summary("describe a file, a folder or this machine")
    .description(
      "Describes what a file holds, and checks that it is whole: models, tokens, tokenizers, debug and optimizer states, " +
        "HellaSwag, safetensors, GGUF, ONNX, LoRA adapters, texts, and folders: runs, models, prepared data.",
    )
    .argument("[file]", "a file, or a folder: of a run, a model, or prepared data")
    .option("--system", "this processor and memory, its backends, and which kernels are fastest here")
    .addOption(headerlessOption())
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      examples(
        ["a checkpoint", "llm-ts info gpt2_124M.bin"],
        ["prepared data", "llm-ts info data/tinyshakespeare"],
        ["a run", "llm-ts info runs/baby-001"],
        ["a LoRA adapter: rank, matrices, and whether its base is still the same", "llm-ts info my-lora"],
        ["this machine", "llm-ts info --system"],
      ),
    )
    .action(async (file: string | undefined, flags: InfoFlags) => {
      const { info } = await import("./run.ts");
      await info(file, flags);
    });
}
