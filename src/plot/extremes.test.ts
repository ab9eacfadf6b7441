import { expect, test } from "vitest";
import { Extremes } from "./extremes.ts";

const values = Float32Array.from({ length: 3000 }, (_, i) => (i % 7 === 3 ? Number.NaN : Math.sin(i * i)));

/** By looking at all. */
function slowly(start: number, end: number): number[] | undefined {
  const there = Array.from(values.subarray(start, end)).filter((value) => !Number.isNaN(value));
  return there.length > 0 ? [Math.min(...there), Math.max(...there)] : undefined;
}

test("the lowest and highest of any part are those that looking at all of it finds", () => {
  const extremes = new Extremes();
  extremes.update(values);
  for (let start = 0; start < 3000; start += 97)
    for (let end = start; end <= 3000; end += 131)
      expect(extremes.find(start, end)?.map((index) => values[index])).toEqual(slowly(start, end));
  expect(extremes.find(3, 4)).toBeUndefined();
  expect(extremes.find(0, 0)).toBeUndefined();
});

test("values can be appended, and the last ones replaced", () => {
  const extremes = new Extremes();
  for (let end = 0; end < 3000; end += 250) extremes.update(values.subarray(0, end), end - 250);
  const other = values.map((value, i) => (i >= 1500 ? value + 10 : value));
  extremes.update(other, 1500);
  expect(extremes.find(0, 1500)?.map((index) => values[index])).toEqual(slowly(0, 1500));
  expect(extremes.find(0, 3000)?.[1]).toBeGreaterThanOrEqual(1500);
  expect(extremes.find(1500, 3000)?.map((index) => values[index])).toEqual(slowly(1500, 3000));
});
