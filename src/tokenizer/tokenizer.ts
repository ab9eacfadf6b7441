import { InputError } from "../errors.ts";

export type TokenizerKind = "gpt2" | "char" | "byte" | "huggingface" | "unknown";

/** Text to token ids and back. */
export interface Tokenizer {
  readonly kind: TokenizerKind;
  /** Ids are 0 to vocabSize - 1. */
  readonly vocabSize: number;
  /** The token between documents, where there is one. */
  readonly endOfText?: number;
  /** InputError when the text holds what the vocabulary lacks. */
  encode(text: string): number[];
  /** For texts too long to hold: the same ids, piece by piece. */
  encodeStream(): EncodeStream;
  /** Bytes that are no UTF-8 become U+FFFD; InputError for ids that are not in the vocabulary. */
  decode(ids: Iterable<number>): string;
  decodeBytes(ids: Iterable<number>): Uint8Array;
  /** The bytes of every token, by id. */
  tokens(): readonly Uint8Array[];
}

export interface EncodeStream {
  /** The ids that are settled by now, given the next piece of text. They are good until the next call. */
  push(text: string): ArrayLike<number> & Iterable<number>;
  /** The remaining ids. The stream can be used again for another text. */
  end(): ArrayLike<number> & Iterable<number>;
}

/** Decodes ids one by one, as they are generated: never half a character. */
export class TextStream {
  readonly #tokenizer: Tokenizer;
  // A byte order mark is a character like any other here.
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  /** The text that this id completes; empty while a character is still missing bytes. */
  push(id: number): string {
    return this.#decoder.decode(this.#tokenizer.decodeBytes([id]), { stream: true });
  }

  /** U+FFFD when the ids end inside a character, else nothing. */
  end(): string {
    return this.#decoder.decode();
  }
}

/** Whether two vocabularies hold the same bytes under the same ids. */
export function sameTokens(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return a.length === b.length && a.every((token, id) => sameBytes(token, b[id]));
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** What all tokenizers share: they differ in how they encode. */
export abstract class VocabularyTokenizer implements Tokenizer {
  abstract readonly kind: TokenizerKind;
  readonly vocabSize: number;
  readonly endOfText?: number;
  readonly #tokens: readonly Uint8Array[];

  constructor(tokens: readonly Uint8Array[], endOfText?: number) {
    this.#tokens = tokens;
    this.vocabSize = tokens.length;
    this.endOfText = endOfText;
  }

  abstract encode(text: string): number[];

  /** Right where the ids of a text are those of its pieces; gpt2 overrides it. */
  encodeStream(): EncodeStream {
    return { push: (text) => this.encode(text), end: () => [] };
  }

  decode(ids: Iterable<number>): string {
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(this.decodeBytes(ids));
  }

  decodeBytes(ids: Iterable<number>): Uint8Array {
    const pieces = Array.from(ids, (id, position) => {
      const bytes = this.#tokens[id];
      if (bytes) return bytes;
      throw new InputError(
        `Token ${id} at position ${position} is not in the ${this.kind} tokenizer's vocabulary: ` +
          `expected 0 to ${this.vocabSize - 1}. Give the tokenizer that the ids belong to.`,
      );
    });
    const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
    let offset = 0;
    for (const piece of pieces) {
      bytes.set(piece, offset);
      offset += piece.length;
    }
    return bytes;
  }

  tokens(): readonly Uint8Array[] {
    return this.#tokens;
  }
}
