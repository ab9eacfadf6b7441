import { expect, test } from "vitest";
import { Pace } from "./pace.ts";

test("nobody knows before two marks", () => {
  const pace = new Pace();
  expect(pace.left(100)).toBeUndefined();
  pace.mark(0, 0);
  expect(pace.left(100)).toBeUndefined();
  pace.mark(50, 0);
  expect(pace.left(100)).toBeUndefined();
});

test("what is left goes at the pace so far", () => {
  const pace = new Pace();
  pace.mark(0, 0);
  pace.mark(1000, 10);
  expect(pace.left(30)).toBe(2000);
  expect(pace.left(10)).toBe(0);
});

test("it follows a machine that gets slower", () => {
  const pace = new Pace(1000);
  for (let step = 0; step <= 100; step++) pace.mark(step * 10, step);
  for (let step = 1; step <= 100; step++) pace.mark(1000 + step * 100, 100 + step);
  expect(pace.left(210)).toBeCloseTo(1000, 9);
});

test("a pause does not count", () => {
  const pace = new Pace();
  pace.mark(0, 0);
  pace.mark(1000, 10);
  pace.forget();
  pace.mark(100_000, 10);
  pace.mark(101_000, 20);
  expect(pace.left(30)).toBe(1000);
});

test("going back to a checkpoint begins anew to measure", () => {
  const pace = new Pace();
  pace.mark(0, 500);
  pace.mark(1000, 3);
  expect(pace.left(1000)).toBeUndefined();
  pace.mark(2000, 13);
  expect(pace.left(23)).toBe(1000);
});
