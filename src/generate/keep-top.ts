/**
 * The most probable tokens, by selection instead of a sort. Floats of 0 or more are ordered as their bits are: tallies by
 * the upper half of the bits find the bucket of the smallest probability that is kept, tallies by the lower half find the
 * probability itself. Time is proportional to V, whatever the probabilities are.
 */

export interface TopOptions {
  /** At most so many are kept; 0: all. */
  readonly topK: number;
  /** Of those, the first that together reach this share of their sum; 1: all. */
  readonly topP: number;
  /** Of those, the ones at least this share as probable as the most probable; 0: all. */
  readonly minP: number;
}

/**
 * Sets all probabilities (V) but those kept to 0, and divides the rest by its sum. Of equal ones at the border those of
 * the lowest ids are kept.
 */
export function keepTop(probabilities: Float32Array, { topK, topP, minP }: TopOptions): void {
  if (topK > 0) cut(probabilities, { most: topK, mass: Number.POSITIVE_INFINITY });
  if (topP < 1) cut(probabilities, { most: probabilities.length, mass: topP * sumOf(probabilities) });
  if (minP > 0) cutBelow(probabilities, minP * largest(probabilities));
  const sum = sumOf(probabilities);
  for (let i = 0; i < probabilities.length; i++) probabilities[i] /= sum;
}

/** The largest are kept until there are `most` of them, or until their sum reaches `mass`. */
interface Limits {
  readonly most: number;
  readonly mass: number;
}

/** Of a descent through the buckets: where it stops, and the number and sum of what lies above. */
interface Border {
  readonly bucket: number;
  readonly count: number;
  readonly sum: number;
}

/** The upper and the lower half of the bits of a float below 2. */
const half = 15;
const buckets = 1 << half;
const counts = new Uint32Array(buckets);
const sums = new Float64Array(buckets);

function cut(probabilities: Float32Array, limits: Limits): void {
  const bits = new Uint32Array(probabilities.buffer, probabilities.byteOffset, probabilities.length);
  clearTallies();
  for (let i = 0; i < bits.length; i++) tally(bits[i] >>> half, probabilities[i]);
  const upper = descend({ count: 0, sum: 0 }, limits);
  clearTallies();
  for (let i = 0; i < bits.length; i++)
    if (bits[i] >>> half === upper.bucket) tally(bits[i] & (buckets - 1), probabilities[i]);
  const lower = descend(upper, limits);
  const border = (upper.bucket << half) | lower.bucket;
  let atBorder = countAtBorder(lower, limits);
  for (let i = 0; i < bits.length; i++)
    if (bits[i] < border || (bits[i] === border && atBorder-- <= 0)) probabilities[i] = 0;
}

function clearTallies(): void {
  counts.fill(0);
  sums.fill(0);
}

function tally(bucket: number, probability: number): void {
  counts[bucket]++;
  sums[bucket] += probability;
}

/** Goes down to the first bucket in which a limit is reached, or to the last. */
function descend({ count, sum }: Omit<Border, "bucket">, { most, mass }: Limits): Border {
  let bucket = buckets - 1;
  for (; bucket > 0 && count + counts[bucket] < most && sum + sums[bucket] < mass; bucket--) {
    count += counts[bucket];
    sum += sums[bucket];
  }
  return { bucket, count, sum };
}

/** Number of those kept in the border's bucket, all of which are equal. */
function countAtBorder({ bucket, count, sum }: Border, { most, mass }: Limits): number {
  const each = sums[bucket] / counts[bucket];
  let kept = 0;
  while (kept < counts[bucket] && count + kept < most && sum + kept * each < mass) kept++;
  return kept;
}

function cutBelow(probabilities: Float32Array, least: number): void {
  for (let i = 0; i < probabilities.length; i++) if (probabilities[i] < least) probabilities[i] = 0;
}

function sumOf(probabilities: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < probabilities.length; i++) sum += probabilities[i];
  return sum;
}

function largest(probabilities: Float32Array): number {
  let most = 0;
  for (let i = 0; i < probabilities.length; i++) most = Math.max(most, probabilities[i]);
  return most;
}
