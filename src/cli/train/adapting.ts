/** Of `--lora-rank`: what can be adapted, and how the adapter names it. */
import { dirname, resolve } from "node:path";
import type { BaseModel } from "../../api/adapter-base.ts";
import { UsageError } from "../../errors.ts";
import { adapterFiles } from "../../format/adapter.ts";
import { type GPT2Config, pretrainedFile } from "../../model/config.ts";
import { nameOf } from "../../platform/paths.ts";
import { quoted } from "../../platform/quoted.ts";
import type { TrainOption } from "../../train/setting-rules.ts";
import { sections } from "../../train/settings.ts";
import { suggestion, withoutOptions } from "../suggest.ts";
import type { ModelChoice } from "./model.ts";
import { longFlag } from "./options.ts";

/** UsageError for a model that is itself one with an adapter, and for data with tokens that it has no embeddings of. */
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
