import { type Signal, useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { isDark } from "../theme.ts";
import { ChartCursor, pointAt, rangeOf } from "./chart-cursor.tsx";
import { optionsFor } from "./chart-options.ts";
import { Pinch } from "./pinch.ts";
import type { Range } from "./range.ts";

/** A line over the shared x values. */
export interface ChartLine {
  /** The CSS variable of its colour, such as --series-1. */
  readonly colour: string;
  /** One for each x; null where there is none. Others are another array: it is drawn anew when the array is another. */
  readonly values: ArrayLike<number | null>;
  readonly width?: number;
  readonly opacity?: number;
  /** Dots instead of a line; with `dash`, joined by one. */
  readonly dots?: boolean;
  readonly dash?: boolean;
}

export interface ChartProps {
  /** Says in words what is seen, for those who do not see it. */
  readonly label: string;
  /** Ascending. */
  readonly x: ArrayLike<number>;
  readonly lines: readonly ChartLine[];
  readonly height: number;
  readonly log?: boolean;
  readonly logX?: boolean;
  readonly formatY?: (value: number) => string;
  readonly formatX?: (value: number) => string;
  /** The index of the x under the pointer, or undefined when it leaves. */
  readonly onHover?: (index: number | undefined) => void;
  /** The range that was selected by dragging or by two fingers; undefined after a double click. */
  readonly onZoom?: (range: Range | undefined) => void;
  /** What is shown of x; default: all. */
  readonly range?: Range;
  /** What is shown of y; default: what the lines need. */
  readonly yRange?: Range;
  /** An x that charts show together, moved by the pointer or, where the chart has the focus, by the arrow keys. */
  readonly cursor?: ChartCursorProps;
}

export interface ChartCursorProps {
  readonly x: Signal<number | undefined>;
  /** What the keyboard moves, in words. */
  readonly label: string;
  /** What is shown beside it, and the same in words. */
  readonly tip: (x: number) => ComponentChildren;
  readonly words: (x: number) => string;
}

/** A line chart that keeps up with data that comes in many times a second. */
export function Chart(props: ChartProps) {
  const { x, lines, height, label, log, logX, cursor } = props;
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  // The handlers of the newest drawing, without making the plot anew for each.
  const latest = useRef(props);
  latest.current = props;
  const data = [x, ...lines.map(({ values }) => values)] as unknown as uPlot.AlignedData;
  const kind = JSON.stringify([
    [log, logX, height, isDark.value, props.yRange === undefined],
    lines.map(({ colour, width, opacity, dots, dash }) => [colour, width, opacity, dots, dash]),
  ]);

  const [min, max] = rangeOf(props);
  // Both in the frame that draws the rest, not in one of their own; a plot is made anew before it gets other lines.
  useLayoutEffect(() => {
    const element = holder.current;
    if (!element) return;
    const made = new uPlot(optionsFor(element, latest), data, element);
    plot.current = made;
    const observer = new ResizeObserver(() => {
      const width = element.clientWidth;
      // It tells of the first width, too, in which the plot is drawn already.
      if (width > 0 && width !== made.width) made.setSize({ width, height: latest.current.height });
    });
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
    };
  }, [kind]);

  useLayoutEffect(() => {
    plot.current?.batch((made: uPlot) => {
      made.setData(data, false);
      made.setScale("x", { min, max });
    });
  }, [kind, min, max, ...(props.yRange ?? []), ...data]);

  const pointed = useSignal(false);
  const pinch = useMemo(() => new Pinch(), []);
  const down = (event: PointerEvent) => {
    if (plot.current) pinch.down(plot.current, event);
    if (pinch.isUnderWay) leave();
    else move(event);
  };
  const move = (event: PointerEvent) => {
    const zoomed = plot.current && pinch.move(plot.current, event);
    if (zoomed) props.onZoom?.(zoomed);
    if (pinch.isUnderWay) return;
    pointed.value = true;
    pointAt(plot.current, cursor, event);
  };
  const leave = () => {
    pointed.value = false;
    if (cursor) cursor.x.value = undefined;
  };
  const up = (event: PointerEvent) => pinch.up(event);
  return (
    <div
      class="chart"
      onPointerDown={down}
      onPointerMove={move}
      onPointerUp={up}
      onPointerCancel={up}
      onPointerLeave={leave}
    >
      <div role="img" aria-label={label} ref={holder} />
      {cursor && <ChartCursor plot={plot} latest={latest} pointed={pointed} kind={kind} cursor={cursor} />}
    </div>
  );
}
