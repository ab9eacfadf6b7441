import { expect, test } from "vitest";
import { BoundedPoints, memoryFor, Smoothed, smooth, thin } from "./points.ts";

const points = (values: readonly number[]) => values.map((value, step) => ({ step, value }));

test("a running mean is right from the first value on", () => {
  const mean = new Smoothed(0.9);
  expect(mean.value).toBeUndefined();
  for (const value of [5, 5, 5]) {
    mean.add(value);
    expect(mean.value).toBeCloseTo(5);
  }
});

test("smoothing weighs neighbours on both sides by their distance, the first point's by their mirror images", () => {
  const smoothed = smooth(points([9, 3, 1]), 0.5).map(({ value }) => value);
  // Before the 9 there are 2 * 9 - 3 = 15 and 2 * 9 - 1 = 17, with weights 0.5 and 0.25 as seen from it.
  expect(smoothed[0]).toBeCloseTo((9 + 0.5 * (3 + 15) + 0.25 * (1 + 17)) / (1 + 2 * 0.75));
  expect(smoothed[1]).toBeCloseTo((3 + 0.5 * (1 + 9) + 0.25 * 15 + 0.125 * 17) / (1 + 2 * 0.5 + 0.25 + 0.125));
  expect(smoothed[2]).toBeCloseTo((1 + 0.5 * 3 + 0.25 * 9 + 0.125 * 15 + 0.0625 * 17) / (1 + 0.75 + 0.1875));
  const noisy = points([3, 1, 4, 1, 5]);
  expect(smooth(noisy, 0)).toEqual(noisy);
});

test("short runs are not smoothed, long ones over a fiftieth", () => {
  expect(memoryFor(points([]))).toBe(0);
  expect(memoryFor(points(new Array<number>(40).fill(1)))).toBe(0);
  expect(memoryFor(points(new Array<number>(5000).fill(1)))).toBeCloseTo(0.99);
});

test("thinning keeps every peak, in order, and leaves few points", () => {
  const many = points(Array.from({ length: 10_000 }, (_, step) => Math.sin(step / 500)));
  many[1234] = { step: 1234, value: 50 };
  many[7777] = { step: 7777, value: -50 };
  const few = thin(many, 100);
  expect(few.length).toBeLessThanOrEqual(200);
  expect(few).toContainEqual({ step: 1234, value: 50 });
  expect(few).toContainEqual({ step: 7777, value: -50 });
  expect(few.map(({ step }) => step)).toEqual(few.map(({ step }) => step).sort((a, b) => a - b));
  expect(thin(few, 100)).toEqual(few);
});

test("a run of any length keeps few points, each the mean of as many", () => {
  const bounded = new BoundedPoints(8);
  for (let step = 0; step < 1000; step++) {
    bounded.add({ step, value: 2 * step });
    expect(bounded.points.length).toBeLessThanOrEqual(8);
  }
  const { points } = bounded;
  // 128 values each; the last holds what is left of 1000.
  expect(points.map(({ step }) => step)).toEqual([63.5, 191.5, 319.5, 447.5, 575.5, 703.5, 831.5, (896 + 999) / 2]);
  for (const { step, value } of points) expect(value).toBe(2 * step);
});
