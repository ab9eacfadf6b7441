/** What a person chose to train, and what it comes to: the form's signals. */
import { computed, effect, signal } from "@preact/signals";
import { LlmError } from "../../src/errors.ts";
import { fits } from "../../src/train/setting-rules.ts";
import { trainOptions } from "../../src/train/settings.ts";
import { engine } from "../engine/client.ts";
import type { Estimate, TrainChoice } from "../engine/protocol.ts";
import {
  type FieldName,
  type FieldProblems,
  type FieldValues,
  fieldNames,
  fieldProblems,
  formFields,
  ownFields,
} from "./fields.ts";
import { modelOf, type PresetName, presetSettings, type Settings, type Sizes } from "./presets.ts";
import { data, device, isBusy, model } from "./state.ts";

export const preset = signal<PresetName>("baby");
export const own = signal<Sizes>({ L: 4, NH: 4, C: 128 });
/** Settings that were changed by hand. */
export const changed = signal<Settings>({});

/** What was changed, and what the preset chooses where nothing was. The block is that of a model of one's own alone. */
const chosen = computed<Settings>(() => {
  const { block, ...others } = changed.value;
  const isOwn = preset.value === "own" && block !== undefined;
  const steps = fits(formFields.steps, others.steps) ? others.steps : undefined;
  return { ...presetSettings(preset.value, steps), ...others, ...(isOwn && { block }) };
});

export const choice = computed<TrainChoice>(() => ({ model: modelOf(preset.value, own.value), ...chosen.value }));

export function change(settings: Settings): void {
  changed.value = { ...changed.value, ...settings };
}

/** What the choice comes to; undefined before it is known. */
export const estimate = signal<Estimate | undefined>();
/** Why the choice cannot be trained, in the engine's words. */
export const problem = signal<string | undefined>();
/** The estimate is of the choice as it is now. */
export const isCurrent = signal(false);

/** Every setting as it is: what was changed, the preset's, and what the engine fills in. */
export const settings = computed<Settings>(() => ({ ...estimate.value?.settings, ...chosen.value }));

/** The numbers in the form's fields. */
export const values = computed<FieldValues>(() => {
  const { L: layers, NH: heads, C: channels } = own.value;
  const { seed = trainOptions.seed.default, ...others } = settings.value;
  return { ...others, seed, layers, heads, channels };
});

/** What is wrong with them, field by field. */
export const problems = computed<FieldProblems>(() => {
  const shown = preset.value === "own" ? fieldNames : fieldNames.filter((name) => !ownFields.includes(name));
  return fieldProblems(values.value, shown, settings.value.schedule !== "constant");
});

export const isValid = computed(() => Object.keys(problems.value).length === 0);

export const canStart = computed(
  () => isValid.value && !isBusy.value && data.value !== undefined && isCurrent.value && problem.value === undefined,
);

/** A number was typed into a field. */
export function setField(name: FieldName, value: number): void {
  if (name === "layers") own.value = { ...own.value, L: value };
  else if (name === "heads") own.value = { ...own.value, NH: value };
  else if (name === "channels") own.value = { ...own.value, C: value };
  else change({ [name]: value } satisfies Settings);
}

/** A choice is estimated when nothing has changed for so many milliseconds. */
const settle = 120;

effect(() => {
  const asked = choice.value;
  const isReady = data.value !== undefined && device.value !== undefined && !isBusy.value;
  const needsModel = asked.model.kind === "opened" && model.value === undefined;
  isCurrent.value = false;
  if (!isReady || needsModel || !isValid.value) return;
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
