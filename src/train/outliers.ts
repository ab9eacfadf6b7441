/** Measurements in the window that an outlier is compared with, as in llm.c. */
export const outlierWindow = 128;

/** The last measurements of one kind. Plain data, to be kept as JSON. */
export interface OutlierWindow {
  /** At most 128; the oldest is at `oldest` when they are so many. */
  readonly values: number[];
  oldest: number;
  /** Running sums over `values`. Their rounding is part of the state: adding up again would change the last bits. */
  sum: number;
  sumOfSquares: number;
}

export function emptyWindow(): OutlierWindow {
  return { values: [], oldest: 0, sum: 0, sumOfSquares: 0 };
}

/**
 * Takes in a measurement, and says by how many standard deviations it lies above the mean of the last 128, itself
 * included; undefined until there are 128 before it. As llm.c's `update_detector` (llmc/outlier_detector.h).
 */
export function zScore(window: OutlierWindow, value: number): number | undefined {
  const { values, oldest } = window;
  const isFull = values.length === outlierWindow;
  if (isFull) {
    window.sum -= values[oldest];
    window.sumOfSquares -= values[oldest] * values[oldest];
  }
  window.sum += value;
  window.sumOfSquares += value * value;
  values[isFull ? oldest : values.length] = value;
  if (!isFull) return undefined;
  window.oldest = (oldest + 1) % outlierWindow;
  const mean = window.sum / outlierWindow;
  const variance = window.sumOfSquares / outlierWindow - mean * mean;
  // Rounding can leave a variance just below 0 where all values are the same.
  return variance > 0 ? (value - mean) / Math.sqrt(variance) : 0;
}
