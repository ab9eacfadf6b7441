import { expect, test } from "vitest";
import { Pace } from "./pace.ts";

test("the time is unknown before two marks with different steps", () => {
  const pace = new Pace();
  expect(pace.msLeft(100)).toBeUndefined();
  pace.mark(0, 0);
  expect(pace.msLeft(100)).toBeUndefined();
  pace.mark(50, 0);
  expect(pace.msLeft(100)).toBeUndefined();
});

test("the remaining updates take as long as those so far", () => {
  const pace = new Pace();
  pace.mark(0, 0);
  pace.mark(1000, 10);
  expect(pace.msLeft(30)).toBe(2000);
  expect(pace.msLeft(10)).toBe(0);
});

test("only recent updates count", () => {
  const pace = new Pace(1000);
  for (let step = 0; step <= 100; step++) pace.mark(step * 10, step);
  for (let step = 1; step <= 100; step++) pace.mark(1000 + step * 100, 100 + step);
  expect(pace.msLeft(210)).toBeCloseTo(1000, 9);
});

test("a pause does not count", () => {
  const pace = new Pace();
  pace.mark(0, 0);
  pace.mark(1000, 10);
  pace.reset();
  pace.mark(100_000, 10);
  pace.mark(101_000, 20);
  expect(pace.msLeft(30)).toBe(1000);
});

test("going back to a checkpoint restarts the measurement", () => {
  const pace = new Pace();
  pace.mark(0, 500);
  pace.mark(1000, 3);
  expect(pace.msLeft(1000)).toBeUndefined();
  pace.mark(2000, 13);
  expect(pace.msLeft(23)).toBe(1000);
});
