import { expect, test } from "vitest";
import { settingsOf } from "./resolve.ts";
import { expectation, fits, whole } from "./setting-rules.ts";
import { settingNames, trainOptions } from "./settings.ts";

test("every setting has a default, which keeps to its rule", () => {
  for (const model of ["gpt2", "baby"]) {
    const settings = settingsOf({ model }, 1024);
    for (const name of settingNames) expect(fits(trainOptions[name], settings[name]), name).toBe(true);
  }
});

test.each([
  [
    "batch",
    [1, 65536],
    [0, 1.5, -1, 65537, Number.NaN, "3", undefined, null],
    "a whole number of sequences from 1 to 65536",
  ],
  ["steps", [-1, 0, 2 ** 53 - 1], [-2, -5, 1.5, 1e300, 2 ** 53], "a whole number of updates, -1 or more"],
  ["seed", [0, 4294967295], [1.5, -1, 2 ** 32], "a whole number from 0 to 4294967295"],
  ["keep", [0, 2], [-1, 0.5, false], "a whole number of checkpoints, 0 or more"],
  ["learningRate", [0, 1e-4, 1e30], [-1, Number.POSITIVE_INFINITY, Number.NaN, "1"], "a number, 0 or more"],
  ["finalFraction", [0, 0.5, 1], [-0.1, 1.1], "a number from 0 to 1"],
  ["beta1", [0, 0.9], [-0.1, 1, 0.99999999], "a number from 0 to 0.999999"],
  ["order", ["file", "shuffle", "random"], ["File", "", 0, undefined], "one of file, shuffle, random"],
  ["overfit", [true, false], [0, 1, "true", undefined], "true or false"],
  ["model", ["gpt2", "a b"], ["", 0, undefined, null], "a name or path"],
] as const)("%s", (name, good, bad, expected) => {
  const rule = trainOptions[name];
  for (const value of good) expect(fits(rule, value), String(value)).toBe(true);
  for (const value of bad) expect(fits(rule, value), String(value)).toBe(false);
  expect(expectation(rule)).toBe(expected);
});

test("the largest whole number is named to whoever is above it", () => {
  expect(expectation(whole(0), 2 ** 53)).toBe("a whole number from 0 to 9007199254740991");
  expect(expectation(whole(0), -1)).toBe("a whole number, 0 or more");
  expect(expectation(trainOptions.steps, 2 ** 53)).toBe("a whole number of updates from -1 to 9007199254740991");
});
