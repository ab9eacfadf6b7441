/**
 * GPT-2's tokenizer. The vocabulary comes from gpt-tokenizer's r50k_base; splitting and merging are done here, since
 * that library misses `<|endoftext|>` anywhere but at the start, takes JavaScript's white space for Unicode's, drops
 * byte order marks, and needs quadratic time for long pieces.
 */
import { bytePairEncode, type Ranks } from "./bpe.ts";
import { type EncodeStream, VocabularyTokenizer } from "./tokenizer.ts";

const endOfText = "<|endoftext|>";

/**
 * How GPT-2 cuts text into pieces that are encoded on their own (openai/gpt-2, encoder.py). `\s` is spelt out: in
 * JavaScript it holds U+FEFF and lacks U+0085, unlike in Python and Rust.
 */
const pattern =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

let loaded: Promise<VocabularyTokenizer> | undefined;

/** GPT-2's 50,257 tokens. `<|endoftext|>` in a text is the token of that name. */
export function gpt2Tokenizer(): Promise<VocabularyTokenizer> {
  // The vocabulary is half a megabyte of source: only those who need it wait for it.
  loaded ??= import("gpt-tokenizer/bpeRanks/r50k_base").then((module) => new Gpt2Tokenizer(module.default));
  return loaded;
}

/** Pieces whose encoding is remembered: most of a text are repetitions of few words. */
const cacheSize = 1 << 16;
/** V8 keeps slices of 13 characters and more as references to the whole text: they would keep it in memory. */
const longestCached = 12;

class Gpt2Tokenizer extends VocabularyTokenizer {
  readonly kind = "gpt2";
  readonly #ranks: Ranks;
  readonly #cache = new Map<string, readonly number[]>();
  readonly #encoder = new TextEncoder();

  constructor(vocabulary: readonly (string | readonly number[])[]) {
    const encoder = new TextEncoder();
    const tokens = [...vocabulary, endOfText].map((token) =>
      typeof token === "string" ? encoder.encode(token) : Uint8Array.from(token),
    );
    super(tokens, vocabulary.length);
    this.#ranks = new Map(vocabulary.map((_, id) => [binaryString(tokens[id]), id]));
  }

  encode(text: string): number[] {
    const ids: number[] = [];
    for (const [index, part] of text.split(endOfText).entries()) {
      if (index > 0) ids.push(this.vocabSize - 1);
      for (const piece of piecesOf(part)) this.#encodePiece(piece, ids);
    }
    return ids;
  }

  override encodeStream(): EncodeStream {
    return new Gpt2Stream(
      (text) => this.encode(text),
      (piece, ids) => this.#encodePiece(piece, ids),
    );
  }

  #encodePiece(piece: string, ids: number[]): void {
    const known = this.#cache.get(piece);
    const found = known ?? this.#merge(binaryString(this.#encoder.encode(piece)));
    for (const id of found) ids.push(id);
    if (known || piece.length > longestCached) return;
    if (this.#cache.size === cacheSize) this.#cache.clear();
    this.#cache.set(piece, found);
  }

  #merge(bytes: string): readonly number[] {
    const id = this.#ranks.get(bytes);
    return id === undefined ? bytePairEncode(bytes, this.#ranks) : [id];
  }
}

function piecesOf(text: string): readonly string[] {
  return text.match(pattern) ?? [];
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

class Gpt2Stream implements EncodeStream {
  #buffer = "";
  readonly #encode: (text: string) => number[];
  readonly #encodePiece: (piece: string, ids: number[]) => void;

  constructor(encode: (text: string) => number[], encodePiece: (piece: string, ids: number[]) => void) {
    this.#encode = encode;
    this.#encodePiece = encodePiece;
  }

  push(text: string): number[] {
    this.#buffer += text;
    const lastEnd = this.#buffer.lastIndexOf(endOfText);
    let done = lastEnd < 0 ? 0 : lastEnd + endOfText.length;
    const ids = this.#encode(this.#buffer.slice(0, done));
    const settled = this.#buffer.length - unsettled;
    if (settled > done) {
      for (const piece of piecesOf(this.#buffer.slice(done))) {
        const end = done + piece.length;
        if (end > settled) break;
        this.#encodePiece(piece, ids);
        done = end;
      }
      if (settled - done > longestPiece) {
        const cut = isHighSurrogate(this.#buffer.charCodeAt(settled - 1)) ? settled - 1 : settled;
        this.#encodePiece(this.#buffer.slice(done, cut), ids);
        done = cut;
      }
    }
    this.#buffer = this.#buffer.slice(done);
    return ids;
  }

  end(): number[] {
    const ids = this.#encode(this.#buffer);
    this.#buffer = "";
    return ids;
  }
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}
