/**
 * Token files, in all generations of llm.c (dev/data/data_common.py):
 * - header [0] 20240520, [1] version 1, [2] number of tokens, then uint16 tokens (GPT-2);
 * - header [0] 20240801, [1] version 7, [2] number of tokens, then uint32 tokens (Llama 3);
 * - April 2024: no header, only int32 tokens. Any file could be one, so this is an explicit option.
 *
 * nanoGPT: no header, uint16 tokens.
 */
import { platform } from "#platform";
import { InputError, messageOf } from "../errors.ts";
import type { ByteSink, ByteSource } from "../platform/platform.ts";
import {
  checkSize,
  fieldError,
  formatOfMagic,
  headerBytes,
  magic,
  makeHeader,
  names,
  readHeader,
  readHeaderOf,
} from "./header.ts";
import type { HeaderlessType } from "./headerless.ts";
import { toInt32, toUint16 } from "./numbers.ts";

/** A file of tokens with random access. */
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
  /** The file has no header, only tokens of this type; true: int32. */
  readonly headerless?: boolean | HeaderlessType;
}

const kinds = {
  tokens: { version: 1, tokenBytes: 2 },
  tokens32: { version: 7, tokenBytes: 4 },
} as const;

/** Checks the header and the file's length. Takes ownership of the source: the TokenFile closes it, or this on an error. */
export async function openTokenFile(source: ByteSource, options: TokenFileOptions = {}): Promise<TokenFile> {
  try {
    if (!options.headerless) return await openWithHeader(source);
    return await openHeaderless(source, options.headerless === true ? "int32" : options.headerless);
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
    const hint = error instanceof InputError ? await headerlessHint(source) : undefined;
    throw hint === undefined ? error : new InputError(`${messageOf(error)} ${hint}`, { cause: error });
  }
}

/** Bytes that the guess of a headerless type looks at, and the fewest that it needs. */
const judged = 1 << 16;
const fewest = 32;

/**
 * Guesses the type of the tokens in a file without a header; undefined if it seems to be another file. Tokens of GPT-2 or
 * a smaller vocabulary are at most 50256, and as uint16 they leave zero bytes, which no text has.
 */
export async function guessHeaderless(source: ByteSource): Promise<HeaderlessType | undefined> {
  if (source.size < fewest || source.size % 2 !== 0) return undefined;
  const bytes = await source.read(0, Math.min(judged, source.size - (source.size % 4)));
  if (formatOfMagic(toInt32(bytes.slice(0, 4))[0])) return undefined;
  if (source.size % 4 === 0 && toInt32(bytes).every((token) => token >= 0 && token < 1 << 17)) return "int32";
  return bytes.includes(0) && toUint16(bytes).every((token) => token < 50257) ? "uint16" : undefined;
}

/** Advice for reading a file without a header; undefined if it seems to hold no tokens. */
export async function headerlessHint(source: ByteSource): Promise<string | undefined> {
  const type = await guessHeaderless(source);
  if (type === undefined) return undefined;
  if (type === "int32")
    return "It may be a token file of April 2024, which had no header (int32 tokens): read it with --headerless.";
  return (
    "It may be a token file of nanoGPT's, which has no header (uint16 tokens): read it with --headerless uint16." +
    (await metaHint(source.name))
  );
}

/** Advice about nanoGPT's meta.pkl (characters) beside a token file; empty if there is none. */
export async function metaHint(path: string): Promise<string> {
  const meta = path.replace(/[^\\/]*$/, "meta.pkl");
  if ((await platform.pathKind(meta)) !== "file") return "";
  return (
    ` ${meta} beside it has nanoGPT's characters, which llm-ts does not read: a model that is to write text needs the ` +
    "text itself, prepared again."
  );
}

async function openHeaderless(source: ByteSource, type: HeaderlessType): Promise<TokenFile> {
  const tokenBytes = type === "int32" ? 4 : 2;
  if (source.size % tokenBytes !== 0)
    throw new InputError(
      `${source.name} has ${source.size} bytes, expected a multiple of ${tokenBytes} for ${type} tokens without a ` +
        "header. Read it without --headerless, or copy it again.",
    );
  await requireType(source, type);
  return tokenFile(source, 0, source.size / tokenBytes, tokenBytes);
}

/** InputError for a file that has a header, or tokens of the other type. */
async function requireType(source: ByteSource, type: HeaderlessType): Promise<void> {
  const known = source.size >= headerBytes ? formatOfMagic((await readHeader(source))[0]) : undefined;
  if (known !== undefined)
    throw new InputError(`${source.name} has a header (${names[known]}). Read it without --headerless.`);
  const guessed = await guessHeaderless(source);
  if (guessed === undefined || guessed === type) return;
  throw new InputError(
    `${source.name} seems to hold ${guessed} tokens, and not ${type}: read it with --headerless ${guessed}.`,
  );
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

/** Largest count of tokens in the header: int32. */
const mostTokens = 2 ** 31 - 1;

/** Incremental writer of a token file. `finish` writes the count into the header; the caller commits the sink. */
export class TokenWriter {
  readonly #sink: ByteSink;
  readonly #tokenBytes: 2 | 4;
  /** Reused between writes, to make no garbage. */
  #buffer: Uint16Array | Uint32Array = new Uint16Array(0);
  #count = 0;

  private constructor(sink: ByteSink, tokenBytes: 2 | 4) {
    this.#sink = sink;
    this.#tokenBytes = tokenBytes;
  }

  /** `tokenBytes`: 2 for vocabularies of up to 65,536 tokens, else 4. */
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

  /** `length` tokens from `start` on, of those written so far. */
  async readBack(start: number, length: number): Promise<Int32Array> {
    const [offset, size] = [headerBytes + start * this.#tokenBytes, length * this.#tokenBytes];
    const bytes = await this.#sink.readBack(offset, size);
    return this.#tokenBytes === 2 ? new Int32Array(toUint16(bytes)) : toInt32(bytes);
  }

  /** Overwrites tokens written before. */
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

  /** Tokens as bytes of the file, valid until the next call. */
  #encode(tokens: ArrayLike<number>): Uint8Array {
    if (this.#buffer.length < tokens.length)
      this.#buffer = this.#tokenBytes === 2 ? new Uint16Array(tokens.length) : new Uint32Array(tokens.length);
    this.#buffer.set(tokens);
    return new Uint8Array(this.#buffer.buffer, 0, tokens.length * this.#tokenBytes);
  }
}
