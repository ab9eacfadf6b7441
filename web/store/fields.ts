/** The form's number fields, with ranges inside the engine's. Their labels are in train/setup-text.ts. */
import { fits, type NumberRule } from "../../src/train/setting-rules.ts";
import { trainOptions } from "../../src/train/settings.ts";

export type FormField = NumberRule & {
  readonly unit?: "updates" | "tokens" | "sequences";
  /** The meaning of 0. */
  readonly zero?: "never" | "none";
};

/** Limit for numbers of updates, more than any tab makes. */
const maxUpdates = 1e9;

export const formFields = {
  layers: trainOptions.layers,
  heads: trainOptions.heads,
  channels: trainOptions.channels,
  block: trainOptions.block,
  steps: { ...trainOptions.steps, min: 1, max: maxUpdates, unit: undefined },
  batch: trainOptions.batch,
  learningRate: { ...trainOptions.learningRate, max: 1000 },
  warmupSteps: { ...trainOptions.warmupSteps, max: maxUpdates },
  weightDecay: { ...trainOptions.weightDecay, max: 1000 },
  gradClip: { ...trainOptions.gradClip, max: 1e6 },
  seed: trainOptions.seed,
  valEvery: { ...trainOptions.valEvery, max: maxUpdates },
  sampleEvery: { ...trainOptions.sampleEvery, max: maxUpdates },
  sampleTokens: { ...trainOptions.sampleTokens, max: 100_000, unit: undefined },
} as const satisfies Readonly<Record<string, FormField>>;

export type FieldName = keyof typeof formFields;

export const fieldNames = Object.keys(formFields) as FieldName[];

/** Fields of a custom model, shown for it only. */
export const ownFields: readonly FieldName[] = ["layers", "heads", "channels", "block"];

export type FieldValues = Readonly<Partial<Record<FieldName, number>>>;

/** An error of one field, or of several together. */
export type FieldProblem =
  | { readonly kind: "range"; readonly rule: NumberRule }
  | { readonly kind: "warmup"; readonly steps: number }
  /** `heads` does not divide `channels`; `below` and `above` are the nearest multiples, `below` may be 0. */
  | {
      readonly kind: "heads";
      readonly channels: number;
      readonly heads: number;
      readonly below: number;
      readonly above: number;
    };

export type FieldProblems = Partial<Record<FieldName, FieldProblem>>;

/** Errors of the fields shown. Values not known yet have none. */
export function fieldProblems(values: FieldValues, shown: readonly FieldName[], hasWarmup: boolean): FieldProblems {
  const isOkay = (name: FieldName) => values[name] === undefined || fits(formFields[name], values[name]);
  const problems: FieldProblems = {};
  for (const name of shown) if (!isOkay(name)) problems[name] = { kind: "range", rule: formFields[name] };
  const { steps = 0, warmupSteps = 0, channels = 0, heads = 1 } = values;
  if (hasWarmup && !problems.steps && warmupSteps > steps) problems.warmupSteps ??= { kind: "warmup", steps };
  const areSizes = shown.includes("channels") && !problems.channels && !problems.heads;
  const below = channels - (channels % heads);
  if (areSizes && below !== channels)
    problems.channels = { kind: "heads", channels, heads, below, above: below + heads };
  return problems;
}
