import type uPlot from "uplot";
import type { Range } from "./range.ts";

/** A finger: pixels from the left of the curves, and its x (or log x) when the second finger came down. */
interface Finger {
  left: number;
  at: number;
}

/** Pinch gesture: two fingers zoom and move a chart, so that the x under each stays under it. */
export class Pinch {
  readonly #fingers = new Map<number, Finger>();

  get isActive(): boolean {
    return this.#fingers.size === 2;
  }

  /** A third finger is ignored. */
  down(plot: uPlot, { pointerType, pointerId, clientX }: PointerEvent): void {
    if (pointerType !== "touch" || this.isActive) return;
    this.#fingers.set(pointerId, { left: leftIn(plot, clientX), at: 0 });
    for (const finger of this.#fingers.values()) finger.at = toLinear(plot, plot.posToVal(finger.left, "x"));
  }

  /** The range of x after a finger has moved; undefined unless there are two at different places. */
  move(plot: uPlot, { pointerId, clientX }: PointerEvent): Range | undefined {
    const moved = this.#fingers.get(pointerId);
    if (moved) moved.left = leftIn(plot, clientX);
    const [a, b] = [...this.#fingers.values()].sort((one, other) => one.left - other.left);
    if (!b || b.left - a.left < 1 || b.at <= a.at) return undefined;
    const perPixel = (b.at - a.at) / (b.left - a.left);
    const linearAt = (left: number) => a.at + (left - a.left) * perPixel;
    return [fromLinear(plot, linearAt(0)), fromLinear(plot, linearAt(plot.over.clientWidth))];
  }

  up({ pointerId }: PointerEvent): void {
    this.#fingers.delete(pointerId);
  }
}

function leftIn(plot: uPlot, clientX: number): number {
  return clientX - plot.over.getBoundingClientRect().left;
}

/** Pixels are proportional to x, or to log x. */
const isLog = ({ scales }: uPlot) => scales.x.distr === 3;
const toLinear = (plot: uPlot, x: number) => (isLog(plot) ? Math.log(x) : x);
const fromLinear = (plot: uPlot, value: number) => (isLog(plot) ? Math.exp(value) : value);
