/** The Runs view's charts, computed from the runs' data. */
import type { Quantity } from "../../src/runs/read-run.ts";
import type { ChartLine } from "../parts/chart-props.ts";
import { type Range, within } from "../parts/range.ts";
import { loss, written, xOf } from "./format.ts";
import type { LoadedRun } from "./loaded-run.ts";
import type { RunData, XKind } from "./run-data.ts";
import { colourOf, logX, logY, selectedRuns, smoothing, xKind, zoom } from "./state.ts";
import { text } from "./text.ts";
import {
  type Axis,
  bordersOf,
  countBefore,
  cutsOf,
  downsample,
  extentOf,
  points,
  sharedX,
  withMargin,
} from "./traces.ts";

interface Drawing {
  readonly label: string;
  readonly x: Float64Array;
  readonly lines: readonly ChartLine[];
  readonly range: Range;
  readonly yRange: Range;
  readonly log: boolean;
  readonly logX: boolean;
}

type Values = readonly (number | null)[];

/** A run's curves over the shared x, and their range of y. */
interface Part {
  /** Identifies all inputs. */
  readonly inputs: string;
  readonly raw: Values | undefined;
  readonly smoothed: Values;
  readonly val: Values | undefined;
  readonly extent: Range | undefined;
}

/** The last curves of each run, most of which stay valid when lines arrive. */
const parts = new WeakMap<RunData, Map<Quantity, Part>>();

/** Reads all that `draw` depends on. */
export function drawingInputs(): void {
  for (const run of selectedRuns.value) void [run.version.value, colourOf(run.key)];
  void [logX.value, logY.value, smoothing.value, xKind.value, zoom.value, text()];
}

/** The curves of a quantity of all selected runs, over `count` intervals of x. Yields after each run. */
export function* draw(quantity: Quantity, count: number): Generator<void, Drawing> {
  const runs = shownRuns();
  const log = logY.value && quantity !== "learningRate";
  const options = { quantity, kind: xKind.value, log, window: smoothing.value };
  const range = zoom.value ?? wholeRange(runs, options.kind, logX.value);
  const grid = {
    borders: bordersOf(range, count, logX.value),
    inputs: JSON.stringify([options, range, count, logX.value]),
  };
  const logarithmic = logX.value;
  const raw: ChartLine[] = [];
  const top: ChartLine[] = [];
  const extents: Range[] = [];
  for (const shown of runs) {
    const colour = colourOf(shown.run.key);
    const part = partOf(shown, options, grid);
    if (part.raw) raw.push({ colour, values: part.raw, width: 1, opacity: 0.28 });
    top.push({ colour, values: part.smoothed, width: 2 });
    if (part.val) top.push({ colour, values: part.val, width: 1.5, dots: true, dash: true });
    if (part.extent) extents.push(part.extent);
    yield;
  }
  const label = labelOf(quantity, range);
  const yRange = withMargin(extents, log);
  return { label, x: sharedX(grid.borders), lines: [...raw, ...top], range, yRange, log, logX: logarithmic };
}

interface Options {
  readonly quantity: Quantity;
  readonly kind: XKind;
  readonly log: boolean;
  readonly window: number | undefined;
}

function partOf(
  { data, axis }: ShownRun,
  { quantity, kind, log, window }: Options,
  { borders, inputs }: { readonly borders: Float64Array; readonly inputs: string },
): Part {
  const cached = parts.get(data) ?? new Map<Quantity, Part>();
  parts.set(data, cached);
  const before = cached.get(quantity);
  const now = `${data.changes} ${inputs}`;
  if (before?.inputs === now) return before;
  const curve = data.curve(quantity);
  const cuts = cutsOf(axis, borders);
  const values = downsample(curve.raw, axis, borders, cuts);
  // The learning rate has no noise: a moving average would only lag.
  const isRaw = quantity === "learningRate" || window === 1;
  const smoothed = isRaw ? values : downsample(curve.smoothed(window), axis, borders, cuts);
  const valAxis = quantity === "loss" ? data.valAxis(kind) : undefined;
  const val = valAxis && points(downsample(data.val, valAxis, borders, cutsOf(valAxis, borders)));
  const extent = extentOf([smoothed], [values, val ?? []], log);
  const part = { inputs: now, raw: smoothed === values ? undefined : values, smoothed, val, extent };
  cached.set(quantity, part);
  return part;
}

interface ShownRun {
  readonly run: LoadedRun;
  readonly data: RunData;
  readonly axis: Axis;
}

