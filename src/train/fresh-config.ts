import { UsageError } from "../errors.ts";
import { architectureIn, type GPT2Config, makeConfig, presetConfig } from "../model/config.ts";
import { depthSizes, requireDepthModel } from "./depth.ts";
import type { RunChoices } from "./settings.ts";

/** Small presets have no fixed longest sequence: a longer block makes a longer one. */
const small = ["baby", "custom"];

/**
 * The configuration of a new model: a preset, custom sizes (`custom`), or those of a `depth`. `dataV` is the
 * vocabulary of the data. UsageError for invalid sizes.
 */
export function freshConfig(choices: RunChoices, dataV: number): GPT2Config {
  const { model = "", depth, layers, heads, channels, context, vocab: V = dataV, block = 0 } = choices;
  requireDepthModel(choices);
  const sizes = depth === undefined ? presetConfig(model === "custom" ? "baby" : model, V) : depthSizes(depth);
  if (!sizes) throw new UsageError(`There is no preset "${model}".`);
  const { L = sizes.L, NH = sizes.NH, C = sizes.C } = { L: layers, NH: heads, C: channels };
  const isOpen = depth !== undefined || small.includes(model);
  const longest = isOpen ? Math.max(sizes.maxT, block) : sizes.maxT;
  return makeConfig({ L, NH, C, V, maxT: context ?? longest, ...architectureIn({ ...choices }) });
}
