/**
 * GPT-2's tokenizer. The vocabulary comes from gpt-tokenizer's r50k_base; splitting and merging are done here, since
 * that library misses `<|endoftext|>` anywhere but at the start, takes JavaScript's white space for Unicode's, drops
 * byte order marks, and needs quadratic time for long pieces.
 */
import { BytePairEncoder, type Ranks } from "./bpe.ts";
import { IdBuffer } from "./id-buffer.ts";
import { PieceCache } from "./piece-cache.ts";
import { pieceEnd } from "./pieces.ts";
import { type EncodeOptions, type EncodeStream, VocabularyTokenizer } from "./tokenizer.ts";

const endOfText = "<|endoftext|>";

let loaded: Promise<VocabularyTokenizer> | undefined;

/** GPT-2's 50,257 tokens. `<|endoftext|>` in a text is the token of that name, unless it is `ordinary`. */
export function gpt2Tokenizer(): Promise<VocabularyTokenizer> {
  // The vocabulary is half a megabyte of source: only those who need it wait for it.
  loaded ??= import("gpt-tokenizer/bpeRanks/r50k_base").then((module) => new Gpt2Tokenizer(module.default));
  return loaded;
}

class Gpt2Tokenizer extends VocabularyTokenizer {
  readonly kind = "gpt2";
  readonly #ranks: Ranks;
  readonly #encoder: BytePairEncoder;
  readonly #cache = new PieceCache();

  constructor(vocabulary: readonly (string | readonly number[])[]) {
    super(bytesOfTokens([...vocabulary, endOfText]), vocabulary.length);
    this.#ranks = new Map(
      vocabulary.map((token, id) => [typeof token === "string" ? utf8(token) : String.fromCharCode(...token), id]),
    );
    this.#encoder = new BytePairEncoder(this.#ranks);
  }

  encode(text: string, { ordinary }: EncodeOptions = {}): number[] {
    const ids = new IdBuffer();
    if (ordinary) this.#encodeOrdinary(text, ids);
    else this.#encodeSpecial(text, ids);
    return ids.toArray();
  }

  override encodeStream({ ordinary }: EncodeOptions = {}): EncodeStream {
    return new Gpt2Stream({
      borders: ordinary ? undefined : endOfText,
      encodeAll: (text, ids) => (ordinary ? this.#encodeOrdinary(text, ids) : this.#encodeSpecial(text, ids)),
      encodeUntil: (text, settled, ids) => this.#encodeUntil(text, settled, ids),
    });
  }

  #encodeSpecial(text: string, ids: IdBuffer): void {
    for (const [index, part] of text.split(endOfText).entries()) {
      if (index > 0) ids.push(this.vocabSize - 1);
      this.#encodeOrdinary(part, ids);
    }
  }

  #encodeOrdinary(text: string, ids: IdBuffer): void {
    this.#encodeUntil(text, text.length, ids);
  }

  /** Encodes the pieces that end at or before `limit`; says where the last of them ends. */
  #encodeUntil(text: string, limit: number, ids: IdBuffer): number {
    const units = codeUnits(text);
    let start = 0;
    for (let end = 0; start < limit; start = end) {
      end = pieceEnd(units, start);
      if (end > limit) break;
      if (this.#cache.recall(units, start, end, ids)) continue;
      const first = ids.length;
      this.#encodePiece(text.slice(start, end), ids);
      this.#cache.remember(units, start, end, ids, first);
    }
    return start;
  }

  #encodePiece(piece: string, ids: IdBuffer): void {
    const bytes = utf8(piece);
    const id = this.#ranks.get(bytes);
    if (id === undefined) this.#encoder.encode(bytes, ids);
    else ids.push(id);
  }
}

const encoder = new TextEncoder();

let unitBuffer = new Uint16Array(1024);

/** The UTF-16 code units of a text, good until the next call. */
function codeUnits(text: string): Uint16Array {
  if (unitBuffer.length < text.length) unitBuffer = new Uint16Array(2 * text.length);
  for (let i = 0; i < text.length; i++) unitBuffer[i] = text.charCodeAt(i);
  return unitBuffer.subarray(0, text.length);
}

/** The bytes of each token, all in one buffer. */
function bytesOfTokens(tokens: readonly (string | readonly number[])[]): Uint8Array[] {
  // The longest character takes three bytes a code unit.
  const bytes = new Uint8Array(tokens.reduce((sum, token) => sum + 3 * token.length, 0));
  let start = 0;
  return tokens.map((token) => {
    const free = bytes.subarray(start);
    if (typeof token !== "string") free.set(token);
    const length = typeof token === "string" ? encoder.encodeInto(token, free).written : token.length;
    start += length;
    return free.subarray(0, length);
  });
}

/** The bytes of a text in UTF-8, one character a byte. */
function utf8(text: string): string {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0x7f) return binaryString(encoder.encode(text));
  return text;
}

/** One character a byte. */
function binaryString(bytes: Uint8Array): string {
  if (bytes.length < 1024) return String.fromCharCode(...bytes);
  const parts = [];
  for (let i = 0; i < bytes.length; i += 1024) parts.push(String.fromCharCode(...bytes.subarray(i, i + 1024)));
  return parts.join("");
}

/**
 * Text still to come can change how the last characters are cut: `'r` may become `'re`, spaces may be followed by a
 * word, `<|endof` by `text|>`. What ends this many characters before the end is settled.
 */
const unsettled = 16;
/** A piece that grows longer than this is cut here, though GPT-2 would not: no memory holds a word without end. */
const longestPiece = 1 << 20;

interface StreamEncoding {
  /** The special token that cuts text; undefined where its name is text like any other. */
  readonly borders: string | undefined;
  readonly encodeAll: (text: string, ids: IdBuffer) => void;
  /** Encodes the pieces that end at or before `settled`; says where the last of them ends. */
  readonly encodeUntil: (text: string, settled: number, ids: IdBuffer) => number;
}

class Gpt2Stream implements EncodeStream {
  #rest = "";
  readonly #ids = new IdBuffer();
  readonly #encoding: StreamEncoding;

  constructor(encoding: StreamEncoding) {
    this.#encoding = encoding;
  }

  push(text: string): Int32Array {
    const { borders, encodeAll, encodeUntil } = this.#encoding;
    const known = this.#rest + text;
    const lastEnd = borders === undefined ? -1 : known.lastIndexOf(borders);
    const start = borders === undefined || lastEnd < 0 ? 0 : lastEnd + borders.length;
    if (start > 0) encodeAll(known.slice(0, start), this.#ids);
    const open = known.slice(start);
    const settled = open.length - unsettled;
    let done = encodeUntil(open, settled, this.#ids);
    if (settled - done > longestPiece) {
      const cut = isHighSurrogate(open.charCodeAt(settled - 1)) ? settled - 1 : settled;
      encodeAll(open.slice(done, cut), this.#ids);
      done = cut;
    }
    this.#rest = open.slice(done);
    return this.#ids.take();
  }

  end(): Int32Array {
    this.#encoding.encodeAll(this.#rest, this.#ids);
    this.#rest = "";
    return this.#ids.take();
  }
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}
