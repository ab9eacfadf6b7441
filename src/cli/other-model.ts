import { platform } from "#platform";
import { tokenizerOf } from "../api/model-tokenizer.ts";
import { onnxFile } from "../api/onnx-folder.ts";
import { sameTokenizer } from "../data/dataset.ts";
import { InputError, UsageError } from "../errors.ts";
import { readHuggingFaceConfig } from "../format/huggingface-config.ts";
import { withSource } from "../format/source.ts";
import { type GPT2Config, sameConfig } from "../model/config.ts";
import { inFolder } from "../platform/paths.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

const index = "model.safetensors.index.json";

/** The model files that a folder's config.json and tokenizer describe. */
const described = ["model.safetensors", index, "pytorch_model.bin", onnxFile];

/** A model's own config.json and tokenizer. */
export interface Description {
  readonly config: GPT2Config;
  readonly tokenizer: Tokenizer | undefined;
}

/**
 * UsageError where a folder holds another model than the file names `written`, which would get the config.json and tokenizer of
 * the one that is written. Models of the same may lie side by side, as transformers.js has them.
 */
export async function requireNoOtherModel(folder: string, written: readonly string[], own: Description): Promise<void> {
  for (const name of described.filter((other) => !written.includes(other))) {
    if ((await platform.pathKind(inFolder(folder, name))) === undefined) continue;
    // A model in one file is read rather than one in parts.
    if (name === "model.safetensors" && written.includes(index))
      throw new UsageError(
        `${inFolder(folder, name)} exists already, and would be read instead of the model in parts. Write into another ` +
          "folder, or remove it.",
      );
    const found = await descriptionIn(folder);
    if (found && sameConfig(found.config, own.config) && isSame(found.tokenizer, own.tokenizer)) continue;
    throw new UsageError(
      `${folder} holds another model, ${name}, and the config.json and tokenizer there are its own. Write into another ` +
        `folder, or remove ${inFolder(folder, name)}.`,
    );
  }
}

/** That of a folder; undefined where it has none, or one that cannot be read. */
async function descriptionIn(folder: string): Promise<Description | undefined> {
  try {
    const config = await withSource(inFolder(folder, "config.json"), readHuggingFaceConfig);
    return { config, tokenizer: await tokenizerOf(folder, config.V) };
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
}

function isSame(a: Tokenizer | undefined, b: Tokenizer | undefined): boolean {
  return a && b ? sameTokenizer(a, b) : a === b;
}
