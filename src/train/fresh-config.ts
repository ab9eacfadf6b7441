import { UsageError } from "../errors.ts";
import { architectureIn, type GPT2Config, makeConfig, presetConfig } from "../model/config.ts";
import type { RunChoices } from "./settings.ts";

/** Small presets have no fixed longest sequence: a longer block makes a longer one. */
const small = ["baby", "custom"];

/**
 * The configuration of a new model: a preset, or custom sizes (`custom`). `dataV` is the
 * vocabulary of the data. UsageError for invalid sizes.
 */
export function freshConfig(choices: RunChoices, dataV: number): GPT2Config {
  const { model = "", layers, heads, channels, context, vocab: V = dataV, block = 0 } = choices;
  const preset = presetConfig(model === "custom" ? "baby" : model, V);
  if (!preset) throw new UsageError(`There is no preset "${model}".`);
  const { L = preset.L, NH = preset.NH, C = preset.C } = { L: layers, NH: heads, C: channels };
  const longest = small.includes(model) ? Math.max(preset.maxT, block) : preset.maxT;
  return makeConfig({ L, NH, C, V, maxT: context ?? longest, ...architectureIn({ ...choices }) });
}
