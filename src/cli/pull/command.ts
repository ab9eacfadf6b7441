import type { Command } from "commander";
import { Option } from "commander";
import { examples } from "../options/common.ts";
import { output } from "../options/values.ts";
import type { PullFlags } from "./run.ts";

export function addPull(program: Command): void {
  program
    .command("pull")
    .summary("download a GPT-2 from the Hugging Face hub")
    .description(
      "Downloads a GPT-2 from the Hugging Face hub and writes it as llm.c's files: float32, bfloat16 and tokenizer. " +
        "An interrupted download resumes where it stopped; every file is verified before it gets its name.",
    )
    .argument("<model>", "gpt2, gpt2-medium, gpt2-large, gpt2-xl, distilgpt2, or USER/REPO")
    .option("--revision <name>", "a branch, tag or commit", "main")
    .option(
      "-o, --out <folder>",
      "where to write (default: here; of USER/REPO and safetensors: a folder of its name)",
      output,
    )
    .addOption(
      new Option("--format <kind>", "llm.c's .bin, or the original safetensors")
        .choices(["bin", "safetensors"])
        .default("bin"),
    )
    .option("-f, --force", "replace existing files")
    .option("--json", "print what was written as JSON")
    .addHelpText(
      "after",
      `
Settings are those of Hugging Face's own programs: HF_TOKEN for private and gated models, HF_ENDPOINT for a mirror,
HF_HOME for the cache (default: ~/.cache/huggingface, which they share), HF_HUB_OFFLINE=1 to use the cache alone,
HTTPS_PROXY and NO_PROXY for a proxy.
${examples(
  ["the starter files of llm.c: gpt2_124M.bin, gpt2_124M_bf16.bin, gpt2_tokenizer.bin", "llm-ts pull gpt2"],
  ["another GPT-2 of the hub, into a folder", "llm-ts pull USER/REPO --revision main -o my-gpt2"],
  ["the original files, for transformers too", "llm-ts pull distilgpt2 --format safetensors"],
  ["from a mirror", "HF_ENDPOINT=https://hf-mirror.com llm-ts pull gpt2"],
)}`,
    )
    .action(async (name: string, flags: PullFlags) => {
      const { pull } = await import("./run.ts");
      await pull(name, flags);
    });
}
