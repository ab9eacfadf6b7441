import { InputError, shown, UsageError } from "../errors.ts";
import { type OptionNames, requireOptions } from "../option-names.ts";

export type TokenizerKind = "gpt2" | "char" | "byte" | "huggingface" | "unknown";

export interface EncodeOptions {
  /**
   * The names of special tokens, such as `<|endoftext|>`, are text like any other: tiktoken's encode_ordinary. For the
   * texts of data sets, which must not be able to write a border between documents. Default: they are those tokens.
   */
  readonly ordinary?: boolean;
  /**
   * The text is a whole prompt: it gets what the tokenizer puts around one, such as a token that begins every text, as
   * transformers does. Default: the tokens of the text alone.
   */
  readonly prompt?: boolean;
}

const encodeOptions: OptionNames<EncodeOptions> = { ordinary: true, prompt: true };

/** UsageError for an option of `Tokenizer.encode` that there is not: a misspelled `ordinary` would let a text write marks. */
export function requireEncodeOptions(options: EncodeOptions): void {
  requireOptions("Tokenizer.encode", options, encodeOptions);
}

/** UsageError for what is no text. `what`: "The text". */
export function requireText(what: string, text: string): void {
  if (typeof text !== "string") throw new UsageError(`${what} is ${shown(text)}, expected a text (a string).`);
}

/** UsageError for what is no list of ids. */
function requireIds(ids: Iterable<number>): void {
  if (typeof ids !== "object" || ids === null || !(Symbol.iterator in ids))
    throw new UsageError(`The ids are ${shown(ids)}, expected an array of token ids.`);
}

