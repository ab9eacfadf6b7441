import { InputError } from "../errors.ts";
import type { ByteStream } from "../platform/platform.ts";

/** The text of a stream of UTF-8, piece by piece. InputError says where it is no UTF-8. */
export async function* readText(stream: ByteStream, onBytes?: (bytes: Uint8Array) => void): AsyncGenerator<string> {
  const reader = new Utf8Reader(stream.name);
  for await (const chunk of stream) {
    onBytes?.(chunk);
    yield reader.push(chunk);
  }
  reader.end();
}

/** Decodes UTF-8 strictly, and knows where it is. */
class Utf8Reader {
  readonly #name: string;
  /** A byte order mark stays in the text: what goes in comes out. */
  readonly #decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  /** The bytes being decoded: first the start of a character that the chunk before ended in. */
  #bytes = new Uint8Array(0);
  #restLength = 0;
  #offset = 0;
  #lines = 1;

  constructor(name: string) {
    this.#name = name;
  }

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
    try {
      return this.#decoder.decode(bytes);
    } catch (error) {
      throw this.#invalid(bytes, firstInvalid(bytes), error);
    }
  }

  #invalid(bytes: Uint8Array, at: number, cause?: unknown): InputError {
    const line = this.#lines + countLineEnds(bytes.subarray(0, at));
    const found = hexadecimal(bytes, at);
    const utf16 = this.#offset + at === 0 && ["ff fe", "fe ff"].includes(found.slice(0, 5));
    const advice = utf16
      ? "It looks like UTF-16: save it as UTF-8."
      : "Convert it to UTF-8 (iconv -f LATIN1 -t UTF-8), or encode it with llm-ts prepare --tokenizer byte, which takes any bytes.";
    return new InputError(
      `${this.#name} is not valid UTF-8 at byte ${this.#offset + at} (line ${line}): found ${found}. ${advice}`,
      { cause },
    );
  }
}

/** How many bytes at the end start a character without completing it: 0 to 3. */
function incompleteAtEnd(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const byte = bytes[bytes.length - back];
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) return back < sequenceLength(byte) ? back : 0;
  }
  return 0;
}

/** How many bytes a character has, by its first byte. */
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

/** The offset of the first byte that is no UTF-8, in bytes of which it is known that there is one. */
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
