/** The page's models, with settings for short runs. */
import { babyDefaults } from "../../src/train/resolve.ts";
import { complete, trainOptions } from "../../src/train/settings.ts";
import type { ModelChoice, TrainChoice } from "../engine/protocol.ts";

export const presetNames = ["tiny", "baby", "d6", "d12", "own", "opened"] as const;

export type PresetName = (typeof presetNames)[number];

/** Settings of a run. Absent ones are the preset's, else the command's default for the model. */
export type Settings = Omit<TrainChoice, "model">;

/** Sizes of a custom model. */
export interface Sizes {
  readonly L: number;
  readonly NH: number;
  readonly C: number;
}

const tinySizes: Sizes = { L: 2, NH: 2, C: 64 };

export function modelOf(preset: PresetName, own: Sizes): ModelChoice {
  if (preset === "opened") return { kind: "opened" };
  if (preset === "own") return { kind: "custom", ...own };
  if (preset === "tiny") return { kind: "custom", ...tinySizes };
  return { kind: "preset", name: preset };
}

/** The page's settings for a preset. `steps`: the user's selection, if any. */
export function presetSettings(preset: PresetName, steps?: number): Settings {
  switch (preset) {
    case "baby":
      return withSamples(steps ?? trainOptions.steps.baby);
    case "tiny":
      return { ...fromScratch(steps ?? 1500, 2e-3), batch: 16, block: 32 };
    case "own":
      return { ...fromScratch(steps ?? 2000, 1e-3), batch: 12, block: 64 };
    case "d6":
      return { ...fromScratch(steps ?? 1000, 1e-3), batch: 8, block: 128 };
    case "d12":
      return { ...fromScratch(steps ?? 500, 6e-4), batch: 4, block: 64 };
    case "opened":
      return withSamples(steps ?? 200);
  }
}

/** The command's defaults for `baby`: nanoGPT's for small models. */
const likeBaby = complete(["beta2", "weightDecay", "gradClip", "schedule", "finalFraction", "order"], babyDefaults());

function fromScratch(steps: number, learningRate: number): Settings {
  const warmupSteps = Math.ceil(Math.min(trainOptions.warmupSteps.baby, steps / 20));
  return { ...withSamples(steps), ...likeBaby, learningRate, warmupSteps };
}

/**
 * Forty samples and short validations in a run, fewer in short runs, where they would take longer than the updates between
 * them; and a short validation at the end.
 */
function withSamples(steps: number): Settings {
  const every = Math.min(Math.max(1, steps), Math.max(25, Math.round(steps / 40)));
  return { steps, valEvery: every, valBatches: 10, finalValBatches: 40, sampleEvery: every, sampleTokens: 200 };
}
