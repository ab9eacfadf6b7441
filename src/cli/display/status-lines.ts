import type { Paint } from "./text.ts";
import { duration, grouped, short } from "./text.ts";

/** Figures of a run for the live lines. Losses are in nats a token. */
export interface RunProgress {
  /** Updates made, and to make; undefined: as many as the time allows. */
  readonly step: number;
  readonly steps?: number;
  /** The share that is done, 0 to 1; undefined: that of the updates. */
  readonly share?: number;
  /** Of the last updates, smoothed, and of the last one. */
  readonly loss?: number;
  readonly lastLoss?: number;
  /** Of the last validation, and the lowest so far. */
  readonly valLoss?: number;
  readonly bestValLoss?: number;
  readonly tokensPerSecond?: number;
  readonly norm?: number;
  readonly learningRate?: number;
  /** Updates that were not made, for their loss or gradients. */
  readonly skipped?: number;
  /** Milliseconds. */
  readonly left?: number;
  readonly hint?: string;
}

/** A piece of a line. Where the terminal is narrow, parts of the highest rank give way first. */
interface Part {
  readonly label?: string;
  readonly text: string;
  readonly rank: number;
}

const gap = "  ";
/** Least and most characters of the bar itself. */
const barWidths = { min: 10, max: 32 };
/** Digits and signs that a loss takes, so that nothing jumps when it falls below 10. */
const lossWidth = 7;
const timeWidth = 8;

/** Three lines of at most `width` characters, or as many of them as have something to show. */
export function statusLines(progress: RunProgress, width: number, paint: Paint): string[] {
  const { loss, lastLoss, valLoss, bestValLoss, tokensPerSecond, norm, learningRate, skipped = 0, hint } = progress;
  const losses: Part[] = [
    ...part(0, "loss", loss, fixed),
    ...part(3, "now", lastLoss, fixed),
    ...part(1, "val", valLoss, fixed),
    ...part(2, "best", bestValLoss, fixed),
  ];
  const rest: Part[] = [
    ...part(0, undefined, tokensPerSecond, (value) => `${short(value).padStart(5)} tok/s`),
    ...part(2, "norm", norm, (value) => (value < 100 ? value.toFixed(3) : short(value)).padStart(6)),
    ...part(3, "lr", learningRate, (value) => value.toExponential(2)),
    ...part(1, "skipped", skipped > 0 ? skipped : undefined, grouped),
    ...(hint === undefined ? [] : [{ text: hint, rank: 4 }]),
  ];
  const indent = " ".repeat(4) + gap;
  const lines = [losses, rest].map((parts) => inWords(fitting(parts, width - indent.length + gap.length), paint));
  return [barLine(progress, width, paint), ...lines.filter((line) => line !== "").map((line) => indent + line)];
}

function fixed(loss: number): string {
  return loss.toFixed(4).padStart(lossWidth);
}

/** One part, or none where there is no value yet. */
function part(rank: number, label: string | undefined, value: number | undefined, show: (value: number) => string) {
  return value === undefined ? [] : [{ label, text: show(value), rank }];
}

/** Updates made, a bar, and the time left. */
function barLine({ step, steps, share: given, left }: RunProgress, width: number, paint: Paint): string {
  const share = given ?? (steps ? Math.min(1, step / steps) : 1);
  const total = steps === undefined ? undefined : grouped(steps);
  const count = total === undefined ? `update ${grouped(step)}` : `${grouped(step).padStart(total.length)}/${total}`;
  const shown = fitting(
    [
      // The last validation and the last checkpoint are still to come.
      { text: `${Math.min(99, Math.floor(share * 100))}%`.padStart(4), rank: 0 },
      { text: count, rank: 2 },
      ...part(1, undefined, left, (value) => `${duration(value).padStart(timeWidth)} left`),
    ],
    width - barWidths.min,
    1,
  );
  const bar = Math.min(barWidths.max, width - sizeOf(shown));
  const full = Math.round(share * bar);
  const drawn = bar > 0 ? `${gap}${paint.cyan("━".repeat(full))}${paint.dim("─".repeat(bar - full))}` : "";
  const [first, ...others] = shown;
  return [inWords([first], paint) + drawn, ...(others.length > 0 ? [inWords(others, paint)] : [])].join(gap);
}

/** The parts that fit into `width` characters with a gap before each; those below rank `least` stay in any case. */
function fitting(parts: readonly Part[], width: number, least = 0): Part[] {
  let shown = [...parts];
  for (let rank = 4; rank >= least && sizeOf(shown) > width; rank--) shown = shown.filter((part) => part.rank !== rank);
  return shown;
}

function sizeOf(parts: readonly Part[]): number {
  return parts.reduce((sum, { text, label }) => sum + gap.length + (label ? label.length + 1 : 0) + text.length, 0);
}

function inWords(parts: readonly Part[], paint: Paint): string {
  return parts.map(({ text, label }) => (label ? `${paint.dim(label)} ${paint.bold(text)}` : text)).join(gap);
}
