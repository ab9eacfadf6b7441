import { expect, test } from "vitest";
import { barLine } from "./bar-line.ts";
import { lossChart } from "./chart.ts";
import type { Paint } from "./paint.ts";
import { duration, printable, sampleText, short, wrap } from "./text.ts";

const same = (text: string) => text;
const plain: Paint = { bold: same, dim: same, green: same, yellow: same, cyan: same, red: same };

test("the progress line fits every terminal", () => {
  const progress = { step: 740, steps: 2000, loss: 1.8231, valLoss: 1.9402, tokensPerSecond: 41234, left: 38000 };
  expect(barLine(progress, 79, plain)).toMatch(
    /^ 37% {2}━+─+ {4}740\/2,000 {2}loss 1\.823 {2}val 1\.940 {2}41\.2k tok\/s {2}38 s left$/,
  );
  for (let width = 6; width < 200; width++) expect(barLine(progress, width, plain).length).toBeLessThanOrEqual(width);
  expect(barLine({ step: 0, steps: 0 }, 40, plain)).toContain("100%");
});

test("the chart fits every terminal, and marks every validation", () => {
  const train = Array.from({ length: 2000 }, (_, step) => ({ step, loss: 1.5 + 2.7 * Math.exp(-step / 300) }));
  const val = [0, 500, 1000, 1500, 2000].map((step) => ({ step, loss: 1.6 + 2.6 * Math.exp(-step / 300) }));
  for (const width of [40, 80, 200]) {
    const lines = lossChart({ train, val, width, height: 10, paint: plain }).split("\n");
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
    // Five, and one in the legend.
    expect(lines.join("").match(/●/g)).toHaveLength(6);
    expect(lines.at(-1)).toMatch(/0 +1,000 +2,000 steps$/);
  }
});

test("a chart of nothing, of one point, of a flat line or in no room is left out", () => {
  const chart = (losses: number[], width = 80) => {
    const train = losses.map((loss, step) => ({ step, loss }));
    return lossChart({ train, val: [], width, height: 10, paint: plain });
  };
  for (const losses of [[], [1], [2, 2, 2], [Number.NaN, Number.NaN]]) expect(chart(losses)).toBe("");
  expect(chart([3, 2, 1], 20)).toBe("");
  expect(chart([3, Number.NaN, 1])).not.toContain("NaN");
});

test("numbers and times are short", () => {
  expect([3, 999, 1000, 41234, 999_600, 1_240_000].map(short)).toEqual([
    "3",
    "999",
    "1.00k",
    "41.2k",
    "1.00M",
    "1.24M",
  ]);
  expect([400, 59_400, 60_000, 3_723_000].map(duration)).toEqual(["0 s", "59 s", "1:00", "1:02:03"]);
});

test("what a model writes cannot steer the terminal", () => {
  expect(printable("a\x1b[2Jb\tc\nd\x07\x9b")).toBe("a[2Jb\tc\nd");
  expect(sampleText({ type: "sample", step: 1, tokens: [5, 6, 7], text: "" })).toBe("6 7");
});

test("lines are cut at spaces where there are some", () => {
  expect(wrap("to be or not\nto be", 8)).toEqual(["to be or", "not", "to be"]);
  expect(wrap("abcdefghij", 4)).toEqual(["abcd", "efgh", "ij"]);
});
