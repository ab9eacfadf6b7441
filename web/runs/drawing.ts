/** What a chart of runs shows, from the runs' numbers. */
import type { Quantity } from "../../src/runs/read-run.ts";
import type { ChartLine } from "../parts/chart-props.ts";
import { type Range, within } from "../parts/range.ts";
import { loss, written, xOf } from "./format.ts";
import type { LoadedRun } from "./loaded-run.ts";
import type { RunData, XKind } from "./run-data.ts";
import { colourOf, logX, logY, selectedRuns, smoothing, xKind, zoom } from "./state.ts";
import { text } from "./text.ts";
import { type Axis, bordersOf, countBefore, cutsOf, drawn, extentOf, points, sharedX, withRoom } from "./traces.ts";

export interface Drawing {
  readonly label: string;
  readonly x: Float64Array;
  readonly lines: readonly ChartLine[];
  readonly range: Range;
  readonly yRange: Range;
  readonly log: boolean;
  readonly logX: boolean;
}

type Values = readonly (number | null)[];

/** A run's curves in a picture, each over the shared x, and which range of y they need. */
interface Part {
  /** What they are made of. */
  readonly from: string;
  readonly raw: Values | undefined;
  readonly smoothed: Values;
  readonly val: Values | undefined;
  readonly extent: Range | undefined;
}

/** What was drawn last of each run: when lines come in, most runs are as they were. */
const parts = new WeakMap<RunData, Map<Quantity, Part>>();

/** Reads all that `draw` depends on. */
export function drawingInputs(): void {
  for (const run of selectedRuns.value) void [run.version.value, colourOf(run.key)];
  void [logX.value, logY.value, smoothing.value, xKind.value, zoom.value, text()];
}

/** The curves of a quantity of all selected runs, over so many parts of x: a run a step. */
export function* draw(quantity: Quantity, count: number): Generator<void, Drawing> {
  const runs = shownRuns();
  const log = logY.value && quantity !== "learningRate";
  const look = { quantity, kind: xKind.value, log, window: smoothing.value };
  const range = zoom.value ?? wholeRange(runs, look.kind, logX.value);
  const picture = {
    borders: bordersOf(range, count, logX.value),
    from: JSON.stringify([look, range, count, logX.value]),
  };
  const logarithmic = logX.value;
  const raw: ChartLine[] = [];
  const top: ChartLine[] = [];
  const extents: Range[] = [];
  for (const shown of runs) {
    const colour = colourOf(shown.run.key);
    const part = partOf(shown, look, picture);
    if (part.raw) raw.push({ colour, values: part.raw, width: 1, opacity: 0.28 });
    top.push({ colour, values: part.smoothed, width: 2 });
    if (part.val) top.push({ colour, values: part.val, width: 1.5, dots: true, dash: true });
    if (part.extent) extents.push(part.extent);
    yield;
  }
  const label = labelOf(quantity, range);
  const yRange = withRoom(extents, log);
  return { label, x: sharedX(picture.borders), lines: [...raw, ...top], range, yRange, log, logX: logarithmic };
}

interface Look {
  readonly quantity: Quantity;
  readonly kind: XKind;
  readonly log: boolean;
  readonly window: number | undefined;
}

function partOf(
  { data, axis }: ShownRun,
  { quantity, kind, log, window }: Look,
  { borders, from }: { readonly borders: Float64Array; readonly from: string },
): Part {
  const known = parts.get(data) ?? new Map<Quantity, Part>();
  parts.set(data, known);
  const before = known.get(quantity);
  const now = `${data.changes} ${from}`;
  if (before?.from === now) return before;
  const curve = data.curve(quantity);
  const cuts = cutsOf(axis, borders);
  const values = drawn(curve.raw, axis, borders, cuts);
  // The learning rate is what it is: a mean of it would only be late.
  const isAsItIs = quantity === "learningRate" || window === 1;
  const smoothed = isAsItIs ? values : drawn(curve.smoothed(window), axis, borders, cuts);
  const valAxis = quantity === "loss" ? data.valAxis(kind) : undefined;
  const val = valAxis && points(drawn(data.val, valAxis, borders, cutsOf(valAxis, borders)));
  const extent = extentOf([smoothed], [values, val ?? []], log);
  const part = { from: now, raw: smoothed === values ? undefined : values, smoothed, val, extent };
  known.set(quantity, part);
  return part;
}

export interface ShownRun {
  readonly run: LoadedRun;
  readonly data: RunData;
  readonly axis: Axis;
}

/** The selected runs that are loaded and have such an x. */
export function shownRuns(): ShownRun[] {
  return selectedRuns.value.flatMap((run) => {
    const axis = run.data?.axis(xKind.value);
    return run.data && axis ? [{ run, data: run.data, axis }] : [];
  });
}

/** All of x; where runs go on a little more, so that not every update changes the picture. */
export function wholeRange(runs: readonly ShownRun[], kind: XKind, log: boolean): Range {
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

/** Shows that part of x in all charts; undefined: all of it. */
export function zoomTo(range: Range | undefined): void {
  zoom.value = range && within(range, wholeRange(shownRuns(), xKind.value, logX.value));
}

/** What a run has at an x: of the update that is nearest. */
export interface ValuesAt {
  readonly raw?: number;
  readonly smoothed?: number;
  readonly val?: number;
}

/** The values at `x`; where the run ended before, none. */
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

/** The index of the value nearest to `x`; undefined where it lies more than a value's distance outside. */
function nearest({ values, unit }: Axis, x: number): number | undefined {
  const { length } = values;
  if (length === 0) return undefined;
  const after = Math.min(length - 1, countBefore({ values, unit }, x));
  const before = Math.max(0, after - 1);
  const index = Math.abs(values[before] * unit - x) <= Math.abs(values[after] * unit - x) ? before : after;
  const distance = length > 1 ? (values[length - 1] - values[length - 2]) * unit : 1;
  return x > values[length - 1] * unit + distance ? undefined : index;
}

/** The chart in words, for screen readers: "Loss, from update 0 to update 60. baby-001: from 4.2096 to 2.5995, validation 2.6862, best 2.6862." */
export function labelOf(quantity: Quantity, [from, to]: Range): string {
  const t = text();
  const at = (x: number) => t.at[xKind.value](xOf(xKind.value, x));
  const runs = shownRuns().map(({ run, data }) => {
    const values = data.columns[quantity];
    const [first, last] = [written(quantity, values[0]), written(quantity, values[values.length - 1])];
    const { valLoss } = data.columns;
    const val = quantity === "loss" && valLoss.length > 0;
    const said = [
      t.chartRun(run.name, first, last),
      val && t.chartVal(loss(valLoss[valLoss.length - 1]), loss(data.bestVal)),
    ];
    return `${said.filter(Boolean).join(", ")}.`;
  });
  return [t.chartLabel(t.quantities[quantity], at(from), at(to)), ...runs].join(" ");
}

/** The values at the cursor in words: "update 12. baby-001: train 3.1, smoothed 3.2, validation 3.4." */
export function wordsAt(quantity: Quantity, x: number): string {
  const t = text();
  const runs = shownRuns().map((shown) => {
    const values = valuesAt(shown, quantity, x);
    const said = (["raw", "smoothed", "val"] as const).flatMap((kind) =>
      values[kind] === undefined ? [] : `${t.key[kind]} ${written(quantity, values[kind])}`,
    );
    return `${shown.run.name}: ${said.join(", ") || t.noValue}.`;
  });
  return [`${t.at[xKind.value](xOf(xKind.value, x))}.`, ...runs].join(" ");
}
