import type { Inspection } from "../../src/inspect/inspect.ts";

/** (T,T) attention of one head: a row per query. Shares memory with the inspection. */
export function headOf({ attention, tokens, NH }: Inspection, layer: number, head: number): Float32Array {
  const size = tokens.length ** 2;
  const start = (layer * NH + head) * size;
  return attention.subarray(start, start + size);
}

/** A head's mean attention to the previous, the same and the first position, over the queries from the third on. */
interface Habits {
  readonly before: number;
  readonly itself: number;
  readonly first: number;
}

/** Undefined for less than three tokens, whose previous token is the first. */
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

/** Attention to a key. */
export interface Weight {
  readonly key: number;
  readonly share: number;
}

/** The `count` keys to which `query` attends most, largest first. */
export function strongest(matrix: Float32Array, query: number, count: number): Weight[] {
  const T = Math.sqrt(matrix.length);
  const weights = Array.from({ length: query + 1 }, (_, key) => ({ key, share: matrix[query * T + key] }));
  return weights.sort((a, b) => b.share - a.share).slice(0, count);
}

/** The head with the most concentrated attention: the largest sum of its rows' maxima. */
export function mostConcentrated(inspection: Inspection): { layer: number; head: number } {
  const { L, NH, tokens } = inspection;
  const T = tokens.length;
  const concentration = Array.from({ length: L * NH }, (_, index) => {
    const matrix = headOf(inspection, Math.floor(index / NH), index % NH);
    let sum = 0;
    for (let t = 0; t < T; t++) sum += matrix.subarray(t * T, (t + 1) * T).reduce((a, b) => Math.max(a, b));
    return sum;
  });
  const best = concentration.indexOf(Math.max(...concentration));
  return { layer: Math.floor(best / NH), head: best % NH };
}
