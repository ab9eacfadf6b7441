import { expect, test } from "vitest";
import { UsageError } from "../errors.ts";
import { presetConfig } from "../model/config.ts";
import { depthSizes, describeDepth } from "./depth.ts";
import { freshConfig } from "./fresh-config.ts";
import { settingsOf } from "./resolve.ts";
import type { RunChoices } from "./settings.ts";

const at = (choices: RunChoices & { readonly depth: number }, size = 1) => {
  const config = freshConfig(choices, 100);
  return { config, settings: settingsOf(choices, config.maxT, { rank: 0, size }) };
};

test("depth 12 is GPT-2 124M", () => {
  expect(at({ depth: 12 }).config).toEqual(presetConfig("d12", 100));
  expect(at({ depth: 12, model: "d12" }).config).toEqual(presetConfig("d12", 100));
});

test.each([
  [1, { NH: 1, C: 64, maxT: 64 }, { batch: 8, block: 64, accumulate: 1, steps: 1152, learningRate: 0.00208 }],
  [2, { NH: 2, C: 128, maxT: 128 }, { batch: 16, block: 128, accumulate: 1, steps: 2304, learningRate: 0.00147 }],
  [4, { NH: 4, C: 256, maxT: 256 }, { batch: 16, block: 256, accumulate: 2, steps: 4608, learningRate: 0.00104 }],
  [6, { NH: 6, C: 384, maxT: 512 }, { batch: 8, block: 512, accumulate: 4, steps: 7776, learningRate: 0.000849 }],
  [12, { NH: 12, C: 768, maxT: 1024 }, { batch: 4, block: 1024, accumulate: 18, steps: 13824, learningRate: 0.0006 }],
  [
    24,
    { NH: 24, C: 1536, maxT: 1024 },
    { batch: 4, block: 1024, accumulate: 72, steps: 27648, learningRate: 0.000424 },
  ],
])("depth %i", (depth, sizes, settings) => {
  const found = at({ depth });
  expect(found.config).toMatchObject({ L: depth, ...sizes });
  expect(found.settings).toMatchObject({ ...settings, schedule: "cosine", order: "random", gradClip: 1 });
  // As in the comment: 12 tokens for each of 12 L C^2 parameters.
  const { batch, block, accumulate, steps } = found.settings;
  const tokens = batch * block * accumulate * steps;
  expect(Math.abs(tokens / (12 * 12 * depth * (64 * depth) ** 2) - 1)).toBeLessThan(0.01);
});

test("what is chosen takes precedence, and the rest follows", () => {
  const small = at({ depth: 4, channels: 128, heads: 2, context: 128, learningRate: 1e-4 });
  expect(small.config).toMatchObject({ L: 4, C: 128, NH: 2, maxT: 128 });
  expect(small.settings).toMatchObject({ block: 128, batch: 32, accumulate: 2, learningRate: 1e-4 });
  const long = at({ depth: 4, block: 512 });
  expect(long.config.maxT).toBe(512);
  expect(long.settings).toMatchObject({ block: 512, batch: 8, accumulate: 2 });
  expect(at({ depth: 4, batch: 4 }).settings).toMatchObject({ batch: 4, accumulate: 8, totalBatch: 8192 });
  expect(at({ depth: 4, totalBatch: 4096 }).settings).toMatchObject({ accumulate: 1, steps: 9216 });
  expect(at({ depth: 4, steps: 100 }).settings).toMatchObject({ steps: 100, warmupSteps: 5, valEvery: 6 });
  expect(at({ depth: 4, steps: -1 }).settings).toMatchObject({ steps: -1, warmupSteps: 230 });
});

test("processes share the tokens of an update, in whole batches", () => {
  expect(at({ depth: 4 }, 2).settings).toMatchObject({ batch: 16, accumulate: 1, totalBatch: 8192 });
  expect(at({ depth: 6 }, 3).settings).toMatchObject({ batch: 8, accumulate: 1, totalBatch: 12288 });
  expect(at({ depth: 2 }, 5).settings).toMatchObject({ batch: 16, accumulate: 1, totalBatch: 10240 });
});

test("a model that is another one is refused", () => {
  expect(() => at({ depth: 4, model: "baby" })).toThrow(UsageError);
  expect(() => at({ depth: 24, model: "d24" })).toThrow(
    /--depth 24 makes a new model, and --model \(-e\) d24 is another/,
  );
  expect(at({ depth: 3, model: "custom" }).config.L).toBe(3);
});

test("a description has what counts", () => {
  const { config, settings } = at({ depth: 4 });
  expect(describeDepth(4, config, settings)).toBe(
    "depth 4: 4 layers, 4 heads, 256 channels, context 256; 8,192 tokens an update (2 x 16 x 256), learning rate 0.00104",
  );
  expect(depthSizes(64)).toEqual({ L: 64, NH: 64, C: 4096, maxT: 1024 });
});
