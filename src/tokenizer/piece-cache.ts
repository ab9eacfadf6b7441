/**
 * Remembers the ids of short pieces of text. Most of a text are repetitions of a few thousand words, so nearly all
 * lookups succeed; they read the code units in place, since a string for each piece of a gigabyte would keep the garbage
 * collector busy and the memory full.
 */
export class PieceCache {
  /** Open addressing: an entry's number, or -1. Twice as many as entries, so that probes stay short. */
  readonly #slots = new Int32Array(2 * mostEntries).fill(-1);
  /** An entry's piece is keys[e * longestPiece …], of keyLengths[e] code units. */
  readonly #keys = new Uint16Array(mostEntries * longestPiece);
  readonly #keyLengths = new Uint8Array(mostEntries);
  readonly #ids: (number | readonly number[])[] = [];

  /** What was remembered of units[start … end), or undefined. */
  get(units: Uint16Array, start: number, end: number): number | readonly number[] | undefined {
    if (end - start > longestPiece) return undefined;
    const entry = this.#slots[this.#slotOf(units, start, end)];
    return entry < 0 ? undefined : this.#ids[entry];
  }

  /** Remembers the ids of units[start … end), unless it is too long to occur often. */
  set(units: Uint16Array, start: number, end: number, ids: number | readonly number[]): void {
    if (end - start > longestPiece) return;
    if (this.#ids.length === mostEntries) this.#clear();
    const entry = this.#ids.push(ids) - 1;
    for (let i = start; i < end; i++) this.#keys[entry * longestPiece + i - start] = units[i];
    this.#keyLengths[entry] = end - start;
    this.#slots[this.#slotOf(units, start, end)] = entry;
  }

  /** The slot that holds the piece, or the empty one where it belongs. */
  #slotOf(units: Uint16Array, start: number, end: number): number {
    // FNV-1a, over code units.
    let hash = 0x811c9dc5;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ units[i], 0x01000193);
    const last = this.#slots.length - 1;
    let slot = (hash ^ (hash >>> 15)) & last;
    while (this.#slots[slot] >= 0 && !this.#isKey(this.#slots[slot], units, start, end)) slot = (slot + 1) & last;
    return slot;
  }

  #isKey(entry: number, units: Uint16Array, start: number, end: number): boolean {
    if (this.#keyLengths[entry] !== end - start) return false;
    const key = entry * longestPiece - start;
    for (let i = start; i < end; i++) if (this.#keys[key + i] !== units[i]) return false;
    return true;
  }

  #clear(): void {
    this.#slots.fill(-1);
    this.#ids.length = 0;
  }
}

const mostEntries = 1 << 16;
const longestPiece = 24;
