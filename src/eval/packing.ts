/** Packing of rows to score into batches: rows that begin alike share their beginning, and nothing is padded. */
import type { Segment } from "../model/packed.ts";

/** A sequence of tokens, of which those from `from` (1 or more) on are scored, each given all before it. */
export interface Row {
  readonly tokens: ArrayLike<number>;
  readonly from: number;
}

/** Rows that have the tokens before their last given one in common: the shared prefix, which is computed once. */
interface Group {
  /** Indices of the rows. */
  readonly rows: number[];
}

/** Rows of a workspace: where to begin, and how many. */
export interface Span {
  readonly start: number;
  readonly length: number;
}

/** The place of a batch's sequences in the rows of a workspace: first the prefixes, then all that is scored. */
export interface Layout {
  /** Rows in all. */
  readonly rows: number;
  readonly segments: readonly Segment[];
  /** From the first scored row to the last. */
  readonly scored: Span;
  /** A batch's rows to score, by their index, and the workspace's rows that predict their scored tokens. */
  readonly places: readonly { readonly index: number; readonly span: Span }[];
  /** A workspace's rows that hold a prefix: tokens 0 … length of the row of this index. */
  readonly prefixes: readonly { readonly index: number; readonly span: Span }[];
}

/** Tokens before the one that predicts the first scored token. */
export function prefixLength({ from }: Row): number {
  return from - 1;
}

/** Tokens to score: as many predict them, the last given one and all scored ones but the last. */
export function scoredLength({ tokens, from }: Row): number {
  return tokens.length - from;
}

/**
 * Lays rows out in batches of at most `capacity` rows of a workspace, in their order; a group that does not fit is
 * divided, and a row that is longer than a batch gets one of its own. Segments begin at multiples of `unit`.
 */
export function layoutsOf(rows: readonly Row[], capacity: number, unit: number): Layout[] {
  const aligned = (length: number) => Math.ceil(length / unit) * unit;
  const batches: Group[][] = [];
  let used = Number.POSITIVE_INFINITY;
  for (const [index, row] of rows.entries()) {
    const [prefix, scored] = [aligned(prefixLength(row)), aligned(scoredLength(row))];
    const group = batches.at(-1)?.at(-1);
    if (group && sharesPrefix(rows[group.rows[0]], row) && used + scored <= capacity) {
      group.rows.push(index);
      used += scored;
      continue;
    }
    if (used + prefix + scored > capacity) {
      batches.push([]);
      used = 0;
    }
    batches.at(-1)?.push({ rows: [index] });
    used += prefix + scored;
  }
  return batches.map((groups) => layoutOf(groups, rows, aligned));
}

/** True if two rows have the same tokens before the ones that predict what is scored. */
function sharesPrefix(a: Row, b: Row): boolean {
  const length = prefixLength(a);
  if (length === 0 || prefixLength(b) !== length) return false;
  for (let i = 0; i < length; i++) if (a.tokens[i] !== b.tokens[i]) return false;
  return true;
}

function layoutOf(groups: readonly Group[], rows: readonly Row[], aligned: (length: number) => number): Layout {
  const prefixes: Layout["prefixes"][number][] = [];
  let end = 0;
  for (const {
    rows: [index],
  } of groups) {
    const length = prefixLength(rows[index]);
    prefixes.push({ index, span: { start: end, length } });
    end += aligned(length);
  }
  const first = end;
  const segments: Segment[] = [];
  const places: Layout["places"][number][] = [];
  for (const [g, group] of groups.entries()) {
    const { start, length: past } = prefixes[g].span;
    if (past > 0) segments.push({ start, B: 1, T: past, past: 0 });
    for (const index of group.rows) {
      const length = scoredLength(rows[index]);
      places.push({ index, span: { start: end, length } });
      addSegment(segments, past > 0 ? { start: end, B: 1, T: length, past } : { start: end, B: 1, T: length });
      end += aligned(length);
    }
  }
  return { rows: end, segments, scored: { start: first, length: end - first }, places, prefixes };
}

/** Whole sequences of one length that follow each other are one segment: more work for the threads to share. */
function addSegment(segments: Segment[], segment: Segment): void {
  const last = segments.at(-1);
  const { start, T, past } = segment;
  if (last && last.past === undefined && past === undefined && last.T === T && last.start + last.B * T === start)
    segments[segments.length - 1] = { ...last, B: last.B + 1 };
  else segments.push(segment);
}
