/** Resolves the user's selection to the settings of a run, those that `llm-ts train` would have. */
import { requireFit } from "../../src/api/model-tokenizer.ts";
import { checkLength } from "../../src/data/loader.ts";
import { InputError, UsageError } from "../../src/errors.ts";
import type { GPT2Config } from "../../src/model/config.ts";
import { sameTokens } from "../../src/tokenizer/tokenizer.ts";
import { checkSettings, checkWarmup } from "../../src/train/checks.ts";
import { freshConfig } from "../../src/train/fresh-config.ts";
import { settingsOf } from "../../src/train/resolve.ts";
import type { RunChoices, TrainSettings } from "../../src/train/settings.ts";
import type { Prepared } from "./data.ts";
import type { LoadedModel } from "./model-slot.ts";
import type { TrainChoice } from "./protocol.ts";

/** A run as chosen, resolved; nothing is loaded or made. */
export interface RunChoice {
  /** The options that the command would be given. */
  readonly given: RunChoices & { readonly model: string; readonly train: string };
  readonly config: GPT2Config;
  readonly settings: TrainSettings;
  /** The model whose weights training starts from; undefined: a fresh one. */
  readonly start?: LoadedModel;
  /** A warning for the user. */
  readonly remark?: string;
}

/** UsageError or InputError for invalid sizes and settings. */
export function readChoice(choice: TrainChoice, data: Prepared, loaded: LoadedModel | undefined): RunChoice {
  const { model, ...settings } = choice;
  checkSettings(settings);
  const given = { ...settings, ...modelChoices(model, loaded), train: data.folder };
  const start = model.kind === "opened" ? requireLoaded(loaded, data) : undefined;
  const config = start?.model.config ?? freshConfig(given, data.summary.vocabSize);
  const complete = settingsOf(given, config.maxT);
  if (!valFits(data, complete)) return { given, config, settings: complete, start, remark: remarkOf(data) };
  return { given: { ...given, val: data.folder }, config, settings: complete, start };
}

/** InputError or UsageError if the data is too short for the settings, or these contradict each other. */
export function checkChoice({ settings }: RunChoice, { summary }: Prepared): void {
  const { batch: B, block: T, order, steps } = settings;
  checkLength({ name: summary.name || "The text", count: summary.trainTokens }, { B, T, order });
  checkWarmup(settings, steps);
}

function modelChoices(model: TrainChoice["model"], loaded: LoadedModel | undefined) {
  if (model.kind === "preset") return { model: model.name };
  if (model.kind === "opened") return { model: loaded?.name ?? "" };
  return { model: "custom", layers: model.L, heads: model.NH, channels: model.C };
}

function requireLoaded(loaded: LoadedModel | undefined, { tokenizer, summary }: Prepared): LoadedModel {
  if (!loaded) throw new UsageError("There is no model to train on: open one first, or choose a new one.");
  const { config, tokenizer: reads } = loaded.model;
  if (tokenizer) requireFit(tokenizer, config.V);
  if (tokenizer && reads && !sameTokens(tokenizer.tokens(), reads.tokens()))
    throw new InputError(
      `${summary.name || "The text"} was prepared with another vocabulary than ${loaded.name} was trained with: both have ` +
        `${config.V} tokens, but not the same ones. Train a new model on it.`,
    );
  return loaded;
}

/** True if the validation data is enough for one batch, which is read in the order of the file. */
function valFits({ summary: { valTokens } }: Prepared, { batch, block }: TrainSettings): boolean {
  return valTokens > batch * block;
}

function remarkOf({ summary: { valTokens } }: Prepared): string | undefined {
  if (valTokens === 0) return undefined;
  return `The ${valTokens} tokens kept for validation are fewer than a batch needs: this run has no validation.`;
}
