/**
 * Token files, in all generations of llm.c (dev/data/data_common.py):
 * - header [0] 20240520, [1] version 1, [2] number of tokens, then uint16 tokens (GPT-2);
 * - header [0] 20240801, [1] version 7, [2] number of tokens, then uint32 tokens (Llama 3);
 * - April 2024: no header, only int32 tokens. Any file could be one, so the caller has to say so.
 */
import { InputError } from "../errors.ts";
import type { ByteSink, ByteSource } from "../platform/platform.ts";
import { checkSize, fieldError, headerBytes, magic, makeHeader, readHeader, readHeaderOf } from "./header.ts";
import { toInt32, toUint16 } from "./numbers.ts";

/** A file of tokens, read where it is asked. */
export interface TokenFile {
  readonly name: string;
  /** Number of tokens. */
  readonly count: number;
  readonly tokenBytes: 2 | 4;
  /** `length` tokens from `start` on. Ids are not checked against any vocabulary. */
  read(start: number, length: number): Promise<Int32Array>;
  close(): Promise<void>;
}

export interface TokenFileOptions {
  /** The file has no header, only int32 tokens. */
  readonly headerless?: boolean;
}

const kinds = {
  tokens: { version: 1, tokenBytes: 2 },
  tokens32: { version: 7, tokenBytes: 4 },
} as const;

/** Checks the header and the file's length. The source is closed by the TokenFile, or here when something is wrong. */
export async function openTokenFile(source: ByteSource, options: TokenFileOptions = {}): Promise<TokenFile> {
  try {
    return options.headerless ? await openHeaderless(source) : await openWithHeader(source);
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function openWithHeader(source: ByteSource): Promise<TokenFile> {
  const header = await readTokenHeader(source);
  const { version, tokenBytes } = header[0] === magic.tokens ? kinds.tokens : kinds.tokens32;
  const count = header[2];
  if (header[1] !== version) throw fieldError(source, header, 1, "version", `${version}`);
  if (count < 0) throw fieldError(source, header, 2, "number of tokens", "0 or more");
  checkSize(source, headerBytes + count * tokenBytes, `${count} tokens of ${tokenBytes} bytes after the header`);
  return tokenFile(source, headerBytes, count, tokenBytes);
}

async function readTokenHeader(source: ByteSource): Promise<Int32Array> {
  try {
    return await readHeaderOf(source, "tokens", "tokens32");
  } catch (error) {
    if (!(error instanceof InputError) || !(await looksHeaderless(source))) throw error;
    throw new InputError(
      `${error.message} (It may be a token file of April 2024, which had no header: read it with --headerless.)`,
    );
  }
}

/** Whether the first fields could be int32 tokens. */
async function looksHeaderless(source: ByteSource): Promise<boolean> {
  if (source.size < headerBytes || source.size % 4 !== 0) return false;
  return (await readHeader(source)).every((token) => token >= 0 && token < 1 << 17);
}

async function openHeaderless(source: ByteSource): Promise<TokenFile> {
  if (source.size % 4 !== 0)
    throw new InputError(
      `${source.name} has ${source.size} bytes, expected a multiple of 4 for int32 tokens without a header. ` +
        "Read it without --headerless, or copy it again.",
    );
  return tokenFile(source, 0, source.size / 4, 4);
}

function tokenFile(source: ByteSource, offset: number, count: number, tokenBytes: 2 | 4): TokenFile {
  return {
    name: source.name,
    count,
    tokenBytes,
    async read(start, length) {
      if (start < 0 || start + length > count)
        throw new RangeError(`tokens ${start} to ${start + length} of ${source.name}, which has ${count}`);
      const bytes = await source.read(offset + start * tokenBytes, length * tokenBytes);
      return tokenBytes === 2 ? new Int32Array(toUint16(bytes)) : toInt32(bytes);
    },
    close: () => source.close(),
  };
}

/** The most tokens that a header's int32 can count. */
const mostTokens = 2 ** 31 - 1;

/** Writes a token file piece by piece; its header gets the count at the end. The caller commits the sink. */
export class TokenWriter {
  readonly #sink: ByteSink;
  readonly #tokenBytes: 2 | 4;
  /** Kept from piece to piece: a long text would make much garbage. */
  #buffer: Uint16Array | Uint32Array = new Uint16Array(0);
  #count = 0;

  private constructor(sink: ByteSink, tokenBytes: 2 | 4) {
    this.#sink = sink;
    this.#tokenBytes = tokenBytes;
  }

  /** 2 bytes a token hold vocabularies of up to 65,536. */
  static async create(sink: ByteSink, tokenBytes: 2 | 4): Promise<TokenWriter> {
    const writer = new TokenWriter(sink, tokenBytes);
    await sink.write(writer.#header());
    return writer;
  }

  get count(): number {
    return this.#count;
  }

  async write(tokens: ArrayLike<number>): Promise<void> {
    this.#count += tokens.length;
    if (this.#count > mostTokens)
      throw new InputError(
        `${this.#sink.name}: a token file holds at most ${mostTokens} tokens, and the text has more. ` +
          "Prepare it in several parts: training reads any number of files.",
      );
    await this.#sink.write(this.#encode(tokens));
  }

  /** `length` of the tokens written so far. */
  async readBack(start: number, length: number): Promise<Int32Array> {
    const [offset, size] = [headerBytes + start * this.#tokenBytes, length * this.#tokenBytes];
    const bytes = await this.#sink.readBack(offset, size);
    return this.#tokenBytes === 2 ? new Int32Array(toUint16(bytes)) : toInt32(bytes);
  }

  /** Puts other tokens in the place of those written before. */
  async rewrite(start: number, tokens: ArrayLike<number>): Promise<void> {
    await this.#sink.rewrite(headerBytes + start * this.#tokenBytes, this.#encode(tokens));
  }

  async truncate(count: number): Promise<void> {
    await this.#sink.truncate(headerBytes + count * this.#tokenBytes);
    this.#count = count;
  }

  async finish(): Promise<void> {
    await this.#sink.rewrite(0, this.#header());
  }

  #header(): Uint8Array {
    const kind = this.#tokenBytes === 2 ? "tokens" : "tokens32";
    return makeHeader({ 0: magic[kind], 1: kinds[kind].version, 2: this.#count });
  }

  /** The bytes of tokens in the file, good until the next call. */
  #encode(tokens: ArrayLike<number>): Uint8Array {
    if (this.#buffer.length < tokens.length)
      this.#buffer = this.#tokenBytes === 2 ? new Uint16Array(tokens.length) : new Uint32Array(tokens.length);
    this.#buffer.set(tokens);
    return new Uint8Array(this.#buffer.buffer, 0, tokens.length * this.#tokenBytes);
  }
}
