/** State of the setup form: the user's selection, its estimate and its errors. */
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
import { data, device, isBusy, model, pendingBackend } from "./state.ts";

export const preset = signal<PresetName>("baby");
export const own = signal<Sizes>({ L: 4, NH: 4, C: 128 });
/** Settings that were changed by hand. */
export const changed = signal<Settings>({});

/** The changed settings over the preset's. A changed block applies to custom models only. */
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

/** Resources of the run; undefined before the first estimate. */
export const estimate = signal<Estimate | undefined>();
/** The engine's message if the run cannot start. */
export const problem = signal<string | undefined>();
/** True if the estimate is of the present choice. */
export const isCurrent = signal(false);

/** All settings in effect: changed ones, the preset's, and the engine's defaults. */
export const settings = computed<Settings>(() => ({ ...estimate.value?.settings, ...chosen.value }));

/** The numbers in the form's fields. */
export const values = computed<FieldValues>(() => {
  const { L: layers, NH: heads, C: channels } = own.value;
  const { seed = trainOptions.seed.default, ...others } = settings.value;
  return { ...others, seed, layers, heads, channels };
});

/** Errors of the fields. */
export const problems = computed<FieldProblems>(() => {
  const shown = preset.value === "own" ? fieldNames : fieldNames.filter((name) => !ownFields.includes(name));
  return fieldProblems(values.value, shown, settings.value.schedule !== "constant");
});

export const isValid = computed(() => Object.keys(problems.value).length === 0);

export const canStart = computed(
  () =>
    isValid.value &&
    !isBusy.value &&
    pendingBackend.value === undefined &&
    data.value !== undefined &&
    isCurrent.value &&
    problem.value === undefined,
);

/** Sets the number of a field. */
export function setField(name: FieldName, value: number): void {
  if (name === "layers") own.value = { ...own.value, L: value };
  else if (name === "heads") own.value = { ...own.value, NH: value };
  else if (name === "channels") own.value = { ...own.value, C: value };
  else change({ [name]: value } satisfies Settings);
}

/** Milliseconds without changes after which a choice is estimated. */
const ESTIMATE_AFTER_MS = 120;

effect(() => {
  const current = choice.value;
  const isReady = data.value !== undefined && device.value !== undefined && !isBusy.value;
  const needsModel = current.model.kind === "opened" && model.value === undefined;
  isCurrent.value = false;
  if (!isReady || needsModel || !isValid.value) return;
  let isStale = false;
  const timer = setTimeout(async () => {
    const found = await estimateOf(current);
    if (isStale) return;
    if (found.estimate) estimate.value = found.estimate;
    problem.value = found.problem;
    isCurrent.value = true;
  }, ESTIMATE_AFTER_MS);
  return () => {
    isStale = true;
    clearTimeout(timer);
  };
});

async function estimateOf(choice: TrainChoice): Promise<{ estimate?: Estimate; problem?: string }> {
  try {
    const found = await engine.estimate(choice);
    return { estimate: found, problem: found.problem };
  } catch (error) {
    if (error instanceof LlmError) return { problem: error.message };
    throw error;
  }
}
