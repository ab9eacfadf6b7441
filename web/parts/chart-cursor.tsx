import { type ReadonlySignal, useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useEffect } from "preact/hooks";
import type uPlot from "uplot";
import type { ChartCursorProps, ChartProps } from "./chart-props.ts";
import type { Range } from "./range.ts";

/** Part of the width by which an arrow key moves the cursor; with Shift ten times as much. */
const keyStep = 0.01;
/** Factor by which + shrinks the range. */
const zoomStep = 0.6;

/** The range of x shown. */
export function rangeOf({ range, x }: ChartProps): Range {
  const [min, max] = range ?? [x[0] ?? 0, x[x.length - 1] ?? 1];
  return [min, max > min ? max : min + 1];
}

/** Moves the cursor to the pointer, if it is over the curves. */
export function pointAt(
  plot: uPlot | undefined,
  cursor: ChartCursorProps | undefined,
  { clientX }: PointerEvent,
): void {
  if (!plot || !cursor) return;
  const { left, width } = plot.over.getBoundingClientRect();
  const isOver = clientX >= left && clientX <= left + width;
  cursor.x.value = isOver ? plot.posToVal(clientX - left, "x") : undefined;
}

/** The cursor as a slider for keyboard and screen readers, and the tip beside it. */
export function ChartCursor({
  plot,
  latest,
  pointed,
  kind,
  cursor,
}: {
  plot: RefObject<uPlot | undefined>;
  latest: { readonly current: ChartProps };
  /** True if the pointer is over this chart: of charts that share a cursor, only this one shows the tip. */
  pointed: ReadonlySignal<boolean>;
  /** Changes when the plot is recreated. */
  kind: string;
  cursor: ChartCursorProps;
}) {
  const focused = useSignal(false);
  const made = plot.current;
  const x = cursor.x.value;
  useEffect(() => {
    const { current } = plot;
    current?.setCursor({ left: x === undefined ? -10 : current.valToPos(x, "x"), top: 10 }, false);
  }, [x, kind]);

  const [min, max] = rangeOf(latest.current);
  const keyDown = (event: KeyboardEvent) => {
    // The plot may have been recreated since the last render.
    const [now, props] = [plot.current, latest.current];
    if (!now || event.ctrlKey || event.metaKey || event.altKey) return;
    const next = moved(now, x ?? max, event) ?? zoomed(now, x, event.key, props);
    if (next === undefined) return;
    event.preventDefault();
    cursor.x.value = next;
  };
  return (
    <>
      <div
        class="chart-slider"
        role="slider"
        tabIndex={0}
        aria-label={cursor.label}
        aria-valuemin={min}
        aria-valuemax={max}
        aria-valuenow={Math.min(max, Math.max(min, x ?? max))}
        aria-valuetext={focused.value ? cursor.words(x ?? max) : undefined}
        onKeyDown={keyDown}
        onFocus={() => {
          focused.value = true;
        }}
        onBlur={() => {
          focused.value = false;
          cursor.x.value = undefined;
        }}
      />
      {made && (focused.value || pointed.value) && x !== undefined && x >= min && x <= max && (
        <div class="chart-tip" style={besides(made, x)} aria-hidden="true">
          {cursor.tip(x)}
        </div>
      )}
    </>
  );
}

/** Places the tip on the wider side of the cursor. */
function besides(plot: uPlot, x: number): preact.CSSProperties {
  const { offsetLeft, clientWidth } = plot.over;
  const at = plot.valToPos(x, "x");
  const whole = plot.root.clientWidth;
  return at < clientWidth / 2 ? { left: `${offsetLeft + at + 12}px` } : { right: `${whole - offsetLeft - at + 12}px` };
}

/** The x to which a key moves the cursor; undefined for other keys. */
function moved(plot: uPlot, x: number, { key, shiftKey }: KeyboardEvent): number | undefined {
  const width = plot.over.clientWidth;
  const by = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity, PageDown: -10, PageUp: 10 }[key];
  if (by === undefined) return undefined;
  const to = plot.valToPos(x, "x") + by * keyStep * width * (shiftKey ? 10 : 1);
  return plot.posToVal(Math.min(width, Math.max(0, to)), "x");
}

/** Zooms around the cursor if the key is +, - or Escape, and returns the cursor's x; undefined for other keys. */
function zoomed(plot: uPlot, x: number | undefined, key: string, { onZoom }: ChartProps): number | undefined {
  const width = plot.over.clientWidth;
  const at = x === undefined ? width / 2 : plot.valToPos(x, "x");
  const by = { "+": zoomStep, "=": zoomStep, "-": 1 / zoomStep }[key];
  if (key === "Escape") onZoom?.(undefined);
  else if (by !== undefined) onZoom?.([plot.posToVal(at - at * by, "x"), plot.posToVal(at + (width - at) * by, "x")]);
  else return undefined;
  return plot.posToVal(at, "x");
}
