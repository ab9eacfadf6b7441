import { codeUnits } from "./byte-level.ts";
import { type PieceEnd, trailingSpaceStart } from "./pieces.ts";

/** Text still to come can change how the last characters are cut: `'r` may become `'re`. */
const unsettled = 4;
/** A piece that grows longer is cut here: no memory holds a word without end. */
const longestPiece = 1 << 20;
/** V8 copies a shorter part of a string; a longer one would keep the whole string alive. */
const longestCopied = 12;

/** The different pieces of a text, in the order in which they come, and how often each occurs. */
export class PieceCounts {
  readonly counts = new Map<string, number>();
  readonly #pieceEnd: PieceEnd;
  #rest = "";

  constructor(pieceEnd: PieceEnd) {
    this.#pieceEnd = pieceEnd;
  }

  /** Counts the pieces of the next part of a text that are settled by now. */
  push(part: string): void {
    const text = this.#rest + part;
    const units = codeUnits(text);
    const settled = Math.min(text.length - unsettled, trailingSpaceStart(units));
    let start = this.#countUntil(text, units, settled);
    if (text.length - start > longestPiece) start = this.#countUntil(text, units, text.length);
    this.#rest = text.slice(start);
  }

  /** Counts what is left, at the end of a text. */
  end(): void {
    this.#countUntil(this.#rest, codeUnits(this.#rest), this.#rest.length);
    this.#rest = "";
  }

  /** Counts the pieces that end at or before `limit`; says where the last of them ends. */
  #countUntil(text: string, units: Uint16Array, limit: number): number {
    let start = 0;
    for (let end = 0; start < limit; start = end) {
      end = this.#pieceEnd(units, start);
      if (end > limit) break;
      const piece = text.slice(start, end);
      const count = this.counts.get(piece);
      if (count !== undefined) this.counts.set(piece, count + 1);
      else this.counts.set(piece.length > longestCopied ? piece.split("").join("") : piece, 1);
    }
    return start;
  }
}
