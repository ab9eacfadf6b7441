/**
 * Where a key leads in a list of `count` things, laid out in rows of `columns`; undefined for keys that mean nothing here.
 * A list in one line takes up and down as well, since it may be broken into several.
 */
export function arrowTarget(key: string, index: number, count: number, columns = 1): number | undefined {
  const steps: Record<string, number> = {
    ArrowLeft: -1,
    ArrowRight: 1,
    ArrowUp: -columns,
    ArrowDown: columns,
    Home: -index,
    End: count - 1 - index,
  };
  if (!Object.hasOwn(steps, key)) return undefined;
  const target = index + steps[key];
  return target >= 0 && target < count ? target : index;
}
