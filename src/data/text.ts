import { InputError, NotTextError, shown } from "../errors.ts";
import type { ByteStream } from "../platform/platform.ts";
import { encodingInWords, otherThanUtf8 } from "./not-text.ts";

export interface ReadTextOptions {
  /** Under a name that TextDecoder accepts; default UTF-8. */
  readonly encoding?: string;
  /** Gets the bytes as they are read. */
  readonly onBytes?: (bytes: Uint8Array) => void;
}

/**
 * The text of a stream, piece by piece. InputError says where it is not valid in its encoding or holds zeros; it is a
 * NotTextError, which says what the stream is instead, where that can be found out.
 */
export async function* readText(
  stream: ByteStream,
  { encoding = "utf-8", onBytes }: ReadTextOptions = {},
): AsyncGenerator<string> {
  const reader = isUtf8(encoding) ? new Utf8Reader() : new OtherReader(encoding);
  let start: Uint8Array | undefined;
  try {
    for await (const chunk of stream) {
      onBytes?.(chunk);
      if (!start && !isUtf8(encoding)) requireOther(stream.name, chunk, encoding);
      start ??= chunk.slice(0, startBytes);
      yield reader.push(chunk);
    }
    reader.end();
  } catch (error) {
    throw error instanceof InvalidText ? await explain(stream.name, error, start ?? error.near) : error;
  }
}

/** The beginning of a file, by which it is known. */
const startBytes = 4096;

/** True if an encoding is UTF-8. UsageError for an unknown name. */
function isUtf8(encoding: string): boolean {
  return decoderOf(encoding).encoding === "utf-8";
}

/** InputError for an encoding that TextDecoder does not support. */
export function requireEncoding(encoding: string): void {
  decoderOf(encoding);
}

function decoderOf(encoding: string): TextDecoder {
  try {
    return new TextDecoder(encoding);
  } catch (cause) {
    throw new InputError(
      `No encoding is called ${shown(encoding)}. Known are utf-8, utf-16le, utf-16be, gb18030, gbk, big5, shift_jis, euc-jp, ` +
        "euc-kr, windows-1250 to windows-1258, iso-8859-2 and others, koi8-r, and more of the WHATWG Encoding Standard.",
      { cause },
    );
  }
}

/** A defect of a text, and the bytes there. */
class InvalidText extends Error {
  /** Description of the defect, appended to the name; for zeros, "byte 7 is zero". */
  readonly problem: string;
  readonly near: Uint8Array;
  readonly isEncoded: boolean;

  constructor(problem: string, near: Uint8Array, isEncoded: boolean, cause?: unknown) {
    super(problem, { cause });
    this.problem = problem;
    this.near = near;
    this.isEncoded = isEncoded;
  }
}

async function explain(name: string, { problem, near, isEncoded, cause }: InvalidText, start: Uint8Array) {
  if (isEncoded) return new InputError(`${name} ${problem}`, { cause });
  const { encoding, what } = await otherThanUtf8(start, name, near);
  if (encoding)
    return new NotTextError(
      `${name} ${problem}. It seems to be a text in ${encodingInWords(encoding)}, expected UTF-8.`,
      { name, encoding },
      { cause },
    );
  if (what)
    return new NotTextError(
      `${name} is not text, but ${what}. Give a text; what is packed or formatted, unpack or save as plain text first.`,
      { name, what },
      { cause },
    );
  return new NotTextError(`${name} ${problem}. Expected a text in UTF-8.`, { name }, { cause });
}

/** InputError for UTF-8 that is to be read in another encoding, in which nearly every text "is valid", but rubbish. */
function requireOther(name: string, chunk: Uint8Array, encoding: string): void {
  const complete = chunk.subarray(0, chunk.length - incompleteAtEnd(chunk));
  const beyondAscii = complete.reduce((count, byte) => count + (byte >> 7), 0);
  if (beyondAscii < 24 || complete.includes(0) || firstInvalid(complete) < complete.length) return;
  throw new InputError(`${name} is a text in UTF-8 already, and not in ${encoding}. Read it without --encoding.`);
}

/** Decodes another encoding strictly. Its mark at the start is no part of the text. */
class OtherReader {
  readonly #encoding: string;
  #strict: TextDecoder | undefined;
  /** The same with U+FFFD in place of invalid bytes, to locate them. */
  #loose = new TextDecoder();
  #lines = 1;

  constructor(encoding: string) {
    this.#encoding = encoding;
  }

  push(chunk: Uint8Array): string {
    const text = this.#decode(chunk, true);
    this.#lines += text.split("\n").length - 1;
    return text;
  }

  end(): void {
    this.#decode(new Uint8Array(0), false);
  }

