import { expect, test } from "vitest";
import { learningRateAt } from "./schedule.ts";

const rates = (steps: number, options: Parameters<typeof learningRateAt>[3]) =>
  Array.from({ length: steps }, (_, step) => learningRateAt(step, steps, 1, options));

test("constant", () => {
  expect(rates(3, {})).toEqual([1, 1, 1]);
  expect(rates(4, { warmupSteps: 2 })).toEqual([0.5, 1, 1, 1]);
});

test("cosine falls from the peak along half a wave", () => {
  const all = rates(4, { schedule: "cosine" });
  expect(all.map((rate) => rate.toFixed(6))).toEqual(["1.000000", "0.853553", "0.500000", "0.146447"]);
});

test("warm-up, then cosine down to the final fraction", () => {
  const options = { schedule: "cosine", warmupSteps: 10, finalFraction: 0.1 } as const;
  const all = rates(110, options);
  expect(all[0]).toBeCloseTo(0.1, 12);
  expect(all[9]).toBe(1);
  expect(all[10]).toBe(1);
  expect(all[60]).toBeCloseTo(0.55, 12);
  expect(learningRateAt(110, 110, 1, options)).toBeCloseTo(0.1, 12);
  expect(learningRateAt(500, 110, 1, options)).toBeCloseTo(0.1, 12);
});

test("a warm-up longer than the run", () => {
  expect(rates(2, { schedule: "cosine", warmupSteps: 4 })).toEqual([0.25, 0.5]);
});
