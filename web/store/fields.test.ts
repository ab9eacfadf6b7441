import { expect, test } from "vitest";
import { fits } from "../../src/train/setting-rules.ts";
import { trainOptions } from "../../src/train/settings.ts";
import { type FieldName, type FieldValues, fieldNames, fieldProblems, formFields } from "./fields.ts";

const values: FieldValues = {
  ...{ layers: 4, heads: 4, channels: 128, block: 64, steps: 2000, batch: 12, learningRate: 1e-3, warmupSteps: 100 },
  ...{ weightDecay: 0.1, gradClip: 1, seed: 42, valEvery: 50, sampleEvery: 50, sampleTokens: 200 },
};
const wrongs = (some: Partial<FieldValues>) => Object.keys(fieldProblems({ ...values, ...some }, fieldNames, true));

test("what the form takes the engine takes", () => {
  for (const name of fieldNames) {
    const { min, max = Number.MAX_VALUE } = formFields[name];
    for (const value of [min, max]) expect(fits(trainOptions[name], value), `${name} ${value}`).toBe(true);
  }
  expect(wrongs({})).toEqual([]);
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
  expect(wrongs({ [name]: value })).toEqual([name]);
});

test("fields that are not shown stand in nobody's way, nor does a warm-up that there is not", () => {
  const shown = fieldNames.filter((name) => name !== "channels");
  expect(fieldProblems({ ...values, channels: 130 }, shown, true)).toEqual({});
  expect(fieldProblems({ ...values, warmupSteps: 3000 }, shown, false)).toEqual({});
});
