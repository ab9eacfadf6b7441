import type { Signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import type { Range } from "./range.ts";

/** A line over the shared x values. */
export interface ChartLine {
  /** CSS variable of the colour, such as --series-1. */
  readonly colour: string;
  /** One for each x; null: none. Arrays are compared by identity: new values need a new array. */
  readonly values: ArrayLike<number | null>;
  readonly width?: number;
  readonly opacity?: number;
  /** Dots instead of a line; with `dash`, joined by one. */
  readonly dots?: boolean;
  readonly dash?: boolean;
}

export interface ChartProps {
  /** Description for screen readers. */
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
  /** The range selected by dragging or by two fingers; undefined after a double click. */
  readonly onZoom?: (range: Range | undefined) => void;
  /** Range of x; default: all. */
  readonly range?: Range;
  /** Range of y; default: that of the lines. */
  readonly yRange?: Range;
  /** A cursor shared by several charts, moved by the pointer or, in a focused chart, by the arrow keys. */
  readonly cursor?: ChartCursorProps;
}

export interface ChartCursorProps {
  readonly x: Signal<number | undefined>;
  /** Name of the slider. */
  readonly label: string;
  /** Content of the tip, and the same as a sentence. */
  readonly tip: (x: number) => ComponentChildren;
  readonly words: (x: number) => string;
}
