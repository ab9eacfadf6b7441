import { openSource } from "../src/platform/node-files.ts";
import type { ByteSink, ByteSource } from "../src/platform/platform.ts";

/** A sink into memory, for tests of formats. */
export class MemorySink implements ByteSink {
  readonly name = "memory";
  bytes = new Uint8Array(0);

  get size(): number {
    return this.bytes.length;
  }

  async write(bytes: Uint8Array): Promise<void> {
    const joined = new Uint8Array(this.size + bytes.length);
    joined.set(this.bytes);
    joined.set(bytes, this.size);
    this.bytes = joined;
  }

  async rewrite(offset: number, bytes: Uint8Array): Promise<void> {
    this.bytes.set(bytes, offset);
  }

  async readBack(offset: number, length: number): Promise<Uint8Array> {
    return this.bytes.slice(offset, offset + length);
  }

  async truncate(size: number): Promise<void> {
    this.bytes = this.bytes.slice(0, size);
  }

  async commit(): Promise<void> {}

  async abort(): Promise<void> {}

  source(): Promise<ByteSource> {
    return openSource(this.bytes);
  }
}