/** The selected runs that are loaded and have the selected kind of x. */
export function shownRuns(): ShownRun[] {
  return selectedRuns.value.flatMap((run) => {
    const axis = run.data?.axis(xKind.value);
    return run.data && axis ? [{ run, data: run.data, axis }] : [];
  });
}

/** The whole range of x; rounded up for growing runs, so that not every update changes the scale. */
function wholeRange(runs: readonly ShownRun[], kind: XKind, log: boolean): Range {
  let [low, high] = [log ? Infinity : 0, 0];
  for (const { data, axis } of runs)
    for (const { values, unit } of [axis, data.valAxis(kind)].filter((one) => one !== undefined)) {
      high = Math.max(high, (values[values.length - 1] ?? 0) * unit);
      low = Math.min(low, (values[countBefore({ values, unit }, 0, true)] ?? Infinity) * unit);
    }
  if (low === Infinity) low = 1;
  if (high <= low) return [low, low + 1];
  const piece = 2 ** Math.floor(Math.log2(high)) / 64;
  return [low, runs.some(({ data }) => data.changes > 0) ? Math.ceil(high / piece) * piece : high];
}

/** Zooms all charts to a range of x; undefined: the whole range. */
export function zoomTo(range: Range | undefined): void {
  zoom.value = range && within(range, wholeRange(shownRuns(), xKind.value, logX.value));
}

/** A run's values at the update nearest to an x. */
interface ValuesAt {
  readonly raw?: number;
  readonly smoothed?: number;
  readonly val?: number;
}

/** A run's values at `x`; none after its end. */
export function valuesAt({ data, axis }: ShownRun, quantity: Quantity, x: number): ValuesAt {
  const curve = data.curve(quantity);
  const at = nearest(axis, x);
  const valAxis = data.valAxis(xKind.value);
  const last = valAxis ? countBefore(valAxis, x, true) - 1 : -1;
  const val = quantity === "loss" && last >= 0 ? data.val.values[last] : undefined;
  if (at === undefined) return {};
  const smoothed = quantity === "learningRate" ? undefined : curve.smoothed(smoothing.value).values[at];
  return { raw: curve.raw.values[at], smoothed, val };
}

/** The index of the value nearest to `x`; undefined more than one value's distance after the last. */
function nearest({ values, unit }: Axis, x: number): number | undefined {
  const { length } = values;
  if (length === 0) return undefined;
  const after = Math.min(length - 1, countBefore({ values, unit }, x));
  const before = Math.max(0, after - 1);
  const index = Math.abs(values[before] * unit - x) <= Math.abs(values[after] * unit - x) ? before : after;
  const distance = length > 1 ? (values[length - 1] - values[length - 2]) * unit : 1;
  return x > values[length - 1] * unit + distance ? undefined : index;
}

/** The chart's description for screen readers: "Loss, from update 0 to update 60. baby-001: from 4.2096 to 2.5995, validation 2.6862, best 2.6862." */
export function labelOf(quantity: Quantity, [from, to]: Range): string {
  const t = text();
  const at = (x: number) => t.at[xKind.value](xOf(xKind.value, x));
  const runs = shownRuns().map(({ run, data }) => {
    const values = data.columns[quantity];
    const [first, last] = [written(quantity, values[0]), written(quantity, values[values.length - 1])];
    const { valLoss } = data.columns;
    const val = quantity === "loss" && valLoss.length > 0;
    const words = [
      t.chartRun(run.name, first, last),
      val && t.chartVal(loss(valLoss[valLoss.length - 1]), loss(data.bestVal)),
    ];
    return `${words.filter(Boolean).join(", ")}.`;
  });
  return [t.chartLabel(t.quantities[quantity], at(from), at(to)), ...runs].join(" ");
}

/** The values at the cursor in words: "update 12. baby-001: train 3.1, smoothed 3.2, validation 3.4." */
export function wordsAt(quantity: Quantity, x: number): string {
  const t = text();
  const runs = shownRuns().map((shown) => {
    const values = valuesAt(shown, quantity, x);
    const words = (["raw", "smoothed", "val"] as const).flatMap((kind) =>
      values[kind] === undefined ? [] : `${t.key[kind]} ${written(quantity, values[kind])}`,
    );
    return `${shown.run.name}: ${words.join(", ") || t.noValue}.`;
  });
  return [`${t.at[xKind.value](xOf(xKind.value, x))}.`, ...runs].join(" ");
}
