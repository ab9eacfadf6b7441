import type { IdBuffer } from "./id-buffer.ts";

const mostEntries = 1 << 16;
/** Code units and ids of what is remembered; longer pieces are rare. */
const longestPiece = 24;
const mostIds = 8;

/**
 * Remembers the ids of short pieces of text. Most of a text are repetitions of a few thousand words, so nearly all
 * lookups succeed; they read the code units in place, and everything lies in a few arrays: a string and a list for each
 * piece of a gigabyte would keep the garbage collector busy and the memory full.
 */
export class PieceCache {
  /** Open addressing: an entry's number, or -1. Twice as many as entries, so that probes stay short. */
  readonly #slots = new Int32Array(2 * mostEntries).fill(-1);
  /** Entry e's piece is keys[e * longestPiece …], of keyLengths[e] code units; its ids likewise. */
  readonly #keys = new Uint16Array(mostEntries * longestPiece);
  readonly #keyLengths = new Uint8Array(mostEntries);
  readonly #ids = new Int32Array(mostEntries * mostIds);
  readonly #idCounts = new Uint8Array(mostEntries);
  #entries = 0;

  /** Appends to `out` what was remembered of units[start … end); false when that is nothing. */
  recall(units: Uint16Array, start: number, end: number, out: IdBuffer): boolean {
    if (end - start > longestPiece) return false;
    const entry = this.#slots[this.#slotOf(units, start, end)];
    if (entry < 0) return false;
    const first = entry * mostIds;
    for (let i = first; i < first + this.#idCounts[entry]; i++) out.push(this.#ids[i]);
    return true;
  }

  /** Remembers that units[start … end) gave the ids of `out` from `first` on, unless it is too long to occur often. */
  remember(units: Uint16Array, start: number, end: number, out: IdBuffer, first: number): void {
    const count = out.length - first;
    if (end - start > longestPiece || count > mostIds) return;
    if (this.#entries === mostEntries) this.#clear();
    const slot = this.#slotOf(units, start, end);
    const entry = this.#entries++;
    this.#keys.set(units.subarray(start, end), entry * longestPiece);
    this.#keyLengths[entry] = end - start;
    for (let i = 0; i < count; i++) this.#ids[entry * mostIds + i] = out.at(first + i);
    this.#idCounts[entry] = count;
    this.#slots[slot] = entry;
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
    this.#entries = 0;
  }
}
