import { plot } from "asciichart";
import type { Paint } from "./paint.ts";
import { grouped } from "./text.ts";

export interface Point {
  readonly step: number;
  readonly loss: number;
}

export interface LossChart {
  /** Training losses, one a step, and validation losses, fewer. */
  readonly train: readonly Point[];
  readonly val: readonly Point[];
  /** Characters that a line may have, and lines for the curves. */
  readonly width: number;
  readonly height: number;
  readonly paint: Paint;
}

/** Of a label like "   5.27" with the axis behind it. */
const labelWidth = 8;
/** Of the legend, when it stands in one line. */
const legendWidth = 46;

/** The losses of a run as a drawing, ready to print; empty when there are too few to draw. */
export function lossChart({ train, val, width, height, paint }: LossChart): string {
  const finite = train.filter(({ loss }) => Number.isFinite(loss));
  const columns = Math.min(width - labelWidth - 4, 100);
  if (finite.length < 2 || columns < 20) return "";
  const first = finite[0].step;
  const last = Math.max(finite[finite.length - 1].step + 1, val.at(-1)?.step ?? 0);

  const curve = resample(finite, first, last, columns);
  const marks = val.filter(({ step, loss }) => step >= first && Number.isFinite(loss));
  const losses = [...curve, ...marks.map(({ loss }) => loss)].sort((a, b) => a - b);
  const [min, max] = [losses[0], losses[losses.length - 1]];
  if (min === max) return "";
  const format = (value: number) => `${value.toFixed(2).padStart(labelWidth - 2)} `;
  const rows = plot(curve, { min, max, height, format, offset: 2 }).split("\n");

  // asciichart's own rounding, so that a mark lies on the line where the losses are the same.
  const lineOf = (loss: number) => Math.round((loss * height) / (max - min)) - Math.round((min * height) / (max - min));
  const cells = rows.map((row) => Array.from(row, (cell, x) => (x < labelWidth ? cell : paint.cyan(cell))));
  for (const { step, loss } of marks) {
    const column = Math.round(((step - first) / (last - first)) * (columns - 1));
    cells[rows.length - 1 - lineOf(loss)][labelWidth + column] = paint.yellow("●");
  }
  const legend = [paint.cyan("─ training loss, smoothed")];
  if (marks.length > 0) legend.push(paint.yellow("● validation loss"));
  const indent = " ".repeat(labelWidth + 1);
  const legendLines = columns < legendWidth ? legend : [legend.join("   ")];
  return [
    ...legendLines.map((text) => indent + text),
    ...cells.map((row) => row.join("").trimEnd()),
    ...axis(first, last, columns),
  ].join("\n");
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

/** A value for each column: the mean of what falls into it or, where that is nothing, between its neighbours. */
function resample(points: readonly Point[], first: number, last: number, columns: number): number[] {
  const width = (last - first) / (columns - 1);
  let next = 0;
  return Array.from({ length: columns }, (_, column) => {
    const x = first + column * width;
    while (next < points.length && points[next].step < x - width / 2) next++;
    let sum = 0;
    let count = 0;
    for (let i = next; i < points.length && points[i].step < x + width / 2; i++, count++) sum += points[i].loss;
    return count > 0 ? sum / count : between(points, next, x);
  });
}

/** The value at `x` on the line from the point before `next` to it. */
function between(points: readonly Point[], next: number, x: number): number {
  const after = points[Math.min(next, points.length - 1)];
  const before = points[Math.max(0, next - 1)];
  if (after.step <= before.step || x >= after.step) return after.loss;
  if (x <= before.step) return before.loss;
  return before.loss + ((after.loss - before.loss) * (x - before.step)) / (after.step - before.step);
}
