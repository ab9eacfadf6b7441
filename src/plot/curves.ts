import { extent, quantile } from "d3-array";
import { type Area, axes, colours, escaped, linear, logarithmic, picture, px, type Range, type Scale } from "./axes.ts";
import type { Point } from "./points.ts";
import { decayFor, smooth, thin } from "./points.ts";

/** One run in a picture of several. */
export interface Curve {
  readonly name: string;
  /** A value for each update, and values of validations, fewer; either may be empty. */
  readonly train: readonly Point[];
  readonly val: readonly Point[];
}

export interface CurvesOptions {
  readonly title: string;
  /** The quantity drawn, with its unit. */
  readonly quantity: string;
  readonly log?: boolean;
  /** Decay of the exponential average, 0 to below 1; default: averages over a fiftieth of the run. */
  readonly smooth?: number;
}

const width = 960;
const area: Area = { left: 92, top: 80, width: 844, height: 400 };
const rowHeight = 24;
/** Right ends of the columns under the picture. */
const columnsAt = [500, 630, 766, 936];
/** More validations than this are a line without dots. */
const mostDots = 60;

/** A curve with what is drawn of it. */
interface Drawn extends Curve {
  readonly smoothed: readonly Point[];
  readonly limit: number;
  readonly colour: string;
}

/** An SVG that compares runs: their values faint, smoothed on top, validations as dots, and the last ones in a table. */
export function curvesSvg(curves: readonly Curve[], options: CurvesOptions): string {
  const drawn = curves.map((curve, at) => ({
    ...curve,
    smoothed: smooth(curve.train, options.smooth ?? decayFor(curve.train)),
    limit: limitOf(curve.train),
    colour: colours[at % colours.length],
  }));
  const steps = rangeOf(drawn.flatMap(({ train, val }) => [...ends(train), ...ends(val)]));
  const x = linear(steps, [area.left, area.left + area.width], 8, true);
  const y = (options.log ? logarithmic : linear)(valueRange(drawn, options), [area.top + area.height, area.top], 6);
  const table = tableTop + rowHeight * (curves.length + 1);
  const content = [
    axes(area, x, y, "updates", options.quantity),
    `<clipPath id="area"><rect x="${area.left}" y="${area.top - 4}" width="${area.width + 4}" height="${area.height + 8}"/></clipPath>`,
    `<g clip-path="url(#area)" fill="none" stroke-linejoin="round" stroke-linecap="round">`,
    ...drawn.map((curve) => rawPath(curve, x, y)),
    ...drawn.map((curve) => linePaths(curve, x, y)),
    "</g>",
    ...drawn.map((curve) => dots(curve, x, y)),
    tableOf(drawn),
  ];
  return picture(width, table + 12, options.title, explanation(drawn), content.join("\n"));
}

const tableTop = area.top + area.height + 80;

function explanation(curves: readonly Drawn[]): string {
  const isSmoothed = curves.some(({ train, smoothed }) => smoothed.some(({ value }, at) => value !== train[at].value));
  const hasTrain = curves.some(({ train }) => train.length > 0);
  const hasVal = curves.some(({ val }) => val.length > 0);
  const line = [hasVal && "training", isSmoothed && "smoothed"].filter(Boolean).join(", ");
  const parts = [
    hasTrain && line !== "" && `line: ${line}`,
    isSmoothed && "faint: as it was",
    hasVal && "dots: validation",
    curves.some(({ train, limit }) => train.some(({ value }) => value > limit)) && "outliers are cut",
  ];
  return parts.filter(Boolean).join("; ");
}

/** All values but outliers: one of them must not flatten the rest. */
function valueRange(curves: readonly Drawn[], { log }: CurvesOptions): Range {
  const values = curves.flatMap(({ train, smoothed, val, limit }) =>
    [...train, ...smoothed, ...val].map(({ value }) => value).filter((value) => value <= limit),
  );
  return rangeOf(log ? values.filter((value) => value > 0) : values);
}

