import { Option } from "commander";
import { InputError } from "../../errors.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";

/** The option of the commands that only encode or decode. */
export function tokenizerOption(): Option {
  const description = "gpt2, byte, a tokenizer's file (.bin, .json), or a model, a run or data with one beside it";
  return new Option("--tokenizer <name>", description).default("gpt2");
}

/**
 * The tokenizer that `--tokenizer` names: gpt2, byte, a tokenizer's file (llm.c's .bin, the hub's .json), or a model, a run or
 * prepared data, whose own it is.
 */
export async function tokenizerNamed(name: string): Promise<Tokenizer> {
  if (name === "gpt2") return (await import("../../tokenizer/gpt2.ts")).gpt2Tokenizer();
  if (name === "byte") return (await import("../../tokenizer/byte.ts")).byteTokenizer();
  const { platform } = await import("#platform");
  const { pretrainedFile } = await import("../../model/config.ts");
  const kind = await platform.pathKind(name);
  // All of GPT-2's sizes have the same.
  if (kind === undefined && pretrainedFile(name) !== undefined) return tokenizerNamed("gpt2");
  if (kind === undefined)
    throw new InputError(
      `${name} does not exist, and is no name of a tokenizer. ${expected} llm-ts prepare also takes char and bpe:8192.`,
    );
  return kind === "folder" ? ofFolder(name) : ofFile(name);
}

async function ofFolder(folder: string): Promise<Tokenizer> {
  const { findTokenizer } = await import("../../data/dataset.ts");
  const { modelPath } = await import("./model.ts");
  const model = await modelPath(folder).catch((error: unknown) => {
    if (error instanceof InputError) return undefined;
    throw error;
  });
  const found = await (model === undefined ? findTokenizer(folder) : ofModel(model));
  if (found) return found;
  throw new InputError(`${folder} holds no tokenizer. ${expected}`);
}

async function ofFile(path: string): Promise<Tokenizer> {
  const { identify } = await import("../../format/identify.ts");
  const { readSmallText, withSource } = await import("../../format/source.ts");
  const format = await withSource(path, identify);
  if (format === "tokenizer") return (await import("../../data/dataset.ts")).openTokenizer(path);
  if (format === "model" || format === "safetensors" || format === "gguf") {
    const found = await ofModel(path);
    if (found) return found;
    throw new InputError(`No tokenizer lies beside the model ${path}. ${expected}`);
  }
  if (format === "json") {
    const found = await ofJson(path, await readSmallText(path, "No tokenizer is that long."));
    if (found) return found;
    throw new InputError(`${path} is not a tokenizer: vocab.json needs merges.txt beside it. ${expected}`);
  }
  const start = await withSource(path, async (source) => source.read(0, Math.min(source.size, 8)));
  const isMinbpe = new TextDecoder().decode(start).startsWith("minbpe");
  throw new InputError(
    isMinbpe
      ? `${path} is a tokenizer of minbpe's, which llm-ts does not read. ${expected}`
      : `${path} is not a tokenizer${format ? `, but a file of ${format}` : " that llm-ts reads"}. ${expected}`,
  );
}

/** A file of the hub's: with those beside it that belong to it, or a tokenizer.json of another name alone. */
async function ofJson(path: string, text: string): Promise<Tokenizer | undefined> {
  const { folderOf, nameOf } = await import("../../platform/paths.ts");
  const { hubTokenizerFiles } = await import("../../format/huggingface-config.ts");
  const { findHuggingFaceTokenizer, huggingFaceTokenizer } = await import("../../tokenizer/huggingface.ts");
  const name = nameOf(path);
  if (hubTokenizerFiles.some((file) => file === name)) return findHuggingFaceTokenizer(folderOf(path));
  return huggingFaceTokenizer(new Map([["tokenizer.json", text]]), `${path}: `);
}

async function ofModel(path: string): Promise<Tokenizer | undefined> {
  const { openModelFile } = await import("../../api/model-file.ts");
  const { tokenizerOf } = await import("../../api/model-tokenizer.ts");
  const { config, close } = await openModelFile(path);
  await close();
  return tokenizerOf(path, config.V);
}

const expected =
  "Give gpt2, byte, a tokenizer.bin or tokenizer.json, or a model, a run or a folder of data that has one beside it.";

/** The tokenizer of a model file; undefined, after a remark, when none fits. */
export async function tokenizerFor(
  modelPath: string,
  V: number,
  say: (text: string) => void,
): Promise<Tokenizer | undefined> {
  const { tokenizerOf } = await import("../../api/model-tokenizer.ts");
  let problem = `No tokenizer of ${V} tokens lies beside ${modelPath}: the model works with token ids alone.`;
  const tokenizer = await tokenizerOf(modelPath, V).catch((error: unknown) => {
    if (!(error instanceof InputError)) throw error;
    problem = error.message;
    return undefined;
  });
  if (!tokenizer) say(problem);
  return tokenizer;
}
