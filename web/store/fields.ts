/**
 * The numbers that the form asks for, in one table: each with its range, which lies within the engine's, and its unit. Their
 * labels are in train/setup-text.ts.
 */
import { fits, type NumberRule, real, settingRules, whole } from "../../src/train/setting-rules.ts";

export interface FormField {
  readonly rule: NumberRule;
  readonly unit?: "updates" | "tokens" | "sequences";
  /** What 0 means. */
  readonly zero?: "never" | "none";
}

/** More updates than anybody's tab makes. */
const most = 1e9;

export const formFields = {
  layers: { rule: settingRules.layers },
  heads: { rule: settingRules.heads },
  channels: { rule: settingRules.channels },
  block: { rule: settingRules.block, unit: "tokens" },
  steps: { rule: whole(1, most) },
  batch: { rule: settingRules.batch, unit: "sequences" },
  lr: { rule: real(0, 1000) },
  warmup: { rule: whole(0, most), unit: "updates" },
  weightDecay: { rule: real(0, 1000) },
  gradClip: { rule: real(0, 1e6), zero: "none" },
  seed: { rule: settingRules.seed },
  valEvery: { rule: whole(0, most), unit: "updates", zero: "never" },
  sampleEvery: { rule: whole(0, most), unit: "updates", zero: "never" },
  sampleTokens: { rule: whole(1, 100_000) },
} as const satisfies Readonly<Record<string, FormField>>;

export type FieldName = keyof typeof formFields;

export const fieldNames = Object.keys(formFields) as FieldName[];

/** Fields of a model of one's own, which are not shown for others. */
export const ownFields: readonly FieldName[] = ["layers", "heads", "channels", "block"];

export type FieldValues = Readonly<Record<FieldName, number | undefined>>;

/** What is wrong with a field, alone or with others. */
export type FieldProblem =
  | { readonly kind: "range"; readonly rule: NumberRule }
  | { readonly kind: "warmup"; readonly steps: number }
  | { readonly kind: "heads"; readonly channels: number; readonly heads: number };

export type FieldProblems = Partial<Record<FieldName, FieldProblem>>;

/** What is wrong with those of the fields that are shown. A value that is not known yet is none. */
export function fieldProblems(values: FieldValues, shown: readonly FieldName[], hasWarmup: boolean): FieldProblems {
  const isOkay = (name: FieldName) => values[name] === undefined || fits(formFields[name].rule, values[name]);
  const problems: FieldProblems = {};
  for (const name of shown) if (!isOkay(name)) problems[name] = { kind: "range", rule: formFields[name].rule };
  const { steps = 0, warmup = 0, channels = 0, heads = 1 } = values;
  if (hasWarmup && !problems.steps && warmup > steps) problems.warmup ??= { kind: "warmup", steps };
  const areSizes = shown.includes("channels") && !problems.channels && !problems.heads;
  if (areSizes && channels % heads !== 0) problems.channels = { kind: "heads", channels, heads };
  return problems;
}
