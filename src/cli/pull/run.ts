import { readdir, realpath } from "node:fs/promises";
import { basename, join } from "node:path";
import { platform } from "#platform";
import { openModelFile, saveModelFile } from "../../api/model-file.ts";
import { tokenizerOf } from "../../api/model-tokenizer.ts";
import { planTokenizer } from "../../data/tokenizer-files.ts";
import { InputError } from "../../errors.ts";
import { readHuggingFaceConfig } from "../../format/huggingface-config.ts";
import { modelFormatProblem } from "../../format/model.ts";
import { sizeOf, withSource } from "../../format/source.ts";
import { appear, linkOrCopy } from "../../hub/cache.ts";
import { pretrainedFile } from "../../model/config.ts";
import { parameterCount } from "../../model/parameters.ts";
import { requireRoom } from "../disk-space.ts";
import { bytes } from "../display/text.ts";
import { Interrupt } from "../interrupt.ts";
import { tokenizerFor } from "../options/tokenizer.ts";
import { print, say } from "../output.ts";
import { suggestion } from "../suggest.ts";
import { watchTensors } from "../watch-tensors.ts";
import { type PulledModel, pullModel } from "./hub.ts";

/** The options of `llm-ts pull`. */
export interface PullFlags {
  readonly revision: string;
  readonly out?: string;
  readonly format: "bin" | "safetensors";
  readonly json?: boolean;
}

/** Downloads a model into the cache, and writes its files. */
export async function pull(name: string, flags: PullFlags): Promise<void> {
  const interrupt = new Interrupt();
  const model = await pullModel(name, flags.revision);
  const wantsBin = flags.format === "bin";
  const short = basename(name);
  const folder = flags.out ?? (wantsBin && short === name ? "." : short);
  const written: Written = wantsBin
    ? await writeLlmcFiles(model, folder, pretrainedFile(name) ?? `${short}.bin`)
    : { files: await linkFiles(model, folder) };
  interrupt.dispose();
  if (written.problem !== undefined) say(`${name} is kept as safetensors: ${written.problem}`);
  if (flags.json) {
    const { repository, revision } = model;
    return print(`${JSON.stringify({ repository, revision, commit: basename(model.folder), folder, ...written })}\n`);
  }
  for (const file of written.files) await print(`${file}  ${bytes(await sizeOf(file))}\n`);
  say(nextCommands(written.files));
}

/** Commands to try next, ready to be pasted. */
function nextCommands(files: readonly string[]): string {
  const [model] = files.filter((file) => /(\.bin|\.safetensors|index\.json)$/.test(file) && !/tokenizer/.test(file));
  return (
    "\nwrite with this model:\n" +
    `  ${suggestion("generate", "The meaning of life is", "--model", model)}\n` +
    "fine-tune it on tiny Shakespeare:\n" +
    `  ${suggestion("train", "--model", model, "-o", "runs/")}`
  );
}

export interface Written {
  readonly files: readonly string[];
  /** The reason why there is no .bin. */
  readonly problem?: string;
}

/**
 * Writes a model as llm.c's files: `name` in float32, the same in bfloat16, and its tokenizer. What llm.c's format cannot
 * hold stays safetensors.
 */
async function writeLlmcFiles(model: PulledModel, folder: string, name: string): Promise<Written> {
  const problem = await formatProblem(model);
  if (problem !== undefined) return { files: await linkFiles(model, folder), problem };
  const file = await openModelFile(model.weights);
  try {
    // Four bytes a number, and two.
    await requireRoom(folder, 6 * parameterCount(file.config), "write to another disk (-o)");
    await platform.makeFolder(folder);
    const tokenizer = await tokenizerFor(model.weights, file.config.V, say);
    const beside = { tokenizer, endTokens: file.endTokens };
    const f32 = join(folder, name);
    const bf16 = join(folder, name.replace(/\.bin$/, "_bf16.bin"));
    const files = new Set([f32, bf16]);
    for (const [path, dtype] of [
      [f32, "f32"],
      [bf16, "bf16"],
    ] as const)
      for (const written of await watchTensors(file, dtype, path, (stream) =>
        saveModelFile(path, stream, { dtype, ...beside }),
      ))
        files.add(written);
    return { files: [...files] };
  } finally {
    await file.close();
  }
}

/**
 * Gives all files of a model a second name in a folder; copies, where that is another disk. InputError where a tokenizer lies
 * there that the model would be read with.
 */
async function linkFiles(model: PulledModel, folder: string): Promise<string[]> {
  const names = (await readdir(model.folder)).sort();
  await requireNoOther(model, folder, names);
  const files = names.map((name) => join(folder, name));
  for (const [i, name] of names.entries()) {
    const content = await realpath(join(model.folder, name));
    await appear(files[i], (temporary) => linkOrCopy(content, temporary));
  }
  return files;
}

async function requireNoOther(model: PulledModel, folder: string, names: readonly string[]): Promise<void> {
  const file = await openModelFile(model.weights).catch((error: unknown) => {
    // A model that cannot be read is linked all the same.
    if (error instanceof InputError) return undefined;
    throw error;
  });
  if (!file) return;
  await file.close();
  const { V, maxT } = file.config;
  const tokenizer = await tokenizerOf(model.weights, V).catch((error: unknown) => {
    if (error instanceof InputError) return undefined;
    throw error;
  });
  await planTokenizer(folder, { tokenizer, reader: { maxT }, V, endTokens: file.endTokens }, names, "none");
}

async function formatProblem(model: PulledModel): Promise<string | undefined> {
  try {
    const config = await withSource(join(model.folder, "config.json"), readHuggingFaceConfig);
    const problem = modelFormatProblem(config);
    return problem && `llm.c's .bin cannot hold it: ${problem}.`;
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
}