  #decode(chunk: Uint8Array, stream: boolean): string {
    const strict = this.#strict ?? this.#start(chunk);
    const loose = this.#loose.decode(chunk, { stream });
    let text: string;
    try {
      text = strict.decode(chunk, { stream });
    } catch (error) {
      throw this.#invalid("is not valid", loose, "\ufffd", chunk, error);
    }
    if (text.includes("\0")) throw this.#invalid("has a zero, so it is not text", text, "\0", chunk);
    return text;
  }

  /** "utf-16" is either, as the mark says. */
  #start(chunk: Uint8Array): TextDecoder {
    const isBigEndian = chunk[0] === 0xfe && chunk[1] === 0xff && /^utf-?16$/i.test(this.#encoding);
    const encoding = isBigEndian ? "utf-16be" : this.#encoding;
    this.#loose = new TextDecoder(encoding);
    this.#strict = new TextDecoder(encoding, { fatal: true });
    return this.#strict;
  }

  #invalid(what: string, text: string, sign: string, chunk: Uint8Array, cause?: unknown): InvalidText {
    const before = text.slice(0, Math.max(0, text.indexOf(sign)));
    const line = this.#lines + before.split("\n").length - 1;
    const problem = `${what} in ${encodingInWords(this.#encoding)} at line ${line}. Give the encoding that it is in.`;
    return new InvalidText(problem, chunk.slice(), true, cause);
  }
}

/** Strict UTF-8 decoder that tracks its byte offset. */
class Utf8Reader {
  /** A byte order mark stays in the text: what goes in comes out. */
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  /** The bytes being decoded: first the start of a character that the chunk before ended in. */
  #bytes = new Uint8Array(0);
  #restLength = 0;
  #offset = 0;
  #lines = 1;

  push(chunk: Uint8Array): string {
    const length = this.#restLength + chunk.length;
    if (this.#bytes.length < length) {
      const larger = new Uint8Array(length + 3);
      larger.set(this.#bytes.subarray(0, this.#restLength));
      this.#bytes = larger;
    }
    this.#bytes.set(chunk, this.#restLength);
    const bytes = this.#bytes.subarray(0, length);
    const complete = bytes.subarray(0, length - incompleteAtEnd(bytes));
    const text = this.#decode(complete);
    this.#offset += complete.length;
    this.#lines += countLineEnds(complete);
    this.#restLength = length - complete.length;
    this.#bytes.copyWithin(0, complete.length, length);
    return text;
  }

  end(): void {
    if (this.#restLength > 0) throw this.#invalid(this.#bytes.subarray(0, this.#restLength), 0);
  }

  #decode(bytes: Uint8Array): string {
    const zero = bytes.indexOf(0);
    try {
      if (zero >= 0) this.#decoder.decode(bytes.subarray(0, zero));
      else return this.#decoder.decode(bytes);
    } catch (error) {
      throw this.#invalid(bytes, firstInvalid(bytes), error);
    }
    const line = this.#lines + countLineEnds(bytes.subarray(0, zero));
    const problem = `is not text: byte ${this.#offset + zero} (line ${line}) is zero`;
    throw new InvalidText(problem, this.#near(bytes), false);
  }

  #invalid(bytes: Uint8Array, at: number, cause?: unknown): InvalidText {
    const line = this.#lines + countLineEnds(bytes.subarray(0, at));
    const problem = `is not valid UTF-8 at byte ${this.#offset + at} (line ${line}): found ${hexadecimal(bytes, at)}`;
    return new InvalidText(problem, this.#near(bytes), false, cause);
  }

  /** Whole lines of the bytes being decoded: in another encoding, they may start inside a character. */
  #near(bytes: Uint8Array): Uint8Array {
    return bytes.slice(this.#offset === 0 ? 0 : bytes.indexOf(10) + 1);
  }
}

/** Number of bytes at the end that begin a character without completing it: 0 to 3. */
function incompleteAtEnd(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back];
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) return back < sequenceLength(byte) ? back : 0;
  }
  return 0;
}

/** Length of a character in bytes, by its first byte. */
function sequenceLength(lead: number): number {
  if (lead < 0x80) return 1;
  if (lead < 0xe0) return 2;
  return lead < 0xf0 ? 3 : 4;
}

function countLineEnds(bytes: Uint8Array): number {
  let count = 0;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) count++;
  return count;
}

/** The four bytes from an offset on, for messages. */
export function hexadecimal(bytes: Uint8Array, at: number): string {
  return [...bytes.subarray(at, at + 4)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

/** The offset of the first byte that is no UTF-8; the length where there is none. */
export function firstInvalid(bytes: Uint8Array): number {
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let at = 0;
  while (at < bytes.length) {
    const end = Math.min(at + sequenceLength(bytes[at]), bytes.length);
    try {
      decoder.decode(bytes.subarray(at, end));
    } catch {
      return at;
    }
    at = end;
  }
  return at;
}
