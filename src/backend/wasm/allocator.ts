/** First-fit allocator over one address range, with coalescing of freed neighbours. Bookkeeping only: touches no memory. */

/** Bytes that every piece is aligned to: a cache line. */
export const ALIGNMENT = 64;

export function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}

interface Piece {
  address: number;
  bytes: number;
}

export class FreeList {
  /** Free pieces by address, never adjacent; the last reaches to the end of the range. */
  private readonly pieces: Piece[];
  private readonly sizes = new Map<number, number>();

  /** `start` must be aligned. */
  constructor(start: number, end: number) {
    this.pieces = [{ address: start, bytes: end - start }];
  }

  /** Address of `bytes` free bytes; null if no free piece is that long. */
  take(bytes: number): number | null {
    const size = Math.max(aligned(bytes), ALIGNMENT);
    const i = this.pieces.findIndex((piece) => piece.bytes >= size);
    if (i < 0) return null;
    const piece = this.pieces[i];
    const { address } = piece;
    this.sizes.set(address, size);
    piece.address += size;
    piece.bytes -= size;
    if (piece.bytes === 0) this.pieces.splice(i, 1);
    return address;
  }

  /** Returns a piece from `take`. */
  release(address: number): void {
    const bytes = this.sizes.get(address);
    if (bytes === undefined) throw new Error(`release of ${address}, which was not taken`);
    this.sizes.delete(address);
    const next = this.pieces.findIndex((piece) => piece.address > address);
    const i = next < 0 ? this.pieces.length : next;
    this.pieces.splice(i, 0, { address, bytes });
    this.joinWithNext(i);
    this.joinWithNext(i - 1);
  }

  /** Bytes allocated now. */
  get used(): number {
    let sum = 0;
    for (const bytes of this.sizes.values()) sum += bytes;
    return sum;
  }

  /** Bytes of the longest free piece. */
  get longest(): number {
    return this.pieces.reduce((most, piece) => Math.max(most, piece.bytes), 0);
  }

  private joinWithNext(i: number): void {
    const [piece, next] = [this.pieces[i], this.pieces[i + 1]];
    if (!piece || !next || piece.address + piece.bytes !== next.address) return;
    piece.bytes += next.bytes;
    this.pieces.splice(i + 1, 1);
  }
}
