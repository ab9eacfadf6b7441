import { readdir, realpath } from "node:fs/promises";
import { join } from "node:path";
import { platform } from "#platform";
import { type ModelFile, openModelFile } from "../api/model-file.ts";
import { tokenizerOf } from "../api/model-tokenizer.ts";
import { tokenizerFile } from "../data/dataset.ts";
import { InputError } from "../errors.ts";
import { readHuggingFaceConfig } from "../format/huggingface-config.ts";
import { modelFormatProblem, writeModel } from "../format/model.ts";
import { save } from "../format/save.ts";
import { writeVocabulary } from "../format/tokenizer.ts";
import { appear, linkOrCopy } from "../hub/cache.ts";
import { parameterCount } from "../model/parameters.ts";
import { ProgressLine } from "./display/progress-line.ts";
import { type PulledModel, requireRoom, say } from "./pull-model.ts";

export interface Written {
  readonly files: readonly string[];
  /** Why there is no .bin. */
  readonly problem?: string;
}

/**
 * Writes a model as llm.c's files: `name` in float32, the same in bfloat16, and its tokenizer. What llm.c's format cannot
 * hold stays safetensors.
 */
export async function writeLlmcFiles(model: PulledModel, folder: string, name: string): Promise<Written> {
  const problem = await formatProblem(model);
  if (problem !== undefined) return { files: await linkFiles(model, folder), problem };
  const file = await openModelFile(model.weights);
  try {
    await platform.makeFolder(folder);
    // Four bytes a number, and two.
    await requireRoom(folder, 6 * parameterCount(file.config));
    const f32 = join(folder, name);
    const bf16 = join(folder, name.replace(/\.bin$/, "_bf16.bin"));
    await convert(file, f32, "f32");
    await convert(file, bf16, "bf16");
    return { files: [f32, bf16, ...(await writeTokenizer(model, folder, file.config.V))] };
  } finally {
    await file.close();
  }
}

/** Gives all files of a model a second name in a folder; copies, where that is another disk. */
export async function linkFiles(model: PulledModel, folder: string, wanted = /./): Promise<string[]> {
  const names = (await readdir(model.folder)).filter((name) => wanted.test(name)).sort();
  const files = names.map((name) => join(folder, name));
  for (const [i, name] of names.entries()) {
    const content = await realpath(join(model.folder, name));
    await appear(files[i], (temporary) => linkOrCopy(content, temporary));
  }
  return files;
}

async function formatProblem(model: PulledModel): Promise<string | undefined> {
  const source = await platform.openSource(join(model.folder, "config.json"));
  try {
    const problem = modelFormatProblem(await readHuggingFaceConfig(source));
    return problem && `llm.c's .bin cannot hold it: ${problem}.`;
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  } finally {
    await source.close();
  }
}

async function convert({ config, readTensors }: ModelFile, path: string, dtype: "f32" | "bf16"): Promise<void> {
  const progress = new ProgressLine(`writing ${path}`);
  const total = parameterCount(config);
  let done = 0;
  const counted: typeof readTensors = (onChunk) =>
    readTensors(async (name, start, data) => {
      await onChunk(name, start, data);
      done += data.length;
      if (process.stderr.isTTY) progress.update(done / total);
    });
  try {
    await save(path, (sink) => writeModel(sink, { config, readTensors: counted }, dtype));
  } finally {
    progress.end();
  }
}

/** GPT-2's tokenizer as llm.c has it. Another one is run by its own files, and llm.c's has its tokens. */
async function writeTokenizer(model: PulledModel, folder: string, V: number): Promise<string[]> {
  const tokenizer = await tokenizerOf(model.weights, V).catch((error: unknown) => {
    if (!(error instanceof InputError)) throw error;
    say(error.message);
  });
  if (!tokenizer) {
    say(`${model.repository} has no tokenizer of ${V} tokens that llm-ts can read: it works with token ids alone.`);
    return [];
  }
  const isGpt2 = tokenizer.kind === "gpt2";
  const files = isGpt2 ? [] : await linkFiles(model, folder, /^(tokenizer(_config)?\.json|vocab\.json|merges\.txt)$/);
  const tokens = tokenizer.tokens();
  if (tokens.some(({ length }) => length < 1 || length > 255)) return files;
  const path = join(folder, isGpt2 ? "gpt2_tokenizer.bin" : tokenizerFile);
  await save(path, (sink) => writeVocabulary(sink, tokens, tokenizer.endOfText));
  return [...files, path];
}
