export type Range = readonly [number, number];

/** What of a range that was asked for lies in the whole one; undefined, which stands for the whole, where it is all of it. */
export function within([low, high]: Range, whole: Range): Range | undefined {
  const [from, to] = [Math.max(low, whole[0]), Math.min(high, whole[1])];
  return from < to && (from > whole[0] || to < whole[1]) ? [from, to] : undefined;
}
