/** Loads a model from dropped or chosen files. */
import { GPT2 } from "../../src/api/gpt2.ts";
import { openModelFile } from "../../src/api/model-file.ts";
import type { Backend } from "../../src/backend/backend.ts";
import { InputError, UsageError } from "../../src/errors.ts";
import { readEndTokens } from "../../src/format/generation-config.ts";
import { identify } from "../../src/format/identify.ts";
import { withSource } from "../../src/format/source.ts";
import { droppedTokenizer } from "./dropped-tokenizer.ts";
import type { LoadedModel } from "./model-slot.ts";

/** Loads the model among the files; InputError when there is none or it is damaged. */
export async function openModel(files: readonly File[], backend: Backend): Promise<LoadedModel> {
  const formats = await Promise.all(files.map((file) => withSource(file, identify)));
  const [model, ...more] = files.filter((_, i) => ["model", "safetensors"].includes(formats[i] ?? ""));
  if (more.length > 0)
    throw new UsageError(
      `${model.name} and ${more[0].name} are both models. Choose one: a model in several files is made one by the ` +
        "command, llm-ts convert.",
    );
  if (!model) throw new InputError(notAModel(files));
  const named = (name: string) => files.find((file) => file.name === name);
  const llmc = files.find((_, i) => formats[i] === "tokenizer");
  const config = named("config.json");
  const file = await openModelFile(model, config);
  await file.close();
  const tokenizer = await droppedTokenizer(files, llmc, file.config.V);
  const generation = named("generation_config.json");
  const endTokens = generation && (await withSource(generation, readEndTokens));
  return { name: model.name, model: await GPT2.load(model, { backend, tokenizer, config, endTokens }) };
}

function notAModel(files: readonly File[]): string {
  const names = files.map(({ name }) => name).join(", ");
  return files.length === 0
    ? "No file was given. Choose a model: llm.c's .bin or a .safetensors."
    : `${names}: there is no model among them. Choose llm.c's .bin or a .safetensors, with the tokenizer.bin beside it.`;
}
