import { plot } from "asciichart";
import { extent } from "d3-array";
import type { Point } from "../../plot/points.ts";
import { cutToWidth, textWidth } from "../../plot/text.ts";
import { grouped } from "./text.ts";

/** A curve or a set of marks, with its label and style. */
export interface Series {
  readonly label: string;
  readonly points: readonly Point[];
  /** Colours a piece of text. */
  readonly style: (text: string) => string;
}

export interface Chart {
  /** Drawn as lines, and as dots. */
  readonly curves: readonly Series[];
  readonly marks: readonly Series[];
  /** End of the step axis: the updates of the longest run. */
  readonly steps: number;
  /** Characters that a line may have, and lines for the curves. */
  readonly width: number;
  readonly height: number;
  /** A value in six characters at most; default: with two decimals. */
  readonly format?: (value: number) => string;
}

/** Of a label like "   5.27" with the axis behind it. */
const labelWidth = 8;
/** Marks that are nearer to the next one, in columns, are left out: the curve shall be seen between them. */
const markDistance = 3;

/** Curves over the steps of a run as a drawing, ready to print; empty when there is too little to draw. */
export function chart({ curves, marks, steps, width, height, format = (value) => value.toFixed(2) }: Chart): string {
  const lines = curves.map(finite).filter(({ points }) => points.length >= 2);
  const columns = Math.min(width - labelWidth - 4, 100);
  if (lines.length === 0 || columns < 20) return "";
  const first = Math.min(...lines.map(({ points }) => points[0].step));
  const dots = marks.map(finite).map((one) => ({ ...one, points: one.points.filter(({ step }) => step >= first) }));

  const drawn = lines.map((line) => ({ ...line, values: resample(line.points, first, steps, columns) }));
  const values = drawn.map((one) => one.values);
  const [min = 0, max = 0] = extent([...values.flat(), ...dots.flatMap(({ points }) => points.map((p) => p.value))]);
  if (min === max) return "";
  const cells: string[][] = [];
  for (const { values, style } of drawn) {
    const padded = (value: number) => `${format(value).padStart(labelWidth - 2)} `;
    const rows = plot(values, { min, max, height, format: padded, offset: 2 }).split("\n");
    for (const [y, row] of rows.entries()) {
      cells[y] ??= Array.from({ length: labelWidth + columns }, () => " ");
      for (const [x, cell] of Array.from(row).entries())
        if (cell !== " ") cells[y][x] = x < labelWidth ? cell : style(cell);
    }
  }
  // asciichart's own rounding, so that a mark lies on the line where the values are the same.
  const lineOf = (value: number) =>
    Math.round((value * height) / (max - min)) - Math.round((min * height) / (max - min));
  for (const { points, style } of dots) {
    let next = Number.POSITIVE_INFINITY;
    // From the end, since the last value matters most.
    for (const { step, value } of points.toReversed()) {
      const column = Math.round(((step - first) / (steps - first)) * (columns - 1));
      if (next - column < markDistance) continue;
      cells[cells.length - 1 - lineOf(value)][labelWidth + column] = style("●");
      next = column;
    }
  }
  return [
    ...legend(lines, dots, columns),
    ...cells.map((row) => row.join("").trimEnd()),
    ...axis(first, steps, columns),
  ].join("\n");
}

function finite(series: Series): Series {
  return { ...series, points: series.points.filter(({ value }) => Number.isFinite(value)) };
}

/** Each label once, in one line where there is room. */
function legend(curves: readonly Series[], marks: readonly Series[], columns: number): string[] {
  const all = [
    ...curves.map(({ label, style }) => ({ text: `─ ${label}`, style })),
    ...marks.filter(({ points }) => points.length > 0).map(({ label, style }) => ({ text: `● ${label}`, style })),
  ];
  const entries = all.filter(({ text }, at) => all.findIndex((one) => one.text === text) === at);
  const gap = "   ";
  const indent = " ".repeat(labelWidth + 1);
  const length = entries.reduce((sum, { text }) => sum + textWidth(text) + gap.length, -gap.length);
  if (length < columns) return [indent + entries.map(({ text, style }) => style(text)).join(gap)];
  return entries.map(({ text, style }) => indent + style(cutToWidth(text, columns)));
}

/** Step numbers below the curves: first, middle, last. */
function axis(first: number, last: number, columns: number): string[] {
  const labels = [first, Math.round((first + last) / 2), last].map(grouped);
  const indent = " ".repeat(labelWidth - 1);
  const left = labels[0].padEnd(Math.floor((columns - labels[1].length) / 2));
  const middle = left + labels[1];
  const right = `${labels[2]} steps`;
  return [`${indent}└${"─".repeat(columns - 1)}`, `${indent} ${middle}${right.padStart(columns - middle.length)}`];
}

/**
 * A value for each column up to the last point: the mean of what falls into it or, where that is nothing, between its
 * neighbours.
 */
function resample(points: readonly Point[], first: number, last: number, columns: number): number[] {
  const width = (last - first) / (columns - 1);
  const reached = Math.round((points[points.length - 1].step + 1 - first) / width) + 1;
  let next = 0;
  return Array.from({ length: Math.min(columns, reached) }, (_, column) => {
    const x = first + column * width;
    while (next < points.length && points[next].step < x - width / 2) next++;
    let sum = 0;
    let count = 0;
    for (let i = next; i < points.length && points[i].step < x + width / 2; i++, count++) sum += points[i].value;
    return count > 0 ? sum / count : between(points, next, x);
  });
}

/** The value at `x` on the line from the point before `next` to it. */
function between(points: readonly Point[], next: number, x: number): number {
  const after = points[Math.min(next, points.length - 1)];
  const before = points[Math.max(0, next - 1)];
  if (after.step <= before.step || x >= after.step) return after.value;
  if (x <= before.step) return before.value;
  return before.value + ((after.value - before.value) * (x - before.step)) / (after.step - before.step);
}
