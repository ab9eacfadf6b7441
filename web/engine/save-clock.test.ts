import { expect, test } from "vitest";
import { SaveClock } from "./save-clock.ts";

/** Steps of `ms` until a checkpoint is due. */
function stepsUntilDue(clock: SaveClock, ms: number): number {
  for (let steps = 1; ; steps++) {
    clock.add(ms);
    if (clock.isDue) return steps;
  }
}

test("the first checkpoint is due after a second of steps, then one every ten", () => {
  const clock = new SaveClock(0);
  expect(stepsUntilDue(clock, 50)).toBe(20);
  clock.saved(40);
  expect(stepsUntilDue(clock, 50)).toBe(200);
});

test("slow checkpoints are due less often: at most a twentieth of the time", () => {
  const clock = new SaveClock(0);
  clock.saved(4000);
  // 4 s of saving beside 76 s of steps.
  expect(stepsUntilDue(clock, 1000)).toBe(76);
});

test("the first one of a large model may take a fifth of the time", () => {
  // 363 MB take 11 seconds at 33 MB a second: beside 44 s of steps.
  expect(stepsUntilDue(new SaveClock(363e6), 1000)).toBe(44);
});

test("after makeDue one checkpoint is due at once", () => {
  const clock = new SaveClock(0);
  clock.makeDue();
  expect(clock.isDue).toBe(true);
  clock.saved(10);
  expect(clock.isDue).toBe(false);
});
