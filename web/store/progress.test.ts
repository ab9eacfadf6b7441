import { expect, test } from "vitest";
import type { StepEvent } from "../../src/train/events.ts";
import { merge, Progress } from "./progress.ts";

function update(step: number, loss: number): StepEvent {
  return { type: "step", step, loss, learningRate: 1e-3, norm: 1, ms: 10, tokensPerSecond: 1000 };
}

test("updates, validations and samples are collected", () => {
  const progress = new Progress();
  progress.add({ type: "val", step: 0, loss: 4.2 });
  progress.add(update(0, 4.1));
  progress.add(update(1, 3.9));
  progress.add({ type: "val", step: 2, loss: 3.8 });
  progress.add({ type: "sample", step: 2, tokens: [1], text: "thou" });
  progress.add({ type: "val", step: 4, loss: 3.85 });
  expect(progress.step).toBe(2);
  expect(progress.last?.loss).toBe(3.9);
  expect([progress.valLoss, progress.bestValLoss, progress.bestStep]).toEqual([3.85, 3.8, 2]);
  expect(progress.samples).toEqual([{ step: 2, text: "thou", loss: 4 }]);
  const { x, train, val } = progress.curves;
  expect([...x]).toEqual([0, 1, 2, 4]);
  expect(train).toEqual([4.1, 3.9, null, null]);
  expect(val).toEqual([4.2, null, 3.8, 3.85]);
});

test("NaN and infinite losses are left out of the curves", () => {
  const progress = new Progress();
  progress.add(update(0, Number.NaN));
  progress.add({ type: "val", step: 1, loss: Number.POSITIVE_INFINITY });
  expect(progress.step).toBe(1);
  expect(progress.valLoss).toBeUndefined();
  expect(progress.curves.x).toHaveLength(0);
});

test("the memory of a long run is bounded", () => {
  const progress = new Progress();
  for (let step = 0; step < 100_000; step++) progress.add(update(step, 2));
  for (let step = 0; step < 3000; step++) progress.addSample(step, "text");
  expect(progress.curves.x.length).toBeLessThanOrEqual(1601);
  expect(progress.samples).toHaveLength(200);
  expect(progress.samples[0].step).toBe(2999);
});

test("rewinding to a checkpoint drops everything after it", () => {
  const progress = new Progress();
  for (let step = 0; step < 10; step++) progress.add(update(step, 5 - step / 10));
  for (const [step, loss] of [
    [0, 4],
    [4, 3],
    [8, 2],
  ])
    progress.addVal(step, loss);
  progress.addSample(4, "kept");
  progress.addSample(8, "gone");
  progress.rewindTo(4);
  expect([progress.step, progress.last, progress.valLoss]).toEqual([4, undefined, 3]);
  expect([progress.bestValLoss, progress.bestStep]).toEqual([3, 4]);
  expect(progress.samples.map(({ text }) => text)).toEqual(["kept"]);
  progress.addVal(4, 3.5);
  progress.add(update(4, 1));
  const { x, train, val } = progress.curves;
  expect([...x]).toEqual([0, 1, 2, 3, 4]);
  expect(train).toEqual([5, 4.9, 4.8, 4.7, 1]);
  expect(val).toEqual([4, null, null, null, 3.5]);
});

test("a repeated sample replaces the first", () => {
  const progress = new Progress();
  progress.addSample(10, "before");
  progress.addSample(10, "after");
  expect(progress.samples).toEqual([{ step: 10, text: "after", loss: undefined }]);
});

test("merged lines share their x", () => {
  const { x, train, smoothed, val } = merge(
    [
      { step: 0, value: 1 },
      { step: 2, value: 3 },
    ],
    [
      { step: 0, value: 1.5 },
      { step: 2, value: 2.5 },
    ],
    [{ step: 1, value: 9 }],
  );
  expect([...x]).toEqual([0, 1, 2]);
  expect(train).toEqual([1, null, 3]);
  expect(smoothed).toEqual([1.5, null, 2.5]);
  expect(val).toEqual([null, 9, null]);
});
