import { realpath } from "node:fs/promises";
import { basename, join } from "node:path";
import { openModelFile } from "../../api/model-file.ts";
import { tokenizerOf } from "../../api/model-tokenizer.ts";
import { type PlannedSet, planTokenizer } from "../../data/tokenizer-files.ts";
import { InputError } from "../../errors.ts";
import { readHuggingFaceConfig } from "../../format/huggingface-config.ts";
import { modelFormatProblem, writeModel } from "../../format/model.ts";
import { bytesPer } from "../../format/numbers.ts";
import { inMadeFolder, save } from "../../format/save.ts";
import { sizeOf, withSource } from "../../format/source.ts";
import { pretrainedFile } from "../../model/config.ts";
import { parameterCount } from "../../model/parameters.ts";
import type { Appender } from "../../platform/platform.ts";
import { requireRoom } from "../disk-space.ts";
import { bytes } from "../display/text.ts";
import { Interrupt } from "../interrupt.ts";
import { tokenizerFor } from "../options/tokenizer.ts";
import { requireNoOtherModel } from "../other-model.ts";
import { print, say } from "../output.ts";
import { requireNoRun } from "../replaceable.ts";
import { suggestion } from "../suggest.ts";
import { watchTensors } from "../watch-tensors.ts";
import { copyOf, type LlmcFile, missingOf, requireNoOther, requireNoOthers, type WantedFile } from "./files.ts";
import { type PulledModel, pullModel } from "./hub.ts";

/** The options of `llm-ts pull`. */
export interface PullFlags {
  readonly revision: string;
  readonly out?: string;
  readonly format: "bin" | "safetensors";
  readonly force?: boolean;
  readonly json?: boolean;
}

/** Downloads a model into the cache, and writes its files. */
export async function pull(name: string, flags: PullFlags): Promise<void> {
  const interrupt = new Interrupt();
  const { force = false } = flags;
  const wantsBin = flags.format === "bin";
  const short = basename(name);
  const folder = flags.out ?? (wantsBin && short === name ? "." : short);
  const bins = llmcFiles(folder, pretrainedFile(name) ?? `${short}.bin`);
  const model = await pullModel(name, flags.revision, false, async (plan) => {
    if (force || plan.files.every(({ cached }) => cached)) return;
    const isBin = wantsBin && (await formatProblem(plan.folder)) === undefined;
    await (isBin ? requireNoOther(bins, plan) : requireNoOthers(folder, plan));
  });
  const problem = wantsBin ? await formatProblem(model.folder) : undefined;
  const isBin = wantsBin && problem === undefined;
  const written = await (isBin ? writeLlmcFiles(model, folder, bins, force) : copyFiles(model, folder, force));
  interrupt.dispose();
  if (problem !== undefined) say(`${name} is kept as safetensors: ${problem}`);
  if (flags.json) {
    const { repository, revision } = model;
    return print(
      `${JSON.stringify({ repository, revision, commit: basename(model.folder), folder, ...written, problem })}\n`,
    );
  }
  for (const file of written.files) await print(`${file}  ${bytes(await sizeOf(file))}\n`);
  const { kept } = written;
  if (kept.length > 0)
    say(`${kept.join(", ")} ${kept.length > 1 ? "were" : "was"} there already, with the same content.`);
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

interface Written {
  readonly files: readonly string[];
  /** Of them those that were there, with the same content. */
  readonly kept: readonly string[];
}

/** The files of a model in llm.c's format: float32 under its name, and bfloat16. */
function llmcFiles(folder: string, name: string): readonly LlmcFile[] {
  return [
    { path: join(folder, name), dtype: "f32" },
    { path: join(folder, name.replace(/\.bin$/, "_bf16.bin")), dtype: "bf16" },
  ];
}

/** Writes a model in llm.c's format, with its tokenizer. */
async function writeLlmcFiles(
  model: PulledModel,
  folder: string,
  bins: readonly LlmcFile[],
  force: boolean,
): Promise<Written> {
  const file = await openModelFile(model.weights);
  try {
    const { V } = file.config;
    const wanted = bins.map(({ path, dtype }) => ({
      path,
      bytes: bytesPer[dtype] * parameterCount(file.config),
      content: (out: Appender) => writeModel(out, file, dtype),
      write: () => watchTensors(file, dtype, path, (stream) => save(path, (sink) => writeModel(sink, stream, dtype))),
    }));
    const missing = await missingOf(wanted, force);
    const tokenizer = await tokenizerFor(model.weights, V, say);
    const set = { tokenizer, reader: "llm.c", V, endTokens: file.endTokens } as const;
    const own = bins.map(({ path }) => basename(path));
    const beside = await planTokenizer(folder, set, own, force ? "wrong" : "none");
    const needed = missing.reduce((sum, { bytes }) => sum + bytes, 0);
    await requireRoom(folder, needed, "write to another disk (-o)");
    await writeAll(folder, missing);
    await beside.write();
    return written(
      [...bins.map(({ path }) => path), ...beside.names.map((name) => join(folder, name))],
      wanted,
      missing,
    );
  } finally {
    await file.close();
  }
}

/**
 * Writes wanted files into a folder, which is made where it is missing. The largest comes first: if it has no room, none is
 * there.
 */
async function writeAll(folder: string, files: readonly WantedFile[]): Promise<void> {
  await inMadeFolder(folder, async () => {
    for (const file of files.toSorted((a, b) => b.bytes - a.bytes)) await file.write();
  });
}

/** Copies a model's files from the cache. InputError where a tokenizer lies in the folder that the model would be read with. */
async function copyFiles(model: PulledModel, folder: string, force: boolean): Promise<Written> {
  await requireNoRun(folder);
  const names = model.files.toSorted();
  const wanted: WantedFile[] = [];
  for (const name of names) wanted.push(await copyOf(await realpath(join(model.folder, name)), join(folder, name)));
  const missing = await missingOf(wanted, force);
  const beside = await planCopies(model, folder, names, force);
  await writeAll(folder, missing);
  await beside?.removeOthers(names);
  return written(
    wanted.map(({ path }) => path),
    wanted,
    missing,
  );
}

function written(files: readonly string[], wanted: readonly WantedFile[], missing: readonly WantedFile[]): Written {
  return { files, kept: wanted.filter((file) => !missing.includes(file)).map(({ path }) => path) };
}

/** The tokenizer among a model's copies, in a folder without another model; undefined for a model that cannot be read. */
async function planCopies(
  model: PulledModel,
  folder: string,
  names: readonly string[],
  force: boolean,
): Promise<PlannedSet | undefined> {
  const file = await openModelFile(model.weights).catch(unreadable);
  if (!file) return undefined;
  await file.close();
  const { config, endTokens } = file;
  const tokenizer = await tokenizerOf(model.weights, config.V).catch(unreadable);
  await requireNoOtherModel(folder, names, { config, tokenizer });
  const set = { tokenizer, reader: { maxT: config.maxT }, V: config.V, endTokens };
  return planTokenizer(folder, set, names, force ? "all" : "none");
}

function unreadable(error: unknown): undefined {
  if (!(error instanceof InputError)) throw error;
}

/** The reason why there is no .bin of the model in a folder; undefined where there is. */
async function formatProblem(folder: string): Promise<string | undefined> {
  try {
    const config = await withSource(join(folder, "config.json"), readHuggingFaceConfig);
    const problem = modelFormatProblem(config);
    return problem && `llm.c's .bin cannot hold it: ${problem}.`;
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
}
