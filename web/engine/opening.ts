/** Models out of files that were dropped or chosen. */
import { GPT2 } from "../../src/api/gpt2.ts";
import type { Backend } from "../../src/backend/backend.ts";
import { parseDataset } from "../../src/data/dataset.ts";
import { InputError, UsageError } from "../../src/errors.ts";
import { identify } from "../../src/format/identify.ts";
import { withSource } from "../../src/format/source.ts";
import { hubTokenizerFiles, huggingFaceTokenizer } from "../../src/tokenizer/huggingface.ts";
import { loadTokenizer } from "../../src/tokenizer/load.ts";
import type { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import type { LoadedModel } from "./loaded-model.ts";

/** Reads the model among the files; InputError for what is none, or is damaged. */
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
  const tokenizer = await tokenizerOf(
    files.find((_, i) => formats[i] === "tokenizer"),
    named,
  );
  return { name: model.name, model: await GPT2.load(model, { backend, tokenizer, config: named("config.json") }) };
}

function notAModel(files: readonly File[]): string {
  const names = files.map(({ name }) => name).join(", ");
  return files.length === 0
    ? "No file was given. Choose a model: llm.c's .bin or a .safetensors."
    : `${names}: there is no model among them. Choose llm.c's .bin or a .safetensors, with the tokenizer.bin beside it.`;
}

type Named = (name: string) => File | undefined;

/** The tokenizer among the files, if there is one. Else `GPT2.load` takes GPT-2's, where V is GPT-2's. */
async function tokenizerOf(file: File | undefined, named: Named): Promise<Tokenizer | undefined> {
  const dataset = named("dataset.json");
  const kind = dataset && parseDataset(dataset.name, await dataset.text()).tokenizer;
  if (file) return withSource(file, (source) => loadTokenizer(source, kind));
  const texts = new Map<string, string>();
  for (const name of hubTokenizerFiles) {
    const text = await named(name)?.text();
    if (text !== undefined) texts.set(name, text);
  }
  return huggingFaceTokenizer(texts);
}
