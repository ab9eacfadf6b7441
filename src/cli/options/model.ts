import { platform } from "#platform";
import {
  adapterWeights,
  baseOfAdapter,
  differenceFromBase,
  holdsAdapter,
  modelOfAdapter,
  newestAdapter,
} from "../../api/adapter-base.ts";
import { openModelFile } from "../../api/model-file.ts";
import { DownloadError, InputError } from "../../errors.ts";
import { adapterFiles } from "../../format/adapter.ts";
import { type GPT2Config, pretrainedFile } from "../../model/config.ts";
import { folderOf, inFolder, nameOf } from "../../platform/paths.ts";
import { quoted } from "../../platform/quoted.ts";
import { missingModelFiles, recordedConfig } from "../../runs/checkpoint.ts";
import { completeSteps } from "../../runs/checkpoint-list.ts";
import { namesOfRuns } from "../../runs/node-run-list.ts";
import { holdsRun } from "../../runs/run-config.ts";
import { say } from "../output.ts";

/**
 * The model file that a name or path means: the file itself; of a run folder its newest model or adapter, of a folder from the hub
 * its weights; an adapter's folder with the model that it names; a pretrained model, see `pretrainedPath`.
 */
export async function modelPath(path: string): Promise<string> {
  const found = await locateModel(path);
  await remarkOnAdapter(found);
  const model = nameOf(found) === adapterFiles.weights ? await modelOfAdapter(found) : found;
  if (/\.safetensors(\.index\.json)?$/.test(model)) await remarkOnAssumed(model);
  return found;
}

/** The same, without a remark on what the model's files leave open. */
export async function locateModel(path: string): Promise<string> {
  const kind = await platform.pathKind(path);
  if (kind === undefined && pretrainedFile(path) !== undefined) return pretrainedPath(path);
  if (kind !== "folder") return path;
  const newest = await newestModel(path);
  if (newest !== undefined) {
    await remarkOnOlder(path, newest);
    return newest;
  }
  // The last one is refused by its name, with what to do.
  for (const name of [
    "model.safetensors",
    "model.safetensors.index.json",
    "model.bin",
    "model.gguf",
    "pytorch_model.bin",
  ])
    if ((await platform.pathKind(inFolder(path, name))) === "file") return inFolder(path, name);
  if (await holdsAdapter(path)) {
    const weights = inFolder(path, adapterFiles.weights);
    if ((await platform.pathKind(weights)) === "file" && (await baseOfAdapter(weights))) return weights;
    throw new InputError(
      `${path} is a LoRA adapter, and a model is expected. Name the one that it was trained on; llm-ts convert MODEL merged ` +
        `--adapter ${quoted(path)} writes both as one.`,
    );
  }
  if (await holdsRun(path)) throw new InputError(await withoutModel(path));
  const runs = await namesOfRuns(path);
  if (runs !== "")
    throw new InputError(
      `${path} is a folder of runs, and a model is expected: give one of its runs (the newest first): ${runs}.`,
    );
  const [other] = await modelsIn(path, /^model_/);
  throw new InputError(
    `${path} is a folder without a model by a name that says so: a run's (model_00000100.bin or .safetensors), model.bin, ` +
      `model.safetensors or model.gguf. ${other === undefined ? "Give a model file, or the folder of a run that saved one." : `Name the file, as ${quoted(other)}`}`,
  );
}

/** The newest model that a run saved, or its newest adapter; undefined where its folder has none. */
export async function newestModel(run: string): Promise<string | undefined> {
  // Eight digits each, so the last name is the newest; a copy by another name, such as model_best.bin, is none of the run's.
  return (await modelsIn(run, /^model_\d{8}\./)).at(-1) ?? (await newestAdapter(run));
}

/** The model files in a folder whose names match, in order of these. */
async function modelsIn(folder: string, pattern: RegExp): Promise<string[]> {
  const names = (await platform.listFolder(folder)).filter((name) => pattern.test(name));
  return names.filter((name) => /\.(bin|safetensors)$/.test(name)).map((name) => inFolder(folder, name));
}

