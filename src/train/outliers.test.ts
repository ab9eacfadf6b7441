import { expect, test } from "vitest";
import { emptyWindow, outlierWindow, zScore } from "./outliers.ts";

/** A window of 128 measurements, 64 of `a` and 64 of `b`. */
function filled(a: number, b: number) {
  const window = emptyWindow();
  for (let i = 0; i < outlierWindow; i++) expect(zScore(window, i % 2 ? b : a)).toBeUndefined();
  return window;
}

test("there is no score before the window is full; the newest value then counts in its own mean", () => {
  // The oldest, a 1, makes room for the 5. Mean (63 * 1 + 64 * 3 + 5) / 128 = 260 / 128 = 2.03125, mean of squares
  // (63 + 64 * 9 + 25) / 128 = 664 / 128 = 5.1875, variance 5.1875 - 4.1259765625 = 1.0615234375.
  expect(zScore(filled(1, 3), 5)).toBeCloseTo((5 - 2.03125) / Math.sqrt(1.0615234375), 12);
});

test("the oldest value is the one that leaves", () => {
  const window = filled(1, 3);
  for (let i = 0; i < outlierWindow; i++) zScore(window, 10);
  expect(window.values).toEqual(new Array(outlierWindow).fill(10));
  expect(window.sum).toBe(1280);
});

test("measurements that are all the same have no outlier", () => {
  expect(zScore(filled(0.5, 0.5), 0.5)).toBe(0);
});

test("a window restored from JSON continues bit for bit", () => {
  const window = filled(0.1, 0.7);
  const draw = (i: number) => Math.sin(i) / 3;
  for (let i = 0; i < 200; i++) zScore(window, draw(i));
  const copy = JSON.parse(JSON.stringify(window));
  for (let i = 200; i < 400; i++) expect(zScore(copy, draw(i))).toBe(zScore(window, draw(i)));
});
