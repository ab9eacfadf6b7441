import { expect, test } from "vitest";
import { BoundedPoints, decayFor, MovingAverage, smooth, smoothInto, thin } from "./points.ts";

const points = (values: readonly number[]) => values.map((value, step) => ({ step, value }));

test("a running mean is right from the first value on", () => {
  const mean = new MovingAverage(0.9);
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

test("what is not there counts for nothing when values are smoothed", () => {
  const smoothed = new Float64Array(6);
  smoothInto(smoothed, [Number.NaN, 9, Number.NaN, 3, 1, Number.NaN], 0.5);
  const [a, b, c] = smooth(points([9, 3, 1]), 0.5).map(({ value }) => value);
  expect([...smoothed]).toEqual([Number.NaN, a, Number.NaN, b, c, Number.NaN]);
});

test("values that come later are smoothed in without computing all again", () => {
  const values = Array.from({ length: 5000 }, (_, i) => 2 + Math.sin(i * i));
  const smoothed = new Float64Array(5000);
  const whole = new Float64Array(5000);
  smoothInto(whole, values, 0.98);
  smoothInto(smoothed, values.slice(0, 4900), 0.98);
  // 0.98 to the power of 456 is below 1e-4.
  expect(smoothInto(smoothed, values, 0.98, 4900)).toBe(4900 - 456);
  // What is left out weighs 1e-4 of the weights on one side, and values differ by 2 at most.
  for (const [i, value] of smoothed.entries()) expect(Math.abs(value - whole[i])).toBeLessThan(2e-4);
});

test("short runs are not smoothed, long ones over a fiftieth", () => {
  expect(decayFor(points([]))).toBe(0);
  expect(decayFor(points(new Array<number>(40).fill(1)))).toBe(0);
  expect(decayFor(points(new Array<number>(5000).fill(1)))).toBeCloseTo(0.99);
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
