export type Range = readonly [number, number];

/** The part of a range inside `whole`; undefined, which stands for the whole, if that is all or none of it. */
export function within([low, high]: Range, whole: Range): Range | undefined {
  const [from, to] = [Math.max(low, whole[0]), Math.min(high, whole[1])];
  return from < to && (from > whole[0] || to < whole[1]) ? [from, to] : undefined;
}
