import { expect, test } from "vitest";
import { padEnd, textWidth } from "../../plot/text.ts";
import { chart } from "./chart.ts";
import { statusLines } from "./status-lines.ts";
import type { Paint } from "./text.ts";
import { duration, printable, sampleText, short, wrap } from "./text.ts";

const same = (text: string) => text;
const plain: Paint = { bold: same, dim: same, green: same, yellow: same, cyan: same, red: same };

const progress = {
  step: 740,
  steps: 2000,
  loss: 1.8231,
  lastLoss: 1.90412,
  valLoss: 1.9402,
  bestValLoss: 1.9331,
  tokensPerSecond: 41234,
  norm: 0.41234,
  learningRate: 9.4321e-4,
  skipped: 3,
  left: 38000,
  hint: "Ctrl-C: save and end",
};

test("the live lines show everything where there is room", () => {
  expect(statusLines(progress, 79, plain)).toEqual([
    " 37%  ━━━━━━━━━━━━────────────────────    740/2,000      38 s left",
    "      loss  1.8231  now  1.9041  val  1.9402  best  1.9331",
    "      41.2k tok/s  norm  0.412  lr 9.43e-4  skipped 3  Ctrl-C: save and end",
  ]);
});

test("the live lines fit every terminal", () => {
  for (let width = 6; width < 200; width++)
    for (const line of statusLines(progress, width, plain)) expect(line.length).toBeLessThanOrEqual(width);
  expect(statusLines(progress, 40, plain).join("\n")).toContain("loss  1.8231  val  1.9402");
  expect(statusLines({ step: 0, steps: 0 }, 40, plain)).toEqual([expect.stringContaining("99%")]);
  const [timed] = statusLines({ step: 1234, share: 0.25, left: 900_000 }, 79, plain);
  expect(timed).toMatch(/^ 25% .* update 1,234 +15:00 left$/);
});

test("nothing in the live lines moves sideways as numbers change", () => {
  const earlier = { ...progress, step: 7, loss: 10.91, lastLoss: 11.2, valLoss: 10.5, bestValLoss: 10.5, left: 9e6 };
  const later = { ...progress, step: 1999, norm: 12.3, tokensPerSecond: 980, left: 100 };
  const labelsIn = (lines: string[]) => lines.map((line) => Array.from(line.matchAll(/[a-z/]{2,}/gi), (m) => m.index));
  expect(labelsIn(statusLines(earlier, 79, plain))).toEqual(labelsIn(statusLines(later, 79, plain)));
});

const points = (values: number[], every = 1) => values.map((value, at) => ({ step: at * every, value }));

test("the chart fits every terminal, and marks every validation", () => {
  const train = Array.from({ length: 2000 }, (_, step) => 1.5 + 2.7 * Math.exp(-step / 300));
  const val = [0, 500, 1000, 1500, 2000].map((step) => 1.6 + 2.6 * Math.exp(-step / 300));
  const curves = [{ label: "training", points: points(train), style: same }];
  const marks = [{ label: "validation", points: points(val, 500), style: same }];
  for (const width of [40, 80, 200]) {
    const lines = chart({ curves, marks, steps: 2000, width, height: 10 }).split("\n");
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
    // Five, and one in the legend.
    expect(lines.join("").match(/●/g)).toHaveLength(6);
    expect(lines.at(-1)).toMatch(/0 +1,000 +2,000 steps$/);
  }
});

test("a chart leaves marks out where the curve would vanish behind them, but never the last", () => {
  const values = Array.from({ length: 1000 }, (_, at) => 9 - at / 200);
  const series = { label: "", points: points(values), style: same };
  const rows = chart({ curves: [series], marks: [series], steps: 1000, width: 72, height: 8 })
    .split("\n")
    .slice(1, -2);
  const columns = rows.flatMap((row) => Array.from(row.matchAll(/●/g), ({ index }) => index)).sort((a, b) => a - b);
  expect(columns.length).toBeGreaterThan(15);
  for (const [at, column] of columns.slice(1).entries()) expect(column - columns[at]).toBeGreaterThanOrEqual(3);
  expect(columns.at(-1)).toBe(8 + 72 - 8 - 4 - 1);
});

test("a chart holds several curves, each as long as it is", () => {
  const styled = (name: string) => (text: string) => text.replaceAll(/[─╭╮╰╯│]/g, name);
  const curves = [
    { label: "long", points: points([4, 3, 2, 1, 1, 1]), style: styled("a") },
    { label: "short", points: points([5, 5, 5]), style: styled("b") },
  ];
  const [legend, ...rows] = chart({ curves, marks: [], steps: 6, width: 72, height: 8 }).split("\n");
  expect(legend.trim()).toBe("a long   b short");
  expect(rows[0]).toMatch(/5\.00 ┼b{25,36}$/);
  expect(rows.join("\n")).toMatch(/1\.00 ┤ +a+\n/);
});

test("the axis ends with the updates made, for validations alone too", () => {
  const curves = [{ label: "val", points: points([4, 3, 2], 10), style: same }];
  const drawing = chart({ curves, marks: [], steps: 20, width: 72, height: 8 });
  expect(drawing.split("\n").at(-1)).toMatch(/0 +10 +20 steps$/);
});

test("a chart of nothing, of one point, of a flat line or in no room is left out", () => {
  const draw = (values: number[], width = 80) =>
    chart({
      curves: [{ label: "", points: points(values), style: same }],
      marks: [],
      steps: values.length,
      width,
      height: 10,
    });
  for (const values of [[], [1], [2, 2, 2], [Number.NaN, Number.NaN]]) expect(draw(values)).toBe("");
  expect(draw([3, 2, 1], 20)).toBe("");
  expect(draw([3, Number.NaN, 1])).not.toContain("NaN");
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

test("lines fit by columns: Chinese and emoji take two, colours none", () => {
  const texts = [
    "路遥知马力，日久见人心。事久见人心。",
    "a 👨‍👩‍👧 b 🎉🎉🎉🎉🎉🎉",
    "\x1b[1mbold\x1b[22m and plain words 火车 in turns",
    "e\u0301e\u0301e\u0301e\u0301 e\u0301e\u0301",
  ];
  for (const text of texts)
    for (let width = 4; width < 20; width++) {
      const lines = wrap(text, width);
      for (const line of lines) expect(textWidth(line)).toBeLessThanOrEqual(width);
      expect(lines.join("").replaceAll(" ", "")).toBe(text.replaceAll(" ", ""));
    }
  expect(wrap("路遥知马力", 4)).toEqual(["路遥", "知马", "力"]);
  expect(padEnd("火车", 6)).toBe("火车  ");
});

test("a word is cut only where it is longer than a line", () => {
  expect(wrap("a considerable consideration", 20)).toEqual(["a considerable", "consideration"]);
  expect(wrap("an incomprehensibilities", 22)).toEqual(["an", "incomprehensibilities"]);
});

test("lines are cut at spaces where there are some", () => {
  expect(wrap("to be or not\nto be", 8)).toEqual(["to be or", "not", "to be"]);
  expect(wrap("abcdefghij", 4)).toEqual(["abcd", "efgh", "ij"]);
});
