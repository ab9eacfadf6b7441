import { expect, test } from "vitest";
import { SaveClock } from "./save-clock.ts";

/** Steps of `ms` until a checkpoint is due. */
function stepsUntilDue(clock: SaveClock, ms: number): number {
  for (let steps = 1; ; steps++) {
    clock.add(ms);
    if (clock.isDue) return steps;
  }
}

test("a checkpoint is due every 30 seconds of steps", () => {
  const clock = new SaveClock(0);
  expect(stepsUntilDue(clock, 50)).toBe(600);
  clock.saved(40);
  expect(stepsUntilDue(clock, 50)).toBe(600);
});

test("one that takes long is due less often: for a twentieth of the time", () => {
  const clock = new SaveClock(0);
  clock.saved(4000);
  // 4 s of saving beside 76 s of steps.
  expect(stepsUntilDue(clock, 1000)).toBe(76);
});

test("of a large model so also the first one", () => {
  // 363 MB take 11 seconds at 33 MB a second: beside 209 s of steps.
  expect(stepsUntilDue(new SaveClock(363e6), 1000)).toBe(209);
});

test("when the page goes away it is due at once, and once", () => {
  const clock = new SaveClock(0);
  clock.makeDue();
  expect(clock.isDue).toBe(true);
  clock.saved(10);
  expect(clock.isDue).toBe(false);
});
