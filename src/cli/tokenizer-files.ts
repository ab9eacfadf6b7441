import { copyFile, realpath } from "node:fs/promises";
import { join } from "node:path";
import { platform } from "#platform";
import { tokenizerOf } from "../api/model-tokenizer.ts";
import { folderOf, inFolder, tokenizerFile } from "../data/dataset.ts";
import { InputError } from "../errors.ts";
import { save, saveText } from "../format/save.ts";
import { writeVocabulary } from "../format/tokenizer.ts";
import { appear } from "../hub/cache.ts";
import type { GPT2Config } from "../model/config.ts";
import { gpt2HuggingFaceFiles } from "../tokenizer/huggingface-files.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";

/** What a model of the hub has beside its weights. */
const hubFiles = ["tokenizer.json", "tokenizer_config.json", "vocab.json", "merges.txt"];
const moreHubFiles = ["special_tokens_map.json", "added_tokens.json"];

/** The tokenizer of a model file; undefined, and a word about it, when none fits. */
export async function tokenizerFor(
  modelPath: string,
  V: number,
  say: (text: string) => void,
): Promise<Tokenizer | undefined> {
  const tokenizer = await tokenizerOf(modelPath, V).catch((error: unknown) => {
    if (!(error instanceof InputError)) throw error;
    say(error.message);
    return undefined;
  });
  if (!tokenizer) say(`No tokenizer of ${V} tokens lies beside ${modelPath}: the model works with token ids alone.`);
  return tokenizer;
}

/** Writes a tokenizer as llm.c has it; one of the hub's is run by its own files, which are copied. */
export async function writeLlmcTokenizer(tokenizer: Tokenizer, modelPath: string, folder: string): Promise<string[]> {
  const isGpt2 = tokenizer.kind === "gpt2";
  const files = tokenizer.kind === "huggingface" ? await copyFiles(modelPath, folder, hubFiles) : [];
  const tokens = tokenizer.tokens();
  // llm.c's file has a byte for a token's length.
  if (tokens.some(({ length }) => length < 1 || length > 255)) return files;
  const path = join(folder, isGpt2 ? "gpt2_tokenizer.bin" : tokenizerFile);
  await save(path, (sink) => writeVocabulary(sink, tokens, tokenizer.endOfText));
  return [...files, path];
}

/**
 * Writes a tokenizer as transformers has it: the files of the hub's as they are, GPT-2's made. Others, of characters and
 * bytes, transformers does not know; llm.c's file keeps them for llm-ts.
 */
export async function writeHubTokenizer(
  tokenizer: Tokenizer,
  modelPath: string,
  folder: string,
  { maxT }: GPT2Config,
): Promise<void> {
  const copied = await copyFiles(modelPath, folder, [...hubFiles, ...moreHubFiles]);
  if (copied.some((path) => /(tokenizer|vocab)\.json$/.test(path))) return;
  if (tokenizer.kind !== "gpt2") await writeLlmcTokenizer(tokenizer, modelPath, folder);
  else
    for (const [name, text] of Object.entries(await gpt2HuggingFaceFiles(maxT)))
      await saveText(join(folder, name), text);
}

/** Copies those of the files that lie beside a model. */
async function copyFiles(modelPath: string, folder: string, names: readonly string[]): Promise<string[]> {
  const copied: string[] = [];
  for (const name of names) {
    const from = inFolder(folderOf(modelPath), name);
    if ((await platform.pathKind(from)) !== "file") continue;
    const path = join(folder, name);
    copied.push(path);
    if ((await platform.pathKind(path)) === "file" && (await realpath(path)) === (await realpath(from))) continue;
    await appear(path, (temporary) => copyFile(from, temporary));
  }
  return copied;
}
