/** A number of a run, and the update it belongs to. */
export interface Point {
  readonly step: number;
  readonly value: number;
}

/** A running mean that forgets: each value leaves a share `memory`, 0 to 1, of what was before. Right from the first. */
export class Smoothed {
  readonly #memory: number;
  #sum = 0;
  #weight = 0;

  constructor(memory: number) {
    this.#memory = memory;
  }

  get value(): number | undefined {
    return this.#weight > 0 ? this.#sum / this.#weight : undefined;
  }

  add(value: number): void {
    this.#sum = this.#memory * this.#sum + (1 - this.#memory) * value;
    this.#weight = this.#memory * this.#weight + (1 - this.#memory);
  }
}

/**
 * The mean around each point: a neighbour n points away, on either side, counts `memory` to the power of n. Unlike a
 * running mean it is not late. Before the first point, whose neighbours tend to be lower, there are their mirror images,
 * as much above it. `memory` 0 leaves the points as they are.
 */
export function smooth(points: readonly Point[], memory: number): Point[] {
  const smoothed = new Float64Array(points.length);
  smoothInto(
    smoothed,
    points.map(({ value }) => value),
    memory,
  );
  return points.map(({ step }, i) => ({ step, value: smoothed[i] }));
}

/** A neighbour that counts less than this is left out where values are smoothed anew. */
const negligible = 1e-4;

/**
 * `smooth` for plain numbers, NaN where there is none. Values before `changed` are as they were when `smoothed` was made:
 * then only what lies near enough to notice is computed. Returns the first index that was written.
 */
export function smoothInto(
  smoothed: Float64Array | Float32Array,
  values: ArrayLike<number>,
  memory: number,
  changed = 0,
): number {
  const reach = memory > 0 ? Math.ceil(Math.log(negligible) / Math.log(memory)) : 0;
  const from = Math.max(0, changed - reach);
  // What came before `from` is told by as many values before it.
  const start = Math.max(0, from - reach);
  const end = values.length;
  const after = new Float64Array(end - start);
  const weightsAfter = new Float64Array(end - start);
  let [sum, weight, first] = [0, 0, -1];
  for (let i = end - 1; i >= start; i--) {
    const value = values[i];
    if (Number.isNaN(value)) continue;
    after[i - start] = sum;
    weightsAfter[i - start] = weight;
    sum = memory * (sum + value);
    weight = memory * (weight + 1);
    first = i;
  }
  if (first >= 0) {
    weight = weightsAfter[first - start];
    sum = 2 * values[first] * weight - after[first - start];
  }
  for (let i = start; i < end; i++) {
    const value = values[i];
    if (i >= from) smoothed[i] = (sum + after[i - start] + value) / (weight + weightsAfter[i - start] + 1);
    if (Number.isNaN(value)) continue;
    sum = memory * (sum + value);
    weight = memory * (weight + 1);
  }
  return from;
}

/** The `memory` that averages over a fiftieth of a run. */
export function memoryFor({ length }: { readonly length: number }): number {
  return Math.max(0, 1 - 50 / length);
}

/** The lowest and the highest point of each of `buckets` parts of the range, in order: drawn, they look like all. */
export function thin(points: readonly Point[], buckets: number): Point[] {
  if (points.length <= 2 * buckets) return [...points];
  const first = points[0].step;
  const width = (points[points.length - 1].step + 1 - first) / buckets;
  const kept: Point[] = [];
  for (let start = 0; start < points.length; ) {
    const bucket = Math.floor((points[start].step - first) / width);
    let [low, high] = [start, start];
    let end = start;
    for (; end < points.length && Math.floor((points[end].step - first) / width) === bucket; end++) {
      if (points[end].value < points[low].value) low = end;
      if (points[end].value > points[high].value) high = end;
    }
    for (const at of new Set([Math.min(low, high), Math.max(low, high)])) kept.push(points[at]);
    start = end;
  }
  return kept;
}

/** Points of a run that may go on for days: when there are too many, each two neighbours become their mean. */
export class BoundedPoints {
  readonly #most: number;
  #points: Point[] = [];
  /** How many values make a point, and the sums of those of the point that is being made. */
  #each = 1;
  #count = 0;
  #steps = 0;
  #values = 0;

  /** Keeps at most `most` points, an even number. */
  constructor(most: number) {
    this.#most = most;
  }

  add({ step, value }: Point): void {
    this.#count++;
    this.#steps += step;
    this.#values += value;
    if (this.#count < this.#each) return;
    this.#points.push(this.#pending());
    this.#count = this.#steps = this.#values = 0;
    if (this.#points.length < this.#most) return;
    this.#points = this.#points.flatMap((one, at, all) => (at % 2 === 0 ? [middle(one, all[at + 1])] : []));
    this.#each *= 2;
  }

  /** Forgets the points from `step` on: a run makes their updates again. */
  goBackTo(step: number): void {
    if (this.#count > 0 && this.#pending().step >= step) this.#count = this.#steps = this.#values = 0;
    this.#points = this.#points.filter((point) => point.step < step);
  }

  get points(): Point[] {
    return this.#count > 0 ? [...this.#points, this.#pending()] : [...this.#points];
  }

  #pending(): Point {
    return { step: this.#steps / this.#count, value: this.#values / this.#count };
  }
}

function middle(a: Point, b: Point): Point {
  return { step: (a.step + b.step) / 2, value: (a.value + b.value) / 2 };
}
