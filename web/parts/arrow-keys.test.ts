import { expect, test } from "vitest";
import { arrowTarget } from "./arrow-keys.ts";

test("arrows move in a grid and stop at its border", () => {
  const from5 = (key: string) => arrowTarget(key, 5, 12, 4);
  expect(["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown", "Home", "End"].map(from5)).toEqual([4, 6, 1, 9, 0, 11]);
  expect(arrowTarget("ArrowUp", 2, 12, 4)).toBe(2);
  expect(arrowTarget("ArrowRight", 11, 12, 4)).toBe(11);
  expect(arrowTarget("ArrowDown", 3, 12)).toBe(4);
});

test("other keys have no target", () => {
  expect(arrowTarget("Tab", 5, 12)).toBeUndefined();
  expect(arrowTarget("constructor", 5, 12)).toBeUndefined();
});
