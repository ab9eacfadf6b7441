import { expect, test } from "vitest";
import type { TrainEvent } from "../../train/events.ts";
import { TimeLeft } from "./time-left.ts";

const step = (n: number): TrainEvent => ({
  type: "step",
  step: n,
  loss: 1,
  learningRate: 1,
  norm: 1,
  ms: 1,
  tokensPerSecond: 1,
});
const cadence = { steps: 100, valEvery: 20, sampleEvery: 50, checkpointEvery: 0, finalValFactor: 5 };

test("the time left counts the validations and samples to come", () => {
  const time = new TimeLeft(cadence);
  expect(time.left(0)).toBeUndefined();
  time.add({ type: "val", step: 0, loss: 1 }, 1000);
  for (let n = 0; n < 10; n++) time.add(step(n), 10);
  // 90 updates; validations at 20, 40, 60, 80 and the long last one; how long a sample takes is not known yet.
  expect(time.left(0)).toBeCloseTo(900 + 4000 + 5000);
  expect(time.left(4)).toBeCloseTo(900 + 4000 + 5000 - 4);
  // Never more than an update that is still under way.
  expect(time.left(1e9)).toBeCloseTo(890 + 4000 + 5000);
  for (let n = 10; n < 50; n++) time.add(step(n), 10);
  time.add({ type: "sample", step: 50, tokens: [], text: "" }, 300);
  // Samples at 100, no longer at 50.
  expect(time.left(0)).toBeCloseTo(500 + 2000 + 300 + 5000);
  for (let n = 50; n < 100; n++) time.add(step(n), 10);
  time.add({ type: "val", step: 100, loss: 1 }, 5000);
  time.add({ type: "sample", step: 100, tokens: [], text: "" }, 300);
  expect(time.left(0)).toBe(0);
});

test("a machine that slept for hours does not make a slow run", () => {
  const time = new TimeLeft({ ...cadence, valEvery: 0, sampleEvery: 0 });
  for (let n = 0; n < 50; n++) time.add(step(n), n === 30 ? 8 * 3_600_000 : 10);
  expect(time.left(0)).toBeLessThan(50 * 10 * 1.1);
});

test("with a time budget, its rest, unless the updates end earlier", () => {
  const limited = new TimeLeft({ ...cadence, valEvery: 0, sampleEvery: 0, budget: 10_000 });
  expect(limited.left(500)).toBe(9500);
  for (let n = 0; n < 10; n++) limited.add(step(n), 10);
  expect(limited.left(0)).toBeCloseTo(900);
  const open = new TimeLeft({ ...cadence, steps: 2 ** 31 - 1, budget: 10_000 });
  for (let n = 0; n < 10; n++) open.add(step(n), 10);
  expect(open.left(100)).toBe(9800);
  expect(open.left(20_000)).toBe(0);
});