/** Text to token ids and back. */
export interface Tokenizer {
  readonly kind: TokenizerKind;
  /** Ids are 0 to vocabSize - 1. */
  readonly vocabSize: number;
  /** The ids below it are the vocabulary's own; those from it on were added later, and not every model knows them. Default: all. */
  readonly baseSize?: number;
  /** The token between documents, where there is one. */
  readonly endOfText?: number;
  /** Tokens that are marks and no text, the end of a text among them. Default: that alone. */
  readonly specialIds?: readonly number[];
  /** The token that ends a turn of a conversation, of a tokenizer with a chat template. */
  readonly turnEnd?: number;
  /** InputError when the text holds what the vocabulary lacks. */
  encode(text: string, options?: EncodeOptions): number[];
  /** For texts too long to hold: the same ids, piece by piece. */
  encodeStream(options?: EncodeOptions): EncodeStream;
  /** Bytes that are no UTF-8 become U+FFFD; InputError for ids that are not in the vocabulary. */
  decode(ids: Iterable<number>): string;
  decodeBytes(ids: Iterable<number>): Uint8Array;
  /** The bytes of every token, by id; none for an id that stands for no token. */
  tokens(): readonly Uint8Array[];
  /** The hub's files that it consists of, by their names: only they tell how it cuts text. */
  readonly files?: ReadonlyMap<string, string>;
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
    requireTokenizer(tokenizer);
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

/** True if two vocabularies have the same bytes under the same ids. */
export function sameTokens(a: readonly Uint8Array[], b: readonly Uint8Array[]): boolean {
  return a.length === b.length && a.every((token, id) => sameBytes(token, b[id]));
}

/** True if a vocabulary is another one with further tokens behind it. */
export function extendsTokens(longer: readonly Uint8Array[], shorter: readonly Uint8Array[]): boolean {
  return longer.length > shorter.length && sameTokens(longer.slice(0, shorter.length), shorter);
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** True if a model of vocabulary `V` has a tokenizer's ids: all of them, or all but tokens added later. */
export function fits({ vocabSize, baseSize = vocabSize }: Tokenizer, V: number): boolean {
  return baseSize <= V;
}

/** The ids below `V` that stand for no token: rows that pad a model's vocabulary. They are never sampled. */
export function unusedIds(tokenizer: Tokenizer | undefined, V: number): number[] {
  if (!tokenizer) return [];
  const tokens = tokenizer.tokens();
  return Array.from({ length: V }, (_, id) => id).filter((id) => (tokens[id]?.length ?? 0) === 0);
}

/** The bytes of text that each token stands for, by id; 0 for special tokens. */
export function textLengths(tokenizer: Tokenizer): Int32Array {
  const lengths = Int32Array.from(tokenizer.tokens(), ({ length }) => length);
  const { endOfText, specialIds = [] } = tokenizer;
  for (const id of endOfText === undefined ? specialIds : [endOfText, ...specialIds]) lengths[id] = 0;
  return lengths;
}

/** `tokenizer` for a model of `V` tokens: the ids between its own vocabulary and V decode to nothing. */
export function paddedTo(V: number, tokenizer: Tokenizer): Tokenizer {
  return tokenizer.vocabSize < V ? new PaddedTokenizer(V, tokenizer) : tokenizer;
}

class PaddedTokenizer implements Tokenizer {
  readonly #V: number;
  readonly #tokenizer: Tokenizer;
  readonly kind: TokenizerKind;
  readonly vocabSize: number;
  readonly baseSize?: number;
  readonly endOfText?: number;
  readonly specialIds?: readonly number[];
  readonly turnEnd?: number;
  readonly files?: ReadonlyMap<string, string>;

  constructor(V: number, tokenizer: Tokenizer) {
    this.#V = V;
    this.#tokenizer = tokenizer;
    this.kind = tokenizer.kind;
    this.vocabSize = tokenizer.vocabSize;
    this.baseSize = tokenizer.baseSize;
    this.endOfText = tokenizer.endOfText;
    this.specialIds = tokenizer.specialIds;
    this.turnEnd = tokenizer.turnEnd;
    this.files = tokenizer.files;
  }

  encode(text: string, options?: EncodeOptions): number[] {
    return this.#tokenizer.encode(text, options);
  }

  encodeStream(options?: EncodeOptions): EncodeStream {
    return this.#tokenizer.encodeStream(options);
  }

  decode(ids: Iterable<number>): string {
    return this.#tokenizer.decode(this.#known(ids));
  }

  decodeBytes(ids: Iterable<number>): Uint8Array {
    return this.#tokenizer.decodeBytes(this.#known(ids));
  }

  tokens(): readonly Uint8Array[] {
    return this.#tokenizer.tokens();
  }

  #known(ids: Iterable<number>): number[] {
    requireIds(ids);
    const isPadding = (id: number) => Number.isInteger(id) && id >= this.vocabSize && id < this.#V;
    return Array.from(ids).filter((id) => !isPadding(id));
  }
}

/** UsageError for what is given as a tokenizer and is none; `others`: what may be given in its place, with "or". */
export function requireTokenizer(tokenizer: Tokenizer, others = ""): void {
  if (typeof tokenizer !== "object" || tokenizer === null || typeof tokenizer.encode !== "function")
    throw new UsageError(
      `tokenizer is ${shown(tokenizer)}, expected ${others}a Tokenizer, as await openTokenizer gives it.`,
    );
}

/** Common part of all tokenizers, which differ in their encoding. */
export abstract class VocabularyTokenizer implements Tokenizer {
  abstract readonly kind: TokenizerKind;
  readonly vocabSize: number;
  readonly baseSize: number;
  readonly endOfText?: number;
  readonly specialIds?: readonly number[];
  readonly turnEnd?: number;
  readonly files?: ReadonlyMap<string, string>;
  readonly #tokens: readonly Uint8Array[];

  constructor(tokens: readonly Uint8Array[], endOfText?: number, baseSize = tokens.length) {
    this.#tokens = tokens;
    this.vocabSize = tokens.length;
    this.baseSize = baseSize;
    this.endOfText = endOfText;
  }

  abstract encode(text: string, options?: EncodeOptions): number[];

  /** Right where the ids of a text are those of its pieces; gpt2 overrides it. */
  encodeStream(options?: EncodeOptions): EncodeStream {
    return { push: (text) => this.encode(text, options), end: () => [] };
  }

  decode(ids: Iterable<number>): string {
    return new TextDecoder("utf-8", { ignoreBOM: true }).decode(this.decodeBytes(ids));
  }

  decodeBytes(ids: Iterable<number>): Uint8Array {
    requireIds(ids);
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
