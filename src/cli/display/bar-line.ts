import type { Paint } from "./paint.ts";
import { duration, grouped, short } from "./text.ts";

/** What the progress line shows of a run. */
export interface RunProgress {
  /** Updates made, and to make. */
  readonly step: number;
  readonly steps: number;
  /** Of the last updates, smoothed. */
  readonly loss?: number;
  readonly valLoss?: number;
  readonly tokensPerSecond?: number;
  /** Milliseconds. */
  readonly left?: number;
}

/** Least and most characters of the bar itself. */
const barWidths = { min: 10, max: 32 };

/** One line of at most `width` characters; where it is narrow, what matters least is left out. */
export function barLine(progress: RunProgress, width: number, paint: Paint): string {
  const { step, steps, loss, valLoss, tokensPerSecond, left } = progress;
  const share = steps > 0 ? Math.min(1, step / steps) : 1;
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  const count = `${grouped(step).padStart(grouped(steps).length)}/${grouped(steps)}`;
  // In the order in which they give way.
  const parts: { text: string; label?: string; rank: number }[] = [
    { text: percent, rank: 0 },
    { text: count, rank: 2 },
  ];
  if (loss !== undefined) parts.push({ label: "loss", text: loss.toFixed(3), rank: 1 });
  if (valLoss !== undefined) parts.push({ label: "val", text: valLoss.toFixed(3), rank: 4 });
  if (tokensPerSecond !== undefined) parts.push({ text: `${short(tokensPerSecond)} tok/s`, rank: 5 });
  if (left !== undefined) parts.push({ text: `${duration(left)} left`, rank: 3 });

  const gap = "  ";
  const sizeOf = (shown: typeof parts) =>
    shown.reduce((sum, { text, label }) => sum + gap.length + (label ? label.length + 1 : 0) + text.length, 0);
  let shown = parts;
  for (let rank = 5; rank > 0 && sizeOf(shown) + barWidths.min > width; rank--)
    shown = shown.filter((part) => part.rank !== rank);
  const bar = Math.min(barWidths.max, width - sizeOf(shown) - 1);
  const full = Math.round(share * bar);
  const drawn = bar > 0 ? `${paint.cyan("━".repeat(full))}${paint.dim("─".repeat(bar - full))}` : "";
  const [first, ...rest] = shown.map(({ text, label }) => (label ? `${paint.dim(label)} ${paint.bold(text)}` : text));
  return [first, drawn, ...rest].filter((part) => part !== "").join(gap);
}