/** Threshold of outliers: far above the 99th percentile, and above the first value, by nature a loss's highest. */
function limitOf(points: readonly Point[]): number {
  const values = points.map(({ value }) => value);
  const [middle, high] = [quantile(values, 0.5), quantile(values, 0.99)];
  return middle === undefined || high === undefined ? Infinity : Math.max(values[0], middle + 4 * (high - middle));
}

function rangeOf(values: readonly number[]): Range {
  const [low = 1, high = low] = extent(values);
  return low < high ? [low, high] : [low, low + 1];
}

function ends(points: readonly Point[]): number[] {
  return points.length > 0 ? [points[0].step, points[points.length - 1].step] : [];
}

function pathOf(points: readonly Point[], x: Scale, y: Scale): string {
  return `M${points.map(({ step, value }) => `${px(x.at(step))} ${px(y.at(value))}`).join("L")}`;
}

function rawPath({ train, smoothed, colour }: Drawn, x: Scale, y: Scale): string {
  if (train.length === 0 || smoothed.every(({ value }, at) => value === train[at].value)) return "";
  return `<path stroke="${colour}" stroke-opacity="0.3" d="${pathOf(thin(train, area.width / 2), x, y)}"/>`;
}

function linePaths({ smoothed, val, colour }: Drawn, x: Scale, y: Scale): string {
  const lines: string[] = [];
  if (smoothed.length > 0)
    lines.push(`<path stroke="${colour}" stroke-width="2" d="${pathOf(thin(smoothed, area.width / 2), x, y)}"/>`);
  if (val.length > 0)
    lines.push(
      `<path stroke="${colour}" stroke-dasharray="1 5" stroke-width="2" d="${pathOf(thin(val, area.width / 2), x, y)}"/>`,
    );
  return lines.join("\n");
}

function dots({ val, colour }: Drawn, x: Scale, y: Scale): string {
  if (val.length > mostDots) return "";
  const circles = val.map(({ step, value }) => `<circle cx="${px(x.at(step))}" cy="${px(y.at(value))}" r="4.5"/>`);
  return `<g class="halo" fill="${colour}" stroke-width="1.5">${circles.join("")}</g>`;
}

/** Legend with the last values of each run. */
function tableOf(curves: readonly Drawn[]): string {
  const hasVal = curves.some(({ val }) => val.length > 0);
  const head = hasVal
    ? ["updates", "last training", "last validation", "best validation"]
    : ["updates", "last", "", ""];
  const rows = [head, ...curves.map(lastValues)].map((cells, row) => {
    const y = tableTop + row * rowHeight;
    const kind = row === 0 ? "muted" : "ink";
    const texts = cells.map(
      (cell, at) => `<text class="${kind}" x="${columnsAt[at]}" y="${y}" text-anchor="end">${cell}</text>`,
    );
    if (row === 0) return texts.join("");
    const { name, colour } = curves[row - 1];
    return `<path stroke="${colour}" stroke-width="4" stroke-linecap="round" d="M28 ${y - 4.5}h20"/>
<text class="ink" x="60" y="${y}">${escaped(name)}</text>${texts.join("")}`;
  });
  return rows.join("\n");
}

/** Updates made, as far as the values tell: a validation comes after so many, the value of update n is that of the next. */
export function stepsOf({ train, val }: Curve): number {
  return Math.max((train.at(-1)?.step ?? -1) + 1, val.at(-1)?.step ?? 0);
}

function lastValues(curve: Drawn): string[] {
  const { smoothed, val } = curve;
  const best = val.reduce<Point | undefined>((a, b) => (a && a.value <= b.value ? a : b), undefined);
  return [
    stepsOf(curve).toLocaleString("en-US"),
    figure(smoothed.at(-1)?.value),
    figure(val.at(-1)?.value),
    best ? `${figure(best.value)} at ${best.step.toLocaleString("en-US")}` : "",
  ];
}

function figure(value: number | undefined): string {
  if (value === undefined) return "";
  return value.toLocaleString(
    "en-US",
    value < 1000 ? { maximumSignificantDigits: 5, minimumSignificantDigits: 5 } : { maximumFractionDigits: 0 },
  );
}
