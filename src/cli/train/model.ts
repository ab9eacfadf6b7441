import { dirname, resolve } from "node:path";
import { platform } from "#platform";
import type { BaseModel } from "../../api/adapter-base.ts";
import { openModelFile } from "../../api/model-file.ts";
import { tokenizerOf } from "../../api/model-tokenizer.ts";
import { InputError, UsageError } from "../../errors.ts";
import { adapterFiles } from "../../format/adapter.ts";
import { type GPT2Config, presetNames, pretrainedFile } from "../../model/config.ts";
import { folderOf, nameOf } from "../../platform/paths.ts";
import { quoted } from "../../platform/quoted.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { requireDepthModel } from "../../train/depth.ts";
import { freshConfig } from "../../train/fresh-config.ts";
import type { TrainOption } from "../../train/setting-rules.ts";
import { sections, trainOptions } from "../../train/settings.ts";
import { modelPath, pretrainedPath } from "../options/model.ts";
import { suggestion, withoutOptions } from "../suggest.ts";
import { longFlag, type TrainFlags } from "./options.ts";

/** The model that `--model` names. Nothing is loaded or initialised yet. */
export interface ModelChoice {
  /** For people, and for the name of a numbered run folder. */
  readonly name: string;
  /** Of a model file: what it is made of. A fresh model's vocabulary is that of the data. */
  readonly config?: GPT2Config;
  /** The file of a trained model. */
  readonly file?: string;
  /** Tokenizer of a trained model, where it is known. */
  readonly tokenizer?: Tokenizer;
  /** True for one that learns characters where no data was named. */
  readonly isSmall?: boolean;
  /** The configuration with V tokens. */
  configFor(V: number): GPT2Config;
}

/** Options that make a new model. */
const newModelFlags = Object.keys(sections.Model).filter((name) => name !== "model") as (keyof typeof sections.Model)[];
const neededSizes = ["layers", "heads", "channels"] as const;

/** Resolves `--model`: a preset, custom sizes, a pretrained model, or a file. */
export async function chooseModel(flags: TrainFlags): Promise<ModelChoice> {
  requireDepthModel(flags);
  const { depth, model = depth === undefined ? trainOptions.model.default : "custom" } = flags;
  if (model === "custom" || presetNames.includes(model)) return freshModel(model, flags);
  const isPretrained = pretrainedFile(model) !== undefined;
  if (!isPretrained) await requireModel(model);
  const given = newModelFlags.find((name) => flags[name] !== undefined);
  if (given !== undefined)
    throw new UsageError(
      `--${given} makes a new model, but ${model} is a trained one. Use --model custom, or a preset such as baby.`,
    );
  return fileModel(nameFor(model), await (isPretrained ? pretrainedPath(model, placesOf(flags)) : modelPath(model)));
}

/** A model as it was named; the folder's own name for "." and the like, and for one with a slash at its end. */
function nameFor(model: string): string {
  return /(^|[/\\])\.{0,2}$/.test(model) ? nameOf(resolve(model)) : model;
}

/** UsageError for a name that is neither a model's nor a file's, InputError for the path of a file that does not exist. */
async function requireModel(name: string): Promise<void> {
  if ((await platform.pathKind(name)) !== undefined) return;
  if (/[./\\]/.test(name)) throw new InputError(`${name} does not exist. Check the path.`);
  throw new UsageError(
    `There is no model called "${name}", and no file. Choose one of ${presetNames.join(", ")}, custom, gpt2, ` +
      "gpt2-medium, gpt2-large, gpt2-xl, distilgpt2, or give the path of a model file.",
  );
}

function freshModel(model: string, flags: TrainFlags): ModelChoice {
  const { depth } = flags;
  const missing = depth === undefined ? neededSizes.filter((name) => flags[name] === undefined) : [];
  if (model === "custom" && missing.length > 0)
    throw new UsageError(
      `--model custom also needs ${missing.map((name) => `--${name}`).join(", ")}, or --depth for all of them.`,
    );
  const configFor = (dataV: number) => freshConfig({ ...flags, model }, dataV);
  // Invalid sizes are refused at once, whatever the vocabulary will be.
  configFor(flags.vocab ?? 1);
  const isSmall = depth !== undefined || model === "baby" || model === "custom";
  return { name: depth === undefined ? model : `depth${depth}`, isSmall, configFor };
}

/** A model that was trained before. */
export async function fileModel(name: string, path: string): Promise<ModelChoice> {
  const file = await openModelFile(path);
  try {
    const { config } = file;
    return { name, config, file: path, tokenizer: await tokenizerOf(path, config.V), configFor: () => config };
  } finally {
    await file.close();
  }
}

/** Further folders for llm.c's files: those of the data. */
function placesOf({ train }: TrainFlags): string[] {
  return train === undefined ? [] : [train, folderOf(train)];
}

/** With `--lora-rank`: UsageError for a model that is itself one with an adapter, and for data with tokens that it has no embeddings of. */
export function requireAdaptable({ name, file, config }: ModelChoice, { V }: GPT2Config): void {
  if (file !== undefined && nameOf(file) === adapterFiles.weights)
    throw new UsageError(
      `${name} is a model with an adapter already. Write both as one, and adapt that: llm-ts convert ${quoted(name)} merged`,
    );
  if (config && V > config.V)
    throw new UsageError(
      `The data has ${V - config.V} tokens that ${name} has not met, such as those around the turns of a conversation, and an ` +
        `adapter leaves the embeddings as they are. Train all of the model:\n  ${suggestion(...withoutLora())}`,
    );
}

/** This process's own arguments without those of an adapter. */
function withoutLora(): string[] {
  const flags = Object.values<TrainOption>(sections.Adapter).map(longFlag);
  return withoutOptions(process.argv.slice(2), flags);
}

/** How an adapter names the model that it adapts. */
export function baseOf(model: string | undefined, { file }: ModelChoice): BaseModel | undefined {
  if (file === undefined) return undefined;
  const path = resolve(file);
  if (pretrainedFile(model ?? "gpt2") !== undefined) return { name: model ?? "gpt2", path };
  return { name: nameOf(file) === "model.safetensors" ? dirname(path) : path, path };
}
