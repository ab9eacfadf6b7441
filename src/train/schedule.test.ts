import { describe, expect, test } from "vitest";
import { learningRateAt, learningRateInTime, type ScheduleOptions, scheduleNames } from "./schedule.ts";

/** The rates of a run of `steps` updates and of the one after it, from a peak of 1. */
const rates = (steps: number, options: ScheduleOptions) =>
  Array.from({ length: steps + 1 }, (_, step) => Number(learningRateAt(step, steps, 1, options).toFixed(6)));

// The expected numbers were worked out by hand from llm.c's formulas.

test("constant has no warm-up, as in llm.c", () => {
  expect(rates(3, {})).toEqual([1, 1, 1, 1]);
  expect(rates(4, { warmupSteps: 2, finalFraction: 0.1 })).toEqual([1, 1, 1, 1, 1]);
});

test("cosine falls from the peak along half a wave", () => {
  // (1 + cos(k pi / 4)) / 2, with cos(pi / 4) = 0.707107
  expect(rates(4, { schedule: "cosine" })).toEqual([1, 0.853553, 0.5, 0.146447, 0]);
  // 0.1 + 0.9 * (1 + cos(k pi / 4)) / 2 behind two steps of warm-up
  expect(rates(6, { schedule: "cosine", warmupSteps: 2, finalFraction: 0.1 })).toEqual([
    0.5, 1, 1, 0.868198, 0.55, 0.231802, 0.1,
  ]);
});

test("linear falls along a line", () => {
  expect(rates(4, { schedule: "linear" })).toEqual([1, 0.75, 0.5, 0.25, 0]);
  expect(rates(6, { schedule: "linear", warmupSteps: 2, finalFraction: 0.2 })).toEqual([0.5, 1, 1, 0.8, 0.6, 0.4, 0.2]);
});

test("wsd stays on the peak and falls in the last fifth", () => {
  // The fall begins at step 8 of 10: 1 - sqrt(1 / 2) in the middle.
  expect(rates(10, { schedule: "wsd" })).toEqual([1, 1, 1, 1, 1, 1, 1, 1, 1, 0.292893, 0]);
  // At step 16 of 20, with warm-up: 0.1 + 0.9 * (1 - sqrt(k / 4)), and sqrt(3 / 4) = 0.866025.
  const all = rates(20, { schedule: "wsd", warmupSteps: 4, finalFraction: 0.1 });
  expect(all.slice(0, 5)).toEqual([0.25, 0.5, 0.75, 1, 1]);
  expect(all.slice(15)).toEqual([1, 1, 0.55, 0.363604, 0.220577, 0.1]);
  // 0.8 of 7 steps is 5.6: the fall begins at 5.
  expect(rates(7, { schedule: "wsd" })).toEqual([1, 1, 1, 1, 1, 1, 0.292893, 0]);
});

describe.each(scheduleNames)("%s", (schedule) => {
  test("keeps its last rate in a run that continues past the planned steps", () => {
    const options = { schedule, warmupSteps: 10, finalFraction: 0.1 };
    const last = learningRateAt(110, 110, 3e-4, options);
    expect(last).toBeCloseTo(schedule === "constant" ? 3e-4 : 3e-5, 12);
    expect(learningRateAt(500, 110, 3e-4, options)).toBe(last);
  });

  test("a run that is all warm-up", () => {
    const options = { schedule, warmupSteps: 2 };
    expect(rates(2, options).slice(0, 2)).toEqual(schedule === "constant" ? [1, 1] : [0.5, 1]);
  });
});

test("a schedule that there is not", () => {
  expect(() => learningRateAt(0, 10, 1, { schedule: "bad" as never })).toThrow(
    'schedule is "bad", expected one of constant, ',
  );
});

describe("by the time", () => {
  const inTime = (options: ScheduleOptions, passed: readonly number[], step = 1000) =>
    passed.map((share) => Number(learningRateInTime(share, step, 1, options).toFixed(6)));

  test("a share of it is the warm-up, and the rest the fall", () => {
    const options = { warmupShare: 0.2, finalFraction: 0.1 };
    // Behind the warm-up a quarter, a half, three quarters of 0.8.
    const passed = [0, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.5];
    expect(inTime({ schedule: "cosine", ...options }, passed)).toEqual([0, 0.5, 1, 0.868198, 0.55, 0.231802, 0.1, 0.1]);
    expect(inTime({ schedule: "linear", ...options }, passed)).toEqual([0, 0.5, 1, 0.775, 0.55, 0.325, 0.1, 0.1]);
    // 1 - sqrt(1 / 2) in the middle of the last fifth.
    expect(inTime({ schedule: "wsd", warmupShare: 0.2 }, [0.1, 0.2, 0.8, 0.9, 1])).toEqual([0.5, 1, 1, 0.292893, 0]);
    expect(inTime({ schedule: "constant", ...options }, passed)).toEqual(passed.map(() => 1));
  });

  test("a warm-up in updates is counted in updates", () => {
    const options = { schedule: "linear", warmupSteps: 4, warmupShare: 0.5 } as const;
    expect([0, 1, 3, 4].map((step) => inTime(options, [0.5], step)[0])).toEqual([0.125, 0.25, 0.5, 0.5]);
  });
});
