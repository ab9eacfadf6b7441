import type uPlot from "uplot";
import type { Range } from "./range.ts";

/** A finger's place from the left of the curves, in pixels, and what of x was under it when the second one came. */
interface Finger {
  left: number;
  at: number;
}

/** Two fingers on a chart: what was under them stays under them, so that they zoom and move it. */
export class Pinch {
  readonly #fingers = new Map<number, Finger>();

  get isUnderWay(): boolean {
    return this.#fingers.size === 2;
  }

  /** A finger comes down on the curves. A third one is of no use. */
  down(plot: uPlot, { pointerType, pointerId, clientX }: PointerEvent): void {
    if (pointerType !== "touch" || this.isUnderWay) return;
    this.#fingers.set(pointerId, { left: leftIn(plot, clientX), at: 0 });
    for (const finger of this.#fingers.values()) finger.at = toShare(plot, plot.posToVal(finger.left, "x"));
  }

  /** The range of x to show after a finger has moved; undefined where there are not two, or they stand one on the other. */
  move(plot: uPlot, { pointerId, clientX }: PointerEvent): Range | undefined {
    const moved = this.#fingers.get(pointerId);
    if (moved) moved.left = leftIn(plot, clientX);
    const [a, b] = [...this.#fingers.values()].sort((one, other) => one.left - other.left);
    if (!b || b.left - a.left < 1 || b.at <= a.at) return undefined;
    const perPixel = (b.at - a.at) / (b.left - a.left);
    const shareAt = (left: number) => a.at + (left - a.left) * perPixel;
    return [fromShare(plot, shareAt(0)), fromShare(plot, shareAt(plot.over.clientWidth))];
  }

  up({ pointerId }: PointerEvent): void {
    this.#fingers.delete(pointerId);
  }
}

function leftIn(plot: uPlot, clientX: number): number {
  return clientX - plot.over.getBoundingClientRect().left;
}

/** Pixels are even in x, or in its logarithm. */
const isLog = ({ scales }: uPlot) => scales.x.distr === 3;
const toShare = (plot: uPlot, x: number) => (isLog(plot) ? Math.log(x) : x);
const fromShare = (plot: uPlot, share: number) => (isLog(plot) ? Math.exp(share) : share);
