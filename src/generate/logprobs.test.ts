import { expect, test } from "vitest";
import { logSumExp, topLogprobs } from "./logprobs.ts";

const logits = Float32Array.from([0.1, 0.4, 0.1, 0.3, 0.1], Math.log);

test("the logarithm of the sum of exponentials, of large numbers too", () => {
  expect(logSumExp(logits)).toBeCloseTo(0, 6);
  expect(logSumExp(Float32Array.of(1000, 1000))).toBeCloseTo(1000 + Math.LN2, 10);
});

test("the best come first, of equals the first", () => {
  const best = topLogprobs(logits, 3);
  expect(best.map(({ token }) => token)).toEqual([1, 3, 0]);
  expect(best[0].logprob).toBeCloseTo(Math.log(0.4), 6);
  expect(topLogprobs(logits, 0)).toEqual([]);
  expect(topLogprobs(logits, 99)).toHaveLength(5);
});
