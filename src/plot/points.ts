/** A number of a run, and the update it belongs to. */
export interface Point {
  readonly step: number;
  readonly value: number;
}

/** Exponential moving average: each value scales the earlier ones by `decay`, 0 to 1. Unbiased from the first value on. */
export class MovingAverage {
  readonly #decay: number;
  #sum = 0;
  #weight = 0;

  constructor(decay: number) {
    this.#decay = decay;
  }

  get value(): number | undefined {
    return this.#weight > 0 ? this.#sum / this.#weight : undefined;
  }

  add(value: number): void {
    this.#sum = this.#decay * this.#sum + (1 - this.#decay) * value;
    this.#weight = this.#decay * this.#weight + (1 - this.#decay);
  }
}

/**
 * Two-sided exponential average: a neighbour n points away, on either side, has the weight decay^n. Unlike a one-sided
 * average it does not lag. Before the first point, whose neighbours tend to be lower, stand their mirror images, as much
 * above it. `decay` 0 leaves the points unchanged.
 */
export function smooth(points: readonly Point[], decay: number): Point[] {
  const smoothed = new Float64Array(points.length);
  smoothInto(
    smoothed,
    points.map(({ value }) => value),
    decay,
  );
  return points.map(({ step }, i) => ({ step, value: smoothed[i] }));
}

/** Weight below which a neighbour is left out when values are smoothed again. */
const negligible = 1e-4;

/**
 * `smooth` for plain numbers, NaN where there is none. Values before `changed` must be those that `smoothed` was
 * made of: only what lies near enough to matter is computed. Returns the first index that was written.
 */
export function smoothInto(
  smoothed: Float64Array | Float32Array,
  values: ArrayLike<number>,
  decay: number,
  changed = 0,
): number {
  const reach = decay > 0 ? Math.ceil(Math.log(negligible) / Math.log(decay)) : 0;
  const from = Math.max(0, changed - reach);
  // The state at `from` follows from as many values before it.
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
    sum = decay * (sum + value);
    weight = decay * (weight + 1);
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
    sum = decay * (sum + value);
    weight = decay * (weight + 1);
  }
  return from;
}

/** The `decay` that averages over a fiftieth of a run. */
export function decayFor({ length }: { readonly length: number }): number {
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

/** Bounded number of points of a run of any length: when there are too many, each two neighbours become their mean. */
export class BoundedPoints {
  readonly #most: number;
  #points: Point[] = [];
  /** Values per point, and the sums of those of the unfinished point. */
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

  /** Drops the points from `step` on, whose updates a resumed run makes again. */
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
