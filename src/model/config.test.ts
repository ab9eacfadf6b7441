import { describe, expect, test } from "vitest";
import { UsageError } from "../errors.ts";
import { configProblem, makeConfig, presetConfig, presetNames, pretrainedFile } from "./config.ts";
import { parameterCount } from "./parameters.ts";

test("GPT-2 124M has llm.c's 124,475,904 parameters", () => {
  const config = presetConfig("d12", 50257);
  expect(config).toMatchObject({
    maxT: 1024,
    V: 50257,
    Vp: 50304,
    L: 12,
    NH: 12,
    C: 768,
    hidden: 3072,
    epsilon: 1e-5,
    gelu: "tanh",
  });
  expect(config && parameterCount(config)).toBe(124_475_904);
});

test("every preset is a model", () => {
  for (const name of presetNames) {
    const config = presetConfig(name, 65);
    expect(config && configProblem(config)).toBeUndefined();
    expect(config?.V).toBe(65);
  }
  expect(presetConfig("toString", 65)).toBeUndefined();
});

test("pretrained names stand for files", () => {
  expect(pretrainedFile("gpt2")).toBe("gpt2_124M.bin");
  expect(pretrainedFile("gpt2-xl")).toBe("gpt2_1558M.bin");
  expect(pretrainedFile("d12")).toBeUndefined();
  expect(pretrainedFile("constructor")).toBeUndefined();
});

describe("sizes that do not fit", () => {
  const sizes = { maxT: 8, V: 100, L: 1, NH: 2, C: 8 };

  test.each([
    [{ NH: 3 }, "C = 8 channels cannot be divided among NH = 3 heads"],
    [{ Vp: 99 }, "V = 100 tokens do not fit Vp = 99 rows"],
    [{ L: 0 }, "L is 0"],
    [{ maxT: 1.5 }, "maxT is 1.5"],
    [{ C: 2 ** 30, hidden: 8 }, "C is 1073741824"],
    [{ V: Number.NaN }, "V is NaN"],
    [{ epsilon: 0 }, "epsilon is 0"],
    [{ C: 6, positions: "rotary" as const }, "C / NH = 3 channels a head, expected an even number"],
  ])("%o", (change, message) => {
    expect(() => makeConfig({ ...sizes, ...change })).toThrow(UsageError);
    expect(() => makeConfig({ ...sizes, ...change })).toThrow(message);
  });
});
