import { expect, test } from "vitest";
import { fits } from "../../src/train/setting-rules.ts";
import { trainOptions } from "../../src/train/settings.ts";
import { type FieldName, type FieldValues, fieldNames, fieldProblems, formFields } from "./fields.ts";

const values: FieldValues = {
  ...{ layers: 4, heads: 4, channels: 128, block: 64, steps: 2000, batch: 12, learningRate: 1e-3, warmupSteps: 100 },
  ...{ weightDecay: 0.1, gradClip: 1, seed: 42, valEvery: 50, sampleEvery: 50, sampleTokens: 200 },
};
const invalid = (some: Partial<FieldValues>) => Object.keys(fieldProblems({ ...values, ...some }, fieldNames, true));

test("the form's ranges lie inside the engine's", () => {
  for (const name of fieldNames) {
    const { min, max = Number.MAX_VALUE } = formFields[name];
    for (const value of [min, max]) expect(fits(trainOptions[name], value), `${name} ${value}`).toBe(true);
  }
  expect(invalid({})).toEqual([]);
});

test.each<[FieldName, number]>([
  ["steps", 1.5],
  ["steps", 1e300],
  ["steps", 0],
  ["steps", Number.NaN],
  ["valEvery", -1],
  ["batch", 0],
  ["learningRate", -1],
  ["learningRate", Number.POSITIVE_INFINITY],
  ["warmupSteps", 1.5],
  ["warmupSteps", 2001],
  ["seed", 2 ** 53],
  ["block", 0],
  ["heads", 0],
  ["channels", 130],
  ["sampleTokens", 0],
  ["gradClip", -0.5],
  ["weightDecay", -1],
])("%s: %d is refused", (name, value) => {
  expect(invalid({ [name]: value })).toEqual([name]);
});

test.each([
  [130, 4, 128, 132],
  [3, 4, 0, 4],
])("%d channels and %d heads: the nearest multiples are %d and %d", (channels, heads, below, above) => {
  const found = fieldProblems({ ...values, channels, heads }, fieldNames, true);
  expect(found).toEqual({ channels: { kind: "heads", channels, heads, below, above } });
});

test("hidden fields have no errors, nor has the warm-up of a constant schedule", () => {
  const shown = fieldNames.filter((name) => name !== "channels");
  expect(fieldProblems({ ...values, channels: 130 }, shown, true)).toEqual({});
  expect(fieldProblems({ ...values, warmupSteps: 3000 }, shown, false)).toEqual({});
});
