/** The numbers that the form asks for, each with its range, which lies within the engine's. Their labels are in train/setup-text.ts. */
import { fits, type NumberRule } from "../../src/train/setting-rules.ts";
import { trainOptions } from "../../src/train/settings.ts";

export type FormField = NumberRule & {
  readonly unit?: "updates" | "tokens" | "sequences";
  /** The meaning of 0. */
  readonly zero?: "never" | "none";
};

/** More updates than anybody's tab makes. */
const most = 1e9;

export const formFields = {
  layers: trainOptions.layers,
  heads: trainOptions.heads,
  channels: trainOptions.channels,
  block: trainOptions.block,
  steps: { ...trainOptions.steps, min: 1, max: most, unit: undefined },
  batch: trainOptions.batch,
  learningRate: { ...trainOptions.learningRate, max: 1000 },
  warmupSteps: { ...trainOptions.warmupSteps, max: most },
  weightDecay: { ...trainOptions.weightDecay, max: 1000 },
  gradClip: { ...trainOptions.gradClip, max: 1e6 },
  seed: trainOptions.seed,
  valEvery: { ...trainOptions.valEvery, max: most },
  sampleEvery: { ...trainOptions.sampleEvery, max: most },
  sampleTokens: { ...trainOptions.sampleTokens, max: 100_000, unit: undefined },
} as const satisfies Readonly<Record<string, FormField>>;

export type FieldName = keyof typeof formFields;

export const fieldNames = Object.keys(formFields) as FieldName[];

/** Fields of a model of one's own, which are not shown for others. */
export const ownFields: readonly FieldName[] = ["layers", "heads", "channels", "block"];

export type FieldValues = Readonly<Partial<Record<FieldName, number>>>;

/** What is wrong with a field, alone or with others. */
export type FieldProblem =
  | { readonly kind: "range"; readonly rule: NumberRule }
  | { readonly kind: "warmup"; readonly steps: number }
  | { readonly kind: "heads"; readonly channels: number; readonly heads: number };

export type FieldProblems = Partial<Record<FieldName, FieldProblem>>;

/** What is wrong with those of the fields that are shown. A value that is not known yet is none. */
export function fieldProblems(values: FieldValues, shown: readonly FieldName[], hasWarmup: boolean): FieldProblems {
  const isOkay = (name: FieldName) => values[name] === undefined || fits(formFields[name], values[name]);
  const problems: FieldProblems = {};
  for (const name of shown) if (!isOkay(name)) problems[name] = { kind: "range", rule: formFields[name] };
  const { steps = 0, warmupSteps = 0, channels = 0, heads = 1 } = values;
  if (hasWarmup && !problems.steps && warmupSteps > steps) problems.warmupSteps ??= { kind: "warmup", steps };
  const areSizes = shown.includes("channels") && !problems.channels && !problems.heads;
  if (areSizes && channels % heads !== 0) problems.channels = { kind: "heads", channels, heads };
  return problems;
}
