/** The models that the page offers, each with settings under which it learns in the time that a person waits. */
import { babyDefaults } from "../../src/train/resolve.ts";
import { complete, trainOptions } from "../../src/train/settings.ts";
import type { ModelChoice, TrainChoice } from "../engine/protocol.ts";

export const presetNames = ["tiny", "baby", "d6", "d12", "own", "opened"] as const;

export type PresetName = (typeof presetNames)[number];

/** What can be changed about a run; what is left out is the preset's, then the command's default for the model. */
export type Settings = Omit<TrainChoice, "model">;

/** The sizes of a model of one's own. */
export interface Sizes {
  readonly L: number;
  readonly NH: number;
  readonly C: number;
}

export const tinySizes: Sizes = { L: 2, NH: 2, C: 64 };

export function modelOf(preset: PresetName, own: Sizes): ModelChoice {
  if (preset === "opened") return { kind: "opened" };
  if (preset === "own") return { kind: "custom", ...own };
  if (preset === "tiny") return { kind: "custom", ...tinySizes };
  return { kind: "preset", name: preset };
}

/** What the page chooses where a person chose nothing. `steps`: what the person chose of it. */
export function presetSettings(preset: PresetName, steps?: number): Settings {
  switch (preset) {
    case "baby":
      return watched(steps ?? trainOptions.steps.baby);
    case "tiny":
      return { ...fromScratch(steps ?? 1500, 2e-3), batch: 16, block: 32 };
    case "own":
      return { ...fromScratch(steps ?? 2000, 1e-3), batch: 12, block: 64 };
    case "d6":
      return { ...fromScratch(steps ?? 1000, 1e-3), batch: 8, block: 128 };
    case "d12":
      return { ...fromScratch(steps ?? 500, 6e-4), batch: 4, block: 64 };
    case "opened":
      return watched(steps ?? 200);
  }
}

/** As nanoGPT trains small models, and the command `baby`. */
const likeBaby = complete(["beta2", "weightDecay", "gradClip", "schedule", "finalFraction", "order"], babyDefaults());

function fromScratch(steps: number, learningRate: number): Settings {
  const warmupSteps = Math.ceil(Math.min(trainOptions.warmupSteps.baby, steps / 20));
  return { ...watched(steps), ...likeBaby, learningRate, warmupSteps };
}

/**
 * Somebody looks on: a text and a validation now and then, forty of them in a run, but not so many that they take longer
 * than the updates between them; and none at the end that takes long.
 */
function watched(steps: number): Settings {
  const every = Math.min(Math.max(1, steps), Math.max(25, Math.round(steps / 40)));
  return { steps, valEvery: every, valBatches: 10, finalValBatches: 40, sampleEvery: every, sampleTokens: 200 };
}
