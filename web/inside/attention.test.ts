import { expect, test } from "vitest";
import type { Inspection } from "../../src/inspect/inspect.ts";
import { habitsOf, headOf, mostDecided, strongest } from "./attention.ts";

const matrix = Float32Array.of(1, 0, 0, 0, 0.5, 0.5, 0, 0, 0.25, 0.5, 0.25, 0, 0.125, 0.125, 0.5, 0.25);

test("a head's part of all attention", () => {
  const inspection = { tokens: new Int32Array(2), NH: 3, attention: Float32Array.from({ length: 24 }, (_, i) => i) };
  expect([...headOf(inspection as unknown as Inspection, 1, 2)]).toEqual([20, 21, 22, 23]);
});

test("habits are means over the positions that have a choice", () => {
  expect(habitsOf(matrix)).toEqual({ before: 0.5, itself: 0.25, first: 0.1875 });
  expect(habitsOf(Float32Array.of(1, 0, 0.5, 0.5))).toBeUndefined();
});

test("the strongest looks of a position, never ahead", () => {
  expect(strongest(matrix, 2, 2)).toEqual([
    { key: 1, share: 0.5 },
    { key: 0, share: 0.25 },
  ]);
  expect(strongest(matrix, 0, 5)).toEqual([{ key: 0, share: 1 }]);
});

test("the most decided head is the one with the strongest looks in all rows together", () => {
  const heads = [
    [1, 0, 0.5, 0.5],
    [1, 0, 0.75, 0.25],
    [1, 0, 0.25, 0.75],
    [1, 0, 0.125, 0.875],
  ];
  const inspection = { tokens: new Int32Array(2), L: 2, NH: 2, attention: Float32Array.from(heads.flat()) };
  expect(mostDecided(inspection as unknown as Inspection)).toEqual({ layer: 1, head: 1 });
});
