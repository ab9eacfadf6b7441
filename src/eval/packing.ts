/** Packing of rows to score into batches: rows that begin alike share their beginning, and nothing is padded. */
import type { Segment } from "../model/packed.ts";

/** A sequence of tokens, of which those from `from` (1 or more) on are scored, each given all before it. */
export interface Row {
  readonly tokens: ArrayLike<number>;
  readonly from: number;
}

/** Rows of a workspace, or of those that predict: where to begin, and how many. */
export interface Span {
  readonly start: number;
  readonly length: number;
}

/** The place of a batch's sequences in the rows of a workspace. */
export interface Layout {
  /** Rows in all. */
  readonly rows: number;
  readonly segments: readonly Segment[];
  /** What the workspace's rows hold: tokens from `first` on of the row of this index. */
  readonly pieces: readonly { readonly index: number; readonly first: number; readonly span: Span }[];
  /** The workspace's rows that predict scored tokens, a row to score after the other; one that several share is repeated. */
  readonly predicting: readonly number[];
  /** A batch's rows to score, by their index, and their part of `predicting`. */
  readonly places: readonly { readonly index: number; readonly span: Span }[];
}

/** Fewest tokens worth sharing: attention that finds them in a cache is called for one sequence at a time. */
const LEAST_SHARED = 4;

/** A row to score, and how many tokens it has in common with the one before, from the first on; 0: too few. */
interface Entry {
  readonly index: number;
  readonly row: Row;
  readonly shared: number;
}

/** Tokens that are computed: the last one is only predicted. */
function inputLength({ tokens }: Row): number {
  return tokens.length - 1;
}

/** Tokens to score. */
function scoredLength({ tokens, from }: Row): number {
  return tokens.length - from;
}

/**
 * Lays rows out in batches of at most `capacity` rows of a workspace, in their order. Rows that share something stay together
 * unless a batch cannot hold them; a row that is longer than a batch gets one of its own. Segments begin at multiples of
 * `unit`.
 */
export function layoutsOf(rows: readonly Row[], capacity: number, unit: number): Layout[] {
  const batches: Batch[] = [];
  const begin = () => {
    const batch = new Batch(capacity, unit);
    batches.push(batch);
    return batch;
  };
  for (const group of groupsOf(rows)) {
    let batch = batches.at(-1);
    if (!batch?.fits(group)) batch = begin();
    for (const entry of group) {
      if (!batch.isEmpty && !batch.fits([entry])) batch = begin();
      batch.add(entry);
    }
  }
  return batches.map((batch) => batch.layout());
}

/** Runs of rows each of which shares its beginning with the one before. */
function groupsOf(rows: readonly Row[]): Entry[][] {
  const groups: Entry[][] = [];
  for (const [index, row] of rows.entries()) {
    const shared = index === 0 ? 0 : sharedLength(rows[index - 1], row);
    const entry = { index, row, shared };
    if (shared > 0) groups.at(-1)?.push(entry);
    else groups.push([entry]);
  }
  return groups;
}

/** Inputs that two rows have in common, from the first on; 0 if sharing them is not worth it. */
function sharedLength(a: Row, b: Row): number {
  const most = Math.min(inputLength(a), inputLength(b));
  let length = 0;
  while (length < most && a.tokens[length] === b.tokens[length]) length++;
  return length < LEAST_SHARED ? 0 : length;
}

/** A batch that grows row by row. */
class Batch {
  readonly #capacity: number;
  readonly #unit: number;
  readonly #segments: Segment[] = [];
  readonly #pieces: Layout["pieces"][number][] = [];
  readonly #predicting: number[] = [];
  readonly #places: Layout["places"][number][] = [];
  /** The workspace's row of each input of the last row that was added. */
  #path: number[] = [];
  #rows = 0;

  constructor(capacity: number, unit: number) {
    this.#capacity = capacity;
    this.#unit = unit;
  }

  get isEmpty(): boolean {
    return this.#places.length === 0;
  }

  /** True if there is room for all of them. */
  fits(entries: readonly Entry[]): boolean {
    let rows = this.#rows;
    let predicting = this.#predicting.length;
    for (const { row, shared } of entries) {
      rows = this.#aligned(rows) + inputLength(row) - shared;
      predicting += scoredLength(row);
    }
    return Math.max(rows, predicting) <= this.#capacity;
  }

  add({ index, row, shared }: Entry): void {
    const past = this.isEmpty ? 0 : shared;
    const start = this.#aligned(this.#rows);
    const length = inputLength(row) - past;
    if (past > 0) this.#keepLast();
    if (length > 0) {
      this.#segments.push({ start, B: 1, T: length, past: past > 0 ? past : undefined });
      this.#pieces.push({ index, first: past, span: { start, length } });
      this.#rows = start + length;
    }
    this.#path = [...this.#path.slice(0, past), ...Array.from({ length }, (_, i) => start + i)];
    this.#places.push({ index, span: { start: this.#predicting.length, length: scoredLength(row) } });
    this.#predicting.push(...this.#path.slice(row.from - 1));
  }

  layout(): Layout {
    const segments = this.#segments.reduce(joined, []);
    return {
      rows: this.#rows,
      segments,
      pieces: this.#pieces,
      predicting: this.#predicting,
      places: this.#places,
    };
  }

  /** The last row's keys and values are needed again. */
  #keepLast(): void {
    const last = this.#segments.pop();
    if (last) this.#segments.push({ ...last, past: last.past ?? 0 });
  }

  #aligned(row: number): number {
    return Math.ceil(row / this.#unit) * this.#unit;
  }
}

/** Whole sequences of one length that follow each other are one segment: more work for the threads to share. */
function joined(segments: Segment[], segment: Segment): Segment[] {
  const last = segments.at(-1);
  const { start, T, past } = segment;
  if (last && last.past === undefined && past === undefined && last.T === T && last.start + last.B * T === start)
    segments[segments.length - 1] = { ...last, B: last.B + 1 };
  else segments.push(segment);
  return segments;
}
