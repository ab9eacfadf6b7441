import { type Command, Option } from "commander";
import { adapterOption, examples } from "../options/common.ts";
import { output, whole } from "../options/values.ts";
import type { ConvertFlags } from "./run.ts";
import type { Format } from "./target.ts";

const formats: readonly Format[] = ["bin", "safetensors", "gguf", "onnx"];

export function addConvert(program: Command): void {
  program
    .command("convert")
    .summary("write a model in another format or precision")
    .description(
      "Converts between llm.c's .bin, Hugging Face's safetensors and llama.cpp's GGUF, writes ONNX for transformers.js, and converts between float32, bfloat16 and " +
        "float16 (rounded to the nearest, ties to even); GGUF also as q8_0, bytes with a scale for 32 of them. A model of any size takes little memory; nothing appears before it is whole.",
    )
    .argument("<in>", "a model file, a folder of safetensors, a run folder (its newest checkpoint), or a name as gpt2")
    .argument(
      "<out>",
      "NAME.bin, NAME.safetensors, NAME.gguf, or a folder for all that transformers loads a model from",
      output,
    )
    .addOption(new Option("--to <format>", "the format, where OUT's name does not determine it").choices(formats))
    .addOption(new Option("--format <format>").choices(formats).hideHelp())
    .addOption(
      new Option("--dtype <type>", "type of the weights (default: as in IN; .bin: f32 or bf16)").choices([
        "f32",
        "bf16",
        "f16",
        "q8_0",
      ]),
    )
    .option(
      "--heads <n>",
      "attention heads of safetensors without config.json (default: one for 64 channels)",
      whole(1, 1024),
    )
    .addOption(adapterOption())
    .option("-f, --force", "replace existing files")
    .option("--json", "print what was written as JSON")
    .addHelpText(
      "after",
      examples(
        [
          "a trained model for transformers: config.json, model.safetensors, tokenizer",
          "llm-ts convert runs/baby my-gpt2",
        ],
        ["half the size", "llm-ts convert gpt2_124M.bin gpt2_124M_bf16.bin --dtype bf16"],
        ["a model of the hub for llm.c", "llm-ts convert path/to/snapshot my-gpt2.bin"],
        ["for llama.cpp, with its tokenizer inside", "llm-ts convert runs/baby my-gpt2.gguf --dtype f16"],
        ["with a LoRA adapter of PEFT merged", "llm-ts convert gpt2 merged --adapter my-lora"],
        ["for transformers.js: onnx/model.onnx, config.json, tokenizer", "llm-ts convert runs/baby my-gpt2 --to onnx"],
        ["a single file in float16", "llm-ts convert gpt2_124M.bin gpt2.safetensors --dtype f16"],
      ),
    )
    .action(async (input: string, output: string, flags: ConvertFlags) => {
      const { convert } = await import("./run.ts");
      await convert(input, output, { ...flags, to: flags.to ?? flags.format });
    });
}
