import { expect, test } from "vitest";
import { learningRateAt } from "../../src/train/schedule.ts";
import { modelOf, presetNames, presetSettings } from "./presets.ts";

const own = { L: 3, NH: 5, C: 40 };

test("a preset is the command's, or a custom model", () => {
  expect(modelOf("baby", own)).toEqual({ kind: "preset", name: "baby" });
  expect(modelOf("tiny", own)).toEqual({ kind: "custom", L: 2, NH: 2, C: 64 });
  expect(modelOf("own", own)).toEqual({ kind: "custom", ...own });
  expect(modelOf("opened", own)).toEqual({ kind: "opened" });
});

test.each(presetNames)("%s writes about forty samples in a long run, fewer in a short one, at least one", (preset) => {
  const texts = [1, 7, 200, 2000, 100_000].map((steps) => {
    const { sampleEvery = 0, valEvery = 0, warmupSteps = 0, steps: planned } = presetSettings(preset, steps);
    expect(planned).toBe(steps);
    expect(valEvery).toBe(sampleEvery);
    expect(warmupSteps).toBeLessThanOrEqual(Math.ceil(steps / 20));
    return Math.floor(steps / sampleEvery);
  });
  expect(texts).toEqual([1, 1, 8, 40, 40]);
});

test("a short run still reaches its peak rate", () => {
  const { steps = 0, learningRate = 0, schedule, warmupSteps, finalFraction } = presetSettings("tiny", 3);
  const options = { schedule, warmupSteps, finalFraction };
  const rates = [0, 1, 2].map((step) => learningRateAt(step, steps, learningRate, options));
  expect(Math.max(...rates)).toBe(learningRate);
});
