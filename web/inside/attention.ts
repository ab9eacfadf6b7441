import type { Inspection } from "../../src/inspect/inspect.ts";

/** (T,T) what one head looks at: row = the position that looks. Shares memory. */
export function headOf({ attention, tokens, NH }: Inspection, layer: number, head: number): Float32Array {
  const size = tokens.length ** 2;
  const start = (layer * NH + head) * size;
  return attention.subarray(start, start + size);
}

/** Where a head looks on average, over the positions that have a choice: those from the third on. */
export interface Habits {
  readonly before: number;
  readonly itself: number;
  readonly first: number;
}

/** Undefined for less than three tokens: the one before is the first then. */
export function habitsOf(matrix: Float32Array): Habits | undefined {
  const T = Math.sqrt(matrix.length);
  if (T < 3) return undefined;
  let [before, itself, first] = [0, 0, 0];
  for (let t = 2; t < T; t++) {
    before += matrix[t * T + t - 1];
    itself += matrix[t * T + t];
    first += matrix[t * T];
  }
  const count = T - 2;
  return { before: before / count, itself: itself / count, first: first / count };
}

/** A position looked at, and how much. */
export interface Look {
  readonly key: number;
  readonly share: number;
}

/** What position `query` looks at most, the most first. */
export function strongest(matrix: Float32Array, query: number, count: number): Look[] {
  const T = Math.sqrt(matrix.length);
  const looks = Array.from({ length: query + 1 }, (_, key) => ({ key, share: matrix[query * T + key] }));
  return looks.sort((a, b) => b.share - a.share).slice(0, count);
}

/** The head that knows best what it wants: whose strongest looks, row by row, add up to the most. */
export function mostDecided(inspection: Inspection): { layer: number; head: number } {
  const { L, NH, tokens } = inspection;
  const T = tokens.length;
  const decided = Array.from({ length: L * NH }, (_, index) => {
    const matrix = headOf(inspection, Math.floor(index / NH), index % NH);
    let sum = 0;
    for (let t = 0; t < T; t++) sum += matrix.subarray(t * T, (t + 1) * T).reduce((a, b) => Math.max(a, b));
    return sum;
  });
  const best = decided.indexOf(Math.max(...decided));
  return { layer: Math.floor(best / NH), head: best % NH };
}
