import { platform } from "#platform";
import { InputError } from "../errors.ts";
import { openTokenFile, TokenWriter } from "../format/tokens.ts";
import { inFolder } from "../platform/paths.ts";
import type { ByteSink } from "../platform/platform.ts";

/** A position in a data set: an item, and the number of its tokens before the position. */
export interface Position {
  readonly item: number;
  readonly offset: number;
}

/** A shard that is finished. */
export interface Shard {
  readonly file: string;
  readonly tokens: number;
  readonly sha256: string;
  /** Start position of the next shard. */
  readonly next: Position;
}

/** Tokens in memory: those of small vocabularies take two bytes. */
export type TokenArray = Uint16Array | Int32Array;

export interface ShardOptions {
  readonly folder: string;
  /** The file of the shard of this number, counted from 0. */
  readonly nameOf: (index: number) => string;
  /** Tokens of each shard but the last. A document may begin in one shard and end in the next, as in llm.c. */
  readonly shardTokens: number;
  /** The bytes that a token takes. */
  readonly tokenBytes: 2 | 4;
  /** Called before a shard gets its final name in the folder. */
  readonly beforeShard: () => Promise<void>;
}

/** Tokens that are written at once: a write for each document would take longer than its encoding. */
const bufferTokens = 1 << 17;

/** Writes a stream of documents into token files of equal length, after the shards that exist already. */
export class ShardWriter {
  readonly shards: Shard[];
  readonly #options: ShardOptions;
  readonly #start: Position;
  #next: Position;
  #writer: TokenWriter | undefined;
  #sink: ByteSink | undefined;
  readonly #buffer: TokenArray;
  #buffered = 0;

  private constructor(options: ShardOptions, shards: readonly Shard[]) {
    this.#options = options;
    this.#buffer = options.tokenBytes === 2 ? new Uint16Array(bufferTokens) : new Int32Array(bufferTokens);
    this.shards = [...shards];
    this.#start = shards.at(-1)?.next ?? { item: 0, offset: 0 };
    this.#next = this.#start;
  }

  /** Keeps those of the `finished` shards that are whole, up to the first that is not. */
  static async open(options: ShardOptions, finished: readonly Shard[]): Promise<ShardWriter> {
    const kept: Shard[] = [];
    for (const shard of finished) {
      if ((await hashOfTokens(inFolder(options.folder, shard.file))) !== shard.sha256) break;
      kept.push(shard);
    }
    return new ShardWriter(options, kept);
  }

  /** The first item that is not in the shards yet, whole. */
  get firstItem(): number {
    return this.#start.item;
  }

  get tokens(): number {
    return this.shards.reduce((sum, { tokens }) => sum + tokens, 0) + (this.#writer?.count ?? 0) + this.#buffered;
  }

  /** Adds a document, in order of items; true when it finished a shard. */
  async add(item: number, document: TokenArray): Promise<boolean> {
    const before = this.shards.length;
    let offset = item === this.#start.item ? this.#start.offset : 0;
    while (offset < document.length) {
      this.#writer ??= await this.#begin();
      const room = this.#options.shardTokens - this.#writer.count - this.#buffered;
      const end = Math.min(document.length, offset + room, offset + bufferTokens - this.#buffered);
      this.#buffer.set(document.subarray(offset, end), this.#buffered);
      this.#buffered += end - offset;
      offset = end;
      this.#next = { item, offset };
      if (this.#buffered === bufferTokens) await this.#flush(this.#writer);
      if (this.#writer.count + this.#buffered === this.#options.shardTokens) await this.#finishShard(this.#writer);
    }
    return this.shards.length > before;
  }

  /** Finishes the last shard. */
  async finish(): Promise<void> {
    if (this.#writer) await this.#finishShard(this.#writer);
  }

  /** Forgets the shard that is not finished. */
  async abort(): Promise<void> {
    await this.#sink?.abort();
  }

  async #begin(): Promise<TokenWriter> {
    const { folder, nameOf } = this.#options;
    this.#sink = await platform.createSink(inFolder(folder, nameOf(this.shards.length)));
    return TokenWriter.create(this.#sink, this.#options.tokenBytes);
  }

  async #flush(writer: TokenWriter): Promise<void> {
    await writer.write(this.#buffer.subarray(0, this.#buffered));
    this.#buffered = 0;
  }

  async #finishShard(writer: TokenWriter): Promise<void> {
    const { folder, nameOf, beforeShard } = this.#options;
    const file = nameOf(this.shards.length);
    await this.#flush(writer);
    await writer.finish();
    await beforeShard();
    await this.#sink?.commit();
    const sha256 = await hashOfTokens(inFolder(folder, file));
    if (sha256 === undefined) throw new InputError(`${inFolder(folder, file)} is gone, just after it was written.`);
    this.shards.push({ file, tokens: writer.count, sha256, next: this.#next });
    this.#writer = undefined;
  }
}

/** The sha256 of a token file; undefined where there is none, or none that is whole. */
async function hashOfTokens(path: string): Promise<string | undefined> {
  if ((await platform.pathKind(path)) !== "file") return undefined;
  try {
    await (await openTokenFile(await platform.openSource(path))).close();
  } catch (error) {
    if (error instanceof InputError) return undefined;
    throw error;
  }
  return hashOf(path);
}

/** The sha256 of a file, all of it; `onBytes` gets how many bytes were read. */
export async function hashOf(path: string, onBytes: (count: number) => void = () => {}): Promise<string> {
  const hash = await platform.sha256();
  for await (const bytes of await platform.openStream(path)) {
    hash.update(bytes);
    onBytes(bytes.length);
  }
  return hash.digest();
}
