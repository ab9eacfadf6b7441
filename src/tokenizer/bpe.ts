import type { IdBuffer } from "./id-buffer.ts";

/** The rank of the merge of bytes[start … middle) with bytes[middle … end), the lowest first; -1 where there is none. */
export type RankOf = (bytes: string, start: number, middle: number, end: number) => number;

/** Queue entries are rank * positions + position: ordered by rank, then from the left, and exact in a double. */
const positions = 2 ** 32;

/**
 * Byte pair encoding of single pieces of text: of all neighbouring parts that can be merged, the pair with the lowest
 * rank is merged first, the leftmost of equals, until none is left (Sennrich et al. 2016; tiktoken).
 *
 * Time is n log n, where most implementations need n²: a megabyte without a single space is no word, but it occurs
 * (base64, minified code, a script that writes no spaces).
 */
export class BytePairEncoder {
  readonly #rankOf: RankOf;
  readonly #ids: ReadonlyMap<string, number>;
  readonly #queue = new MinQueue();
  // Parts are bytes[i … next[i]); parts that were merged away are skipped. rank[i]: of part i with the one after it.
  // The arrays are kept from piece to piece: most pieces are short, and there are many.
  #next = new Int32Array(64);
  #previous = new Int32Array(64);
  #rank = new Int32Array(64);

  /** `ids`: those of tokens by their bytes, each byte one character of the key. */
  constructor(rankOf: RankOf, ids: ReadonlyMap<string, number>) {
    this.#rankOf = rankOf;
    this.#ids = ids;
  }

  /** Appends to `ids` those of a piece of which `bytes` has one character a byte. */
  encode(bytes: string, ids: IdBuffer): void {
    const n = bytes.length;
    this.#reset(n);
    for (let i = 0; i < n; i++) this.#rankPair(bytes, i);
    const [next, previous, rank] = [this.#next, this.#previous, this.#rank];
    for (let entry = this.#queue.pop(); entry !== undefined; entry = this.#queue.pop()) {
      const i = entry % positions;
      // The pair may have become another since it was queued.
      if (rank[i] !== Math.floor(entry / positions)) continue;
      const merged = next[i];
      rank[merged] = -1;
      next[i] = next[merged];
      previous[next[i]] = i;
      this.#rankPair(bytes, i);
      if (previous[i] >= 0) this.#rankPair(bytes, previous[i]);
    }
    for (let i = 0; i < n; i = next[i]) ids.push(this.#idOf(bytes.slice(i, next[i])));
  }

  #reset(n: number): void {
    if (n >= this.#next.length) {
      this.#next = new Int32Array(2 * n);
      this.#previous = new Int32Array(2 * n);
      this.#rank = new Int32Array(2 * n);
    }
    for (let i = 0; i <= n; i++) {
      this.#next[i] = i + 1;
      this.#previous[i] = i - 1;
    }
  }

  #rankPair(bytes: string, i: number): void {
    const second = this.#next[i];
    const rank = second < bytes.length ? this.#rankOf(bytes, i, second, this.#next[second]) : -1;
    this.#rank[i] = rank;
    if (rank >= 0) this.#queue.push(rank * positions + i);
  }

  #idOf(bytes: string): number {
    const id = this.#ids.get(bytes);
    if (id === undefined) throw new Error(`byte ${bytes.charCodeAt(0)} is not in the vocabulary`);
    return id;
  }
}

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
