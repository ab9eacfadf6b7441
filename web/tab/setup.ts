/** What a person chose to train, and what it comes to: the form's signals. */
import { computed, effect, signal } from "@preact/signals";
import { LlmError } from "../../src/errors.ts";
import { engine } from "../engine/client.ts";
import type { Estimate, TrainChoice } from "../engine/protocol.ts";
import { modelOf, type PresetName, presetSettings, type Settings, type Sizes } from "./presets.ts";
import { data, device, isBusy, model } from "./state.ts";

export const preset = signal<PresetName>("baby");
export const own = signal<Sizes>({ L: 4, NH: 4, C: 128 });
/** Settings that were changed by hand. */
export const changed = signal<Settings>({});

export const choice = computed<TrainChoice>(() => ({
  model: modelOf(preset.value, own.value),
  ...presetSettings(preset.value, changed.value.steps),
  ...changed.value,
}));

export function change(settings: Settings): void {
  changed.value = { ...changed.value, ...settings };
}

/** What the choice comes to; undefined before it is known. */
export const estimate = signal<Estimate | undefined>();
/** Why the choice cannot be trained, in the engine's words. */
export const problem = signal<string | undefined>();
/** The estimate is of the choice as it is now. */
export const isCurrent = signal(false);

export const canStart = computed(
  () => !isBusy.value && data.value !== undefined && isCurrent.value && problem.value === undefined,
);

/** Every setting as it is: what was changed, the preset's, and what the engine fills in. */
export const settings = computed<Settings>(() => ({
  ...estimate.value?.settings,
  ...presetSettings(preset.value, changed.value.steps),
  ...changed.value,
}));

/** A choice is estimated when nothing has changed for so many milliseconds. */
const settle = 120;

effect(() => {
  const asked = choice.value;
  const isReady = data.value !== undefined && device.value !== undefined && !isBusy.value;
  const needsModel = asked.model.kind === "opened" && model.value === undefined;
  isCurrent.value = false;
  if (!isReady || needsModel) return;
  let isOld = false;
  const timer = setTimeout(async () => {
    const found = await ask(asked);
    if (isOld) return;
    if (found.estimate) estimate.value = found.estimate;
    problem.value = found.problem;
    isCurrent.value = true;
  }, settle);
  return () => {
    isOld = true;
    clearTimeout(timer);
  };
});

async function ask(asked: TrainChoice): Promise<{ estimate?: Estimate; problem?: string }> {
  try {
    const found = await engine.estimate(asked);
    return { estimate: found, problem: found.problem };
  } catch (error) {
    if (error instanceof LlmError) return { problem: error.message };
    throw error;
  }
}
