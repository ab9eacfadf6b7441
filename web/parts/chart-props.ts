import type { Signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import type { Range } from "./range.ts";

/** A line over the shared x values. */
export interface ChartLine {
  /** The CSS variable of its colour, such as --series-1. */
  readonly colour: string;
  /** One for each x; null where there is none. The chart compares arrays by identity: new values need a new array. */
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
