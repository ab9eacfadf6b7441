/** Tokenizers that cut a text at added tokens, and encode what stands between them on its own. */
import { type AddedToken, AddedTokens } from "./added-tokens.ts";
import { IdBuffer } from "./id-buffer.ts";
import {
  type EncodeOptions,
  type EncodeStream,
  requireEncodeOptions,
  requireText,
  type TokenizerKind,
  VocabularyTokenizer,
} from "./tokenizer.ts";

/** Encoder of the text between added tokens. */
export interface TextEncoding {
  /** The text with what is put before it. */
  begin(text: string): string;
  /**
   * Appends the ids of the pieces that end at or before `limit` of a text that has begun; says where the last of them
   * ends. With the text's length as `limit`: of all.
   */
  encodeUntil(text: string, limit: number, ids: IdBuffer): number;
  /** True if a text can be encoded incrementally. */
  readonly canStream: boolean;
}

export interface SectionTokenizerParts {
  readonly kind: TokenizerKind;
  /** The bytes of every token, by id. */
  readonly tokens: readonly Uint8Array[];
  readonly endOfText?: number;
  readonly specialIds?: readonly number[];
  readonly turnEnd?: number;
  readonly baseSize?: number;
  readonly added: readonly AddedToken[];
  readonly text: TextEncoding;
  /** Tokens around a whole prompt. */
  readonly around?: Around;
  /** The hub's files that it consists of. */
  readonly files?: ReadonlyMap<string, string>;
}

export interface Around {
  readonly before: readonly number[];
  readonly after: readonly number[];
}

const nothing: Around = { before: [], after: [] };

export class SectionTokenizer extends VocabularyTokenizer {
  readonly kind: TokenizerKind;
  override readonly specialIds?: readonly number[];
  override readonly turnEnd?: number;
  override readonly files?: ReadonlyMap<string, string>;
  readonly #text: TextEncoding;
  readonly #around: Around;
  readonly #added: AddedTokens;
  /** Those that are words: the others are text in ordinary text. */
  readonly #words: AddedTokens;

  constructor(parts: SectionTokenizerParts) {
    const { kind, tokens, endOfText, specialIds, turnEnd, baseSize, added, text, files, around } = parts;
    super(tokens, endOfText, baseSize);
    this.kind = kind;
    this.specialIds = specialIds;
    this.turnEnd = turnEnd;
    this.files = files;
    this.#text = text;
    this.#around = around ?? nothing;
    this.#added = new AddedTokens(added);
    this.#words = new AddedTokens(added.filter(({ special }) => !special));
  }

  encode(text: string, options: EncodeOptions = {}): number[] {
    requireEncodeOptions(options);
    requireText("The text", text);
    const { ordinary, prompt } = options;
    const ids = new IdBuffer();
    const { before, after } = prompt ? this.#around : nothing;
    for (const id of before) ids.push(id);
    for (const { start, end, id } of this.#cutAt(ordinary).sections(text))
      if (id === undefined) encodeWhole(this.#text, text.slice(start, end), ids);
      else ids.push(id);
    for (const id of after) ids.push(id);
    return ids.toArray();
  }

  override encodeStream(options: EncodeOptions = {}): EncodeStream {
    requireEncodeOptions(options);
    const added = this.#cutAt(options.ordinary);
    if (this.#text.canStream && added.isLocal)
      return new SectionStream(added, this.#text, options.prompt ? this.#around : nothing);
    // The encoding of a piece may depend on all that follows, so the text is held until its end.
    let whole = "";
    return {
      push: (text) => {
        whole += text;
        return [];
      },
      end: () => {
        const ids = this.encode(whole, options);
        whole = "";
        return ids;
      },
    };
  }

  #cutAt(ordinary: boolean | undefined): AddedTokens {
    return ordinary ? this.#words : this.#added;
  }
}

function encodeWhole(encoding: TextEncoding, text: string, ids: IdBuffer): void {
  const begun = encoding.begin(text);
  encoding.encodeUntil(begun, begun.length, ids);
}

/**
 * Text still to come can change how the last characters are cut: `'r` may become `'re`, spaces may be followed by a
 * word, `<|endof` by `text|>`. What ends this many characters, and those of the longest added token, before the end is
 * settled.
 */
const unsettled = 4;
/** A piece that grows longer than this is cut here, though GPT-2 would not: no memory holds a word without end. */
const longestPiece = 1 << 20;

class SectionStream implements EncodeStream {
  readonly #added: AddedTokens;
  readonly #text: TextEncoding;
  readonly #around: Around;
  readonly #ids = new IdBuffer();
  /** True once the tokens before a text are there. */
  #isOpen = false;
  #rest = "";
  /** True if `#rest` continues a text whose beginning is encoded. */
  #hasBegun = false;

  constructor(added: AddedTokens, text: TextEncoding, around: Around) {
    this.#added = added;
    this.#text = text;
    this.#around = around;
  }

  push(text: string): Int32Array {
    this.#open();
    const known = this.#rest + text;
    const settled = known.length - unsettled - this.#added.longest;
    this.#rest = "";
    for (const { start, end, id } of this.#added.sections(known)) {
      if (end > settled) {
        this.#rest = id === undefined ? this.#encodeOpen(known.slice(start), settled - start) : known.slice(start);
        break;
      }
      this.#encodeSection(known.slice(start, end), id);
    }
    return this.#ids.take();
  }

  end(): Int32Array {
    this.#open();
    const rest = this.#rest;
    for (const { start, end, id } of this.#added.sections(rest)) this.#encodeSection(rest.slice(start, end), id);
    this.#rest = "";
    for (const id of this.#around.after) this.#ids.push(id);
    this.#isOpen = false;
    return this.#ids.take();
  }

  #open(): void {
    if (!this.#isOpen) for (const id of this.#around.before) this.#ids.push(id);
    this.#isOpen = true;
  }

  #encodeSection(text: string, id: number | undefined): void {
    if (id !== undefined) this.#ids.push(id);
    else if (this.#hasBegun) this.#text.encodeUntil(text, text.length, this.#ids);
    else encodeWhole(this.#text, text, this.#ids);
    this.#hasBegun = false;
  }

  /** Encodes the first `settled` characters of a text that may continue; returns the remainder. */
  #encodeOpen(text: string, settled: number): string {
    if (settled <= 0) return text;
    const open = this.#hasBegun ? text : this.#text.begin(text);
    const limit = settled + open.length - text.length;
    this.#hasBegun = true;
    const done = this.#text.encodeUntil(open, limit, this.#ids);
    if (limit - done <= longestPiece) return open.slice(done);
    const cut = isHighSurrogate(open.charCodeAt(limit - 1)) ? limit - 1 : limit;
    this.#text.encodeUntil(open.slice(done, cut), cut - done, this.#ids);
    return open.slice(cut);
  }
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit < 0xdc00;
}
