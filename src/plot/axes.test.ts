import { expect, test } from "vitest";
import { linear, logarithmic } from "./axes.ts";

const labels = (scale: ReturnType<typeof linear>) => scale.ticks.map((tick) => scale.label(tick));

test("a linear axis begins and ends on round numbers, written alike", () => {
  const scale = linear([1.43, 4.21], [400, 0], 7);
  expect(labels(scale)).toEqual(["1.0", "1.5", "2.0", "2.5", "3.0", "3.5", "4.0", "4.5"]);
  expect([scale.at(1), scale.at(4.5)]).toEqual([400, 0]);
  expect(labels(linear([0, 0.001], [0, 1], 5))).toEqual(["0.0000", "0.0002", "0.0004", "0.0006", "0.0008", "0.0010"]);
  expect(labels(linear([0, 100_000], [0, 1], 4))).toEqual(["0", "20,000", "40,000", "60,000", "80,000", "100,000"]);
});

test("exact ends stay, and a single value has a place", () => {
  const scale = linear([0, 287], [0, 100], 4, true);
  expect([scale.at(0), scale.at(287)]).toEqual([0, 100]);
  expect(linear([3, 3], [0, 100], 4, true).at(3)).toBe(0);
});

test("a logarithmic axis has equal factors, and a line for what is not above 0", () => {
  const scale = logarithmic([0.1, 1000], [0, 400], 7);
  expect([0.1, 1, 10, 1000].map((value) => Math.round(scale.at(value)))).toEqual([0, 100, 200, 400]);
  expect(scale.at(0)).toBe(0);
  expect(labels(scale)).toEqual("0.1 0.2 0.5 1 2 5 10 20 50 100 200 500 1,000".split(" "));
  expect(labels(logarithmic([1e-4, 1e8], [0, 1], 7))).toContain("100,000,000");
  expect(labels(logarithmic([1.5, 4.2], [0, 1], 5)).length).toBeGreaterThan(3);
  expect(labels(logarithmic([3.3021, 3.3049], [0, 1], 5))).toEqual(["3.3025", "3.303", "3.3035", "3.304", "3.3045"]);
});
