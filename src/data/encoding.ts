import { InputError } from "../errors.ts";
import type { ByteStream } from "../platform/platform.ts";
import { byteTokenizer } from "../tokenizer/byte.ts";
import { charTokenizer } from "../tokenizer/char.ts";
import { gpt2Tokenizer } from "../tokenizer/gpt2.ts";
import { requireTokenizer, type Tokenizer } from "../tokenizer/tokenizer.ts";
import { type ReadTextOptions, readText } from "./text.ts";
import { tokenBytesOf } from "./tokenizer-files.ts";

export type PreparedKind = "gpt2" | "char" | "byte";

/** Turns documents into tokens in one pass, however long they are. */
export interface TextEncoding {
  /** Defined if it can be computed before the text is read. */
  readonly tokenizer?: Tokenizer;
  /** The token between documents, where there is one. */
  readonly endOfText?: number;
  /** The bytes that a token takes in a file. */
  readonly tokenBytes: 2 | 4;
  /** The tokens of a document, piece by piece. */
  encode(document: ByteStream, reading: ReadTextOptions): AsyncGenerator<ArrayLike<number>>;
  /** After the last document: the tokenizer, and what each token given so far really is, where that was not known. */
  finish(): { readonly tokenizer: Tokenizer; readonly finalIds?: Uint16Array };
}

/** Of a kind whose tokens are known, or found in the text (`char`), or of a tokenizer that is there already. */
export async function makeEncoding(kind: PreparedKind | Tokenizer): Promise<TextEncoding> {
  if (kind === "char") return new CharEncoding();
  if (kind === "byte" || (typeof kind === "object" && kind?.kind === "byte")) return byteEncoding();
  if (kind === "gpt2") return knownEncoding(await gpt2Tokenizer());
  requireTokenizer(kind, '"gpt2", "char", "byte" or ');
  return knownEncoding(kind);
}

function knownEncoding(tokenizer: Tokenizer): TextEncoding {
  return {
    tokenizer,
    endOfText: tokenizer.endOfText,
    tokenBytes: tokenBytesOf(tokenizer),
    async *encode(document, reading) {
      const stream = tokenizer.encodeStream();
      try {
        for await (const text of readText(document, reading)) yield stream.push(text);
        yield stream.end();
      } catch (error) {
        if (!(error instanceof InputError) || error.message.startsWith(document.name)) throw error;
        throw new InputError(`${document.name}: ${error.message}`, { cause: error });
      }
    },
    finish: () => ({ tokenizer }),
  };
}

/** Any bytes will do: this text need not be UTF-8. Of a text in a named encoding they are those in UTF-8. */
function byteEncoding(): TextEncoding {
  const encoder = new TextEncoder();
  const tokenizer = byteTokenizer();
  return {
    tokenizer,
    tokenBytes: 2,
    async *encode(document, reading) {
      if (reading.encoding !== undefined)
        for await (const text of readText(document, reading)) yield encoder.encode(text);
      else
        for await (const bytes of document) {
          reading.onBytes?.(bytes);
          yield bytes;
        }
    },
    finish: () => ({ tokenizer }),
  };
}

/** Number of ids in two bytes. No text suited to a model by character has so many different ones. */
const mostCharacters = 65536;

/**
 * Ids follow the order of code points, which is not known before the end: until then characters are numbered as they
 * come.
 */
class CharEncoding implements TextEncoding {
  readonly tokenBytes = 2;
  readonly #ids = new Int32Array(0x110000).fill(-1);
  readonly #codePoints: number[] = [];

  async *encode(document: ByteStream, reading: ReadTextOptions): AsyncGenerator<Uint16Array> {
    for await (const text of readText(document, reading)) {
      const tokens = new Uint16Array(text.length);
      let count = 0;
      for (let i = 0; i < text.length; i++) {
        const codePoint = text.codePointAt(i) ?? 0;
        if (codePoint > 0xffff) i++;
        if (this.#ids[codePoint] < 0) this.#add(codePoint, document.name);
        tokens[count++] = this.#ids[codePoint];
      }
      yield tokens.subarray(0, count);
    }
  }

  finish(): { tokenizer: Tokenizer; finalIds: Uint16Array } {
    const sorted = Int32Array.from(this.#codePoints).sort();
    const finalIds = new Uint16Array(sorted.length);
    for (const [id, codePoint] of sorted.entries()) finalIds[this.#ids[codePoint]] = id;
    return { tokenizer: charTokenizer(Array.from(sorted, (code) => String.fromCodePoint(code))), finalIds };
  }

  #add(codePoint: number, document: string): void {
    if (this.#codePoints.length === mostCharacters)
      throw new InputError(
        `${document}: the text has more than ${mostCharacters} different characters, too many for one token each. ` +
          "Use --tokenizer gpt2 or byte.",
      );
    this.#ids[codePoint] = this.#codePoints.push(codePoint) - 1;
  }
}
