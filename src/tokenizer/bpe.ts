/**
 * Byte pair encoding of one piece of text: of all neighbouring parts whose bytes together are a token, the pair with
 * the lowest rank is merged first, the leftmost of equals, until none is left (Sennrich et al. 2016; tiktoken).
 */

/** Ranks by the token's bytes, each byte one character of the key. In GPT-2 the rank is the id. */
export type Ranks = ReadonlyMap<string, number>;

/**
 * `bytes` has one character a byte. Time is n log n, where most implementations need n²: a megabyte without a single
 * space is no word, but it occurs (base64, minified code, a script that writes no spaces).
 */
export function bytePairEncode(bytes: string, ranks: Ranks): number[] {
  const n = bytes.length;
  // Parts are bytes[i … next[i]); parts that were merged away are skipped. rank[i]: of part i with the one after it.
  const next = Int32Array.from({ length: n }, (_, i) => i + 1);
  const previous = Int32Array.from({ length: n + 1 }, (_, i) => i - 1);
  const rank = new Int32Array(n).fill(-1);
  const queue = new MinQueue();

  const rankPair = (i: number) => {
    const second = next[i];
    rank[i] = second < n ? (ranks.get(bytes.slice(i, next[second])) ?? -1) : -1;
    if (rank[i] >= 0) queue.push(rank[i] * positions + i);
  };
  for (let i = 0; i < n; i++) rankPair(i);

  for (let entry = queue.pop(); entry !== undefined; entry = queue.pop()) {
    const i = entry % positions;
    // The pair may have become another since it was queued.
    if (rank[i] !== Math.floor(entry / positions)) continue;
    const merged = next[i];
    rank[merged] = -1;
    next[i] = next[merged];
    previous[next[i]] = i;
    rankPair(i);
    if (previous[i] >= 0) rankPair(previous[i]);
  }

  const ids: number[] = [];
  for (let i = 0; i < n; i = next[i]) {
    const id = ranks.get(bytes.slice(i, next[i]));
    if (id === undefined) throw new Error(`byte ${bytes.charCodeAt(i)} is not in the vocabulary`);
    ids.push(id);
  }
  return ids;
}

/** Queue entries are rank * positions + position: ordered by rank, then from the left, and exact in a double. */
const positions = 2 ** 32;

/** A binary heap of numbers. */
class MinQueue {
  readonly #heap: number[] = [];

  push(value: number): void {
    const heap = this.#heap;
    let at = heap.push(value) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (heap[parent] <= value) break;
      heap[at] = heap[parent];
      at = parent;
    }
    heap[at] = value;
  }

  pop(): number | undefined {
    const heap = this.#heap;
    const least = heap[0];
    const value = heap.pop();
    if (value === undefined || heap.length === 0) return least;
    let at = 0;
    for (let child = 1; child < heap.length; child = 2 * at + 1) {
      if (child + 1 < heap.length && heap[child + 1] < heap[child]) child++;
      if (heap[child] >= value) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = value;
    return least;
  }
}
