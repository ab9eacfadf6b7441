import { expect, test } from "vitest";
import type { Inspection } from "../../src/inspect/inspect.ts";
import { habitsOf, headOf, mostConcentrated, strongest } from "./attention.ts";

const matrix = Float32Array.of(1, 0, 0, 0, 0.5, 0.5, 0, 0, 0.25, 0.5, 0.25, 0, 0.125, 0.125, 0.5, 0.25);

test("a head's attention is a part of the inspection's", () => {
  const inspection = { tokens: new Int32Array(2), NH: 3, attention: Float32Array.from({ length: 24 }, (_, i) => i) };
  expect([...headOf(inspection as unknown as Inspection, 1, 2)]).toEqual([20, 21, 22, 23]);
});

test("habits are means over the positions from the third on", () => {
  expect(habitsOf(matrix)).toEqual({ before: 0.5, itself: 0.25, first: 0.1875 });
  expect(habitsOf(Float32Array.of(1, 0, 0.5, 0.5))).toBeUndefined();
});

test("the strongest keys of a query, none of them after it", () => {
  expect(strongest(matrix, 2, 2)).toEqual([
    { key: 1, share: 0.5 },
    { key: 0, share: 0.25 },
  ]);
  expect(strongest(matrix, 0, 5)).toEqual([{ key: 0, share: 1 }]);
});

test("the most concentrated head has the largest sum of its rows' maxima", () => {
  const heads = [
    [1, 0, 0.5, 0.5],
    [1, 0, 0.75, 0.25],
    [1, 0, 0.25, 0.75],
    [1, 0, 0.125, 0.875],
  ];
  const inspection = { tokens: new Int32Array(2), L: 2, NH: 2, attention: Float32Array.from(heads.flat()) };
  expect(mostConcentrated(inspection as unknown as Inspection)).toEqual({ layer: 1, head: 1 });
});
