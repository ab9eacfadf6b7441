import { BytePairEncoder, type RankOf } from "./bpe.ts";
import type { IdBuffer } from "./id-buffer.ts";
import { PieceCache } from "./piece-cache.ts";
import { type PieceEnd, trailingSpaceStart } from "./pieces.ts";
import type { TextEncoding } from "./section-tokenizer.ts";

export interface ByteLevelParts {
  readonly rankOf: RankOf;
  /** Ids by the token's bytes, each byte one character of the key; every single byte is there. */
  readonly ids: ReadonlyMap<string, number>;
  /** The split of a text into pieces. */
  readonly pieceEnd: PieceEnd;
  /** A piece that is a token is encoded as that token, whatever merges there are. */
  readonly wholePieces: boolean;
  /** A text that does not begin with a space gets one. */
  readonly prefixSpace: boolean;
}

/**
 * Byte-level BPE: a text is split into pieces by the pattern of GPT-2 or GPT-4, and each piece's bytes are merged by rank.
 * GPT-2's own tokenizer does so, and those of many models on the hub.
 */
export class ByteLevelText implements TextEncoding {
  readonly canStream = true;
  readonly #parts: ByteLevelParts;
  readonly #encoder: BytePairEncoder;
  readonly #cache = new PieceCache();

  constructor(parts: ByteLevelParts) {
    this.#parts = parts;
    this.#encoder = new BytePairEncoder(parts.rankOf, parts.ids);
  }

  begin(text: string): string {
    return this.#parts.prefixSpace && !text.startsWith(" ") ? ` ${text}` : text;
  }

  encodeUntil(text: string, limit: number, ids: IdBuffer): number {
    const units = codeUnits(text);
    const settled = limit < text.length ? Math.min(limit, trailingSpaceStart(units)) : limit;
    let start = 0;
    for (let end = 0; start < settled; start = end) {
      end = this.#parts.pieceEnd(units, start);
      if (end > settled) break;
      if (this.#cache.recall(units, start, end, ids)) continue;
      const first = ids.length;
      this.#encodePiece(text.slice(start, end), ids);
      this.#cache.remember(units, start, end, ids, first);
    }
    return start;
  }

  #encodePiece(piece: string, ids: IdBuffer): void {
    const bytes = utf8(piece);
    const id = this.#parts.wholePieces ? this.#parts.ids.get(bytes) : undefined;
    if (id === undefined) this.#encoder.encode(bytes, ids);
    else ids.push(id);
  }
}

const encoder = new TextEncoder();

let unitBuffer = new Uint16Array(1024);

/** The UTF-16 code units of a text, good until the next call. */
export function codeUnits(text: string): Uint16Array {
  if (unitBuffer.length < text.length) unitBuffer = new Uint16Array(2 * text.length);
  for (let i = 0; i < text.length; i++) unitBuffer[i] = text.charCodeAt(i);
  return unitBuffer.subarray(0, text.length);
}

/** The bytes of a text in UTF-8, one character a byte. */
export function utf8(text: string): string {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return binaryString(encoder.encode(text));
  return text;
}

/** One character a byte. */
export function binaryString(bytes: Uint8Array): string {
  if (bytes.length < 1024) return String.fromCharCode(...bytes);
  const parts = [];
  for (let i = 0; i < bytes.length; i += 1024) parts.push(String.fromCharCode(...bytes.subarray(i, i + 1024)));
  return parts.join("");
}
