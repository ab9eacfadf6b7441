/**
 * Index that a key moves to in a list of `count` items in rows of `columns`; undefined for other keys. A one-column list takes
 * all four arrows, since it may be wrapped like a text.
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