/** Says where a run's newest model is not that of its last checkpoint, whose files were removed. */
export async function remarkOnOlder(run: string, model: string): Promise<void> {
  const missing = await missingModelFiles(run);
  const [last = 0] = await completeSteps(run);
  const step = Number(/_(\d{8})\b/.exec(model.slice(inFolder(run, "").length))?.[1] ?? Number.NaN);
  if (missing.length > 0 && step < last)
    say(
      `note: ${run} has no ${missing.join(", ")}, of its last checkpoint after ${last} updates: this is the model after ${step}, ` +
        `${nameOf(model)}`,
    );
}

/** Says of a run without a model why that is, and what to do. */
export async function withoutModel(run: string): Promise<string> {
  const missing = await missingModelFiles(run);
  if (missing.length > 0)
    return (
      `${run} is a run that has no checkpoint left: ${missing.join(" and ")} ${missing.length > 1 ? "are" : "is"} gone. Put that back, or ` +
      "give another run."
    );
  // The settings of llm.c's runs are not recorded.
  const isOurs = (await recordedConfig(run).catch(() => ({ config: undefined }))).config !== undefined;
  return `${run} is a run that has saved no model yet. Give another run${isOurs ? `, or resume this one: llm-ts train -o ${quoted(run)} --resume` : "."}`;
}

/** Says which model an adapter is added to. */
export async function remarkOnAdapter(found: string): Promise<void> {
  if (nameOf(found) === adapterFiles.weights)
    say(`with the adapter ${folderOf(found)} on its model, ${await modelOfAdapter(found)}`);
}

/** Says which adapter `--adapter` means, where that is a run's newest, and whether it was trained on another file than `model`. */
export async function remarkOnAdded(adapter: string, model: string): Promise<void> {
  const weights = await adapterWeights(adapter);
  const folder = folderOf(weights);
  if (![folder, weights].includes(adapter.replace(/(?<=.)[/\\]+$/, "")))
    say(`with the adapter ${folder}, the newest in ${adapter}`);
  // A model that has an adapter already is refused.
  if (nameOf(model) === adapterFiles.weights) return;
  const difference = await differenceFromBase(weights, model);
  if (difference === undefined) return;
  const base = await baseOfAdapter(weights);
  say(
    `note: ${model} is not the file that ${folder} was trained on, ${base?.path}: ${difference}. With the same weights in another ` +
      "format the adapter works; with other weights it makes no sense",
  );
}

/** Prints the settings assumed from GPT-2 for want of a config.json. An unreadable file is reported by its reader. */
async function remarkOnAssumed(path: string): Promise<void> {
  const file = await openModelFile(path).catch(() => undefined);
  await file?.close();
  if (file?.assumed.includes("n_head")) say(assumedText(path, file.config));
}

export function assumedText(path: string, { NH, C, epsilon }: GPT2Config): string {
  return (
    `${path} has no config.json beside it: ${NH} attention heads (one for every ${C / NH} channels), epsilon ${epsilon} and ` +
    "GELU's tanh form are assumed, as in GPT-2. llm-ts convert MODEL FOLDER --heads N writes a copy with another number"
  );
}

/**
 * The file of a pretrained model: llm.c's, in this folder or one of `folders`; else what the hub's cache has; else it is
 * downloaded, after saying so.
 */
export async function pretrainedPath(name: string, folders: readonly string[] = []): Promise<string> {
  const file = pretrainedFile(name);
  if (file !== undefined)
    for (const path of [file, ...folders.map((folder) => inFolder(folder, file))])
      if ((await platform.pathKind(path)) === "file") return path;
  const { pullModel } = await import("../pull/hub.ts");
  try {
    return (await pullModel(name, "main", true)).weights;
  } catch (error) {
    if (!(error instanceof DownloadError)) throw error;
    throw new DownloadError(
      `${name} is a pretrained model: its file ${file} is neither in this folder nor beside the data, and it cannot be ` +
        `downloaded. ${error.message} Or train a model of your own: llm-ts train --model d12 (as large as gpt2, from ` +
        "scratch) or llm-ts train --model baby (small, with characters: a minute or two).",
      { cause: error },
    );
  }
}
