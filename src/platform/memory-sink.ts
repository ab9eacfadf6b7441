import type { ByteSink } from "./platform.ts";

/** The parts of a file, one after the other. */
export type FileParts = readonly Uint8Array<ArrayBuffer>[];

/** Collects what is written in memory, and gives it all to `finish`. */
export class MemorySink implements ByteSink {
  readonly name: string;
  size = 0;
  readonly #finish: (parts: FileParts) => void | Promise<void>;
  #chunks: Uint8Array<ArrayBuffer>[] = [];

  constructor(name: string, finish: (parts: FileParts) => void | Promise<void>) {
    this.name = name;
    this.#finish = finish;
  }

  async write(bytes: Uint8Array): Promise<void> {
    // A copy: the caller may reuse its array.
    this.#chunks.push(new Uint8Array(bytes));
    this.size += bytes.length;
  }

  async rewrite(offset: number, bytes: Uint8Array): Promise<void> {
    if (offset + bytes.length > this.size) throw new RangeError(`rewrite past the end of ${this.name}`);
    for (const { chunk, start, from, to } of this.#parts(offset, bytes.length))
      chunk.set(bytes.subarray(start + from - offset, start + to - offset), from);
  }

  async readBack(offset: number, length: number): Promise<Uint8Array> {
    if (offset + length > this.size) throw new RangeError(`readBack past the end of ${this.name}`);
    const bytes = new Uint8Array(length);
    for (const { chunk, start, from, to } of this.#parts(offset, length))
      bytes.set(chunk.subarray(from, to), start + from - offset);
    return bytes;
  }

  async truncate(size: number): Promise<void> {
    const kept = [...this.#parts(0, size)].map(({ chunk, to }) => (to === chunk.length ? chunk : chunk.slice(0, to)));
    this.#chunks = kept;
    this.size = size;
  }

  async commit(): Promise<void> {
    const parts = this.#chunks;
    this.#chunks = [];
    await this.#finish(parts);
  }

  async abort(): Promise<void> {
    this.#chunks = [];
  }

  /** The parts of chunks that hold `length` bytes from `offset` on; `start` is where the whole chunk begins. */
  *#parts(offset: number, length: number) {
    let start = 0;
    for (const chunk of this.#chunks) {
      const from = Math.max(0, offset - start);
      const to = Math.min(chunk.length, offset + length - start);
      if (from < to) yield { chunk, start, from, to };
      start += chunk.length;
    }
  }
}
