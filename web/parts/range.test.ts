import { expect, test } from "vitest";
import { within } from "./range.ts";

test("a range is clipped to the whole one; the whole range and an empty one are undefined", () => {
  expect(within([2, 5], [0, 10])).toEqual([2, 5]);
  expect(within([-3, 5], [0, 10])).toEqual([0, 5]);
  expect(within([7, 12], [0, 10])).toEqual([7, 10]);
  expect(within([-1, 11], [0, 10])).toBeUndefined();
  expect(within([0, 10], [0, 10])).toBeUndefined();
  expect(within([11, 12], [0, 10])).toBeUndefined();
});
