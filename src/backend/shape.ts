/** Elements of a shape. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, n) => product * n, 1);
}

/** Indices of an element of a shape, one for each dimension. */
export function placeOf(index: number, shape: readonly number[]): number[] {
  let rest = index;
  const places: number[] = [];
  for (const size of shape.toReversed()) {
    places.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return places;
}
