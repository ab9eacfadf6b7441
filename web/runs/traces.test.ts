import { expect, test } from "vitest";
import { Extremes } from "../../src/plot/extremes.ts";
import type { Range } from "../parts/range.ts";
import { bordersOf, cutsOf, downsample, extentOf, sharedX, withMargin } from "./traces.ts";

function curve(values: readonly number[], unit = 1) {
  const extremes = new Extremes();
  extremes.update(values);
  return { trace: { values, extremes }, axis: { values: values.map((_, i) => i), unit } };
}

function draw(values: readonly number[], range: Range, parts: number, { log = false, unit = 1 } = {}) {
  const { trace, axis } = curve(values, unit);
  const borders = bordersOf(range, parts, log);
  return downsample(trace, axis, borders, cutsOf(axis, borders));
}

test("each interval has its minimum and maximum, in their order", () => {
  const values = Array.from({ length: 10_000 }, (_, i) => Math.sin(i / 300));
  values[1234] = 50;
  values[7777] = -50;
  const picture = draw(values, [0, 9999], 100);
  expect(picture).toHaveLength(202);
  expect(picture).toContain(50);
  expect(picture).toContain(-50);
  // The part from 7699 on has its lowest and highest once, the lowest first where it comes first.
  expect(draw([5, 9, 1, 7], [0, 3], 1).slice(1, 3)).toEqual([9, 1]);
});

test("ends are interpolated inside the curve, and null outside", () => {
  const picture = draw([0, 10, 20, 30], [0.5, 2.5], 2);
  expect(picture).toEqual([5, 10, null, 20, null, 25]);
  expect(draw([1, 2], [5, 9], 2)).toEqual([null, null, null, null, null, null]);
  expect(draw([1, Number.NaN, 3], [0, 2], 2)).toEqual([null, 1, null, 3, null, null]);
});

test("x can have another unit, and be logarithmic", () => {
  expect(draw([4, 3, 2, 1], [0, 300], 3, { unit: 100 })).toEqual([null, 4, null, 3, null, 2, 1, null]);
  const borders = bordersOf([1, 1000], 3, true);
  for (const [i, border] of borders.entries()) expect(border).toBeCloseTo(10 ** i);
  expect([...sharedX(bordersOf([0, 4], 2, false))]).toEqual([0, 0, 1, 2, 3, 4]);
});

test("outliers of noisy curves do not flatten the rest; smooth curves are shown whole", () => {
  const jumping = Array.from({ length: 200 }, (_, i) => (i === 70 ? 1e6 : 2 + (i % 10) / 10));
  const [low, high] = extentOf([[1, 5]], [jumping, [null]], false) ?? [0, 0];
  expect(low).toBe(1);
  expect(high).toBeGreaterThanOrEqual(5);
  expect(high).toBeLessThan(10);
  expect(extentOf([[0, -1, 3]], [], true)).toEqual([3, 3]);
  expect(extentOf([[null]], [[]], false)).toBeUndefined();
});

test("there is a range of y for any values", () => {
  expect(withMargin([], false)).toEqual([0, 1]);
  const [low, high] = withMargin([[2, 2]], false);
  expect(low).toBeLessThan(2);
  expect(high).toBeGreaterThan(2);
  expect(withMargin([[0.01, 4]], false)[0]).toBe(0);
  expect(withMargin([[1, 10]], true)[0]).toBeGreaterThan(0);
});
