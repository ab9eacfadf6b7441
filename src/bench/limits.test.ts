import { expect, test } from "vitest";
import { floorMs, limitsOf } from "./limits.ts";

const probe = (limit: "fma" | "copy" | "triad" | "read" | "dispatch" | "submit", work: number) => ({
  name: limit,
  limit,
  work,
});
const memory = [probe("copy", 8e9), probe("triad", 12e9), probe("read", 4e9)];

test("the faster of two probes is the limit, and a processor has no dispatches", () => {
  const limits = limitsOf(4, [probe("fma", 1e9), probe("fma", 1e9), ...memory], [20, 10, 1000, 1000, 1000]);
  expect(limits).toEqual({ threads: 4, gflops: 100, copy: 8, triad: 12, read: 4 });
});

test("a GPU's dispatches and submits are in microseconds", () => {
  const probes = [probe("fma", 1e9), ...memory, probe("dispatch", 1), probe("submit", 1)];
  const limits = limitsOf(1, probes, [1, 1000, 1000, 1000, 0.002, 0.05]);
  expect(limits.gflops).toBe(1000);
  expect(limits.dispatchUs).toBeCloseTo(2, 9);
  expect(limits.submitUs).toBeCloseTo(50, 9);
});

test("a floor is the longer of arithmetic and memory, at the best bandwidth", () => {
  const limits = { threads: 1, gflops: 10, copy: 8, triad: 12, read: 4 };
  expect(floorMs(limits, { flops: 1e9, bytes: 12e6 })).toBe(100);
  expect(floorMs(limits, { flops: 1e6, bytes: 12e9 })).toBe(1000);
});
