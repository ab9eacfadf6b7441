/** The WebAssembly memory of a backend: all its tensors, at most 4 GiB, grown on demand. */
import { MemoryError, messageOf } from "../../errors.ts";
import { FreeList } from "./allocator.ts";

const PAGE = 65536;
const MAX_PAGES = 65536;
/** Address 0 stays free: the null pointer of the kernels. */
const START = 1024;
/** The last page stays unused, so that the address behind a tensor never wraps to 0. */
const END = (MAX_PAGES - 1) * PAGE;

/** Bytes that can be allocated in all. */
export const MEMORY_LIMIT = END - START;

const MIB = 1024 * 1024;

export class KernelMemory {
  readonly memory: WebAssembly.Memory;
  private readonly free = new FreeList(START, END);
  /** Start of the memory that was never allocated and is still zero. */
  private untouched = START;
  private floats: Float32Array;

  constructor(shared: boolean) {
    try {
      this.memory = new WebAssembly.Memory({ initial: 1, maximum: MAX_PAGES, shared });
    } catch (error) {
      throw new MemoryError(
        `Cannot reserve 4 GiB of addresses for tensors (${messageOf(error)}). Raise the ` +
          "limit on this process's address space (ulimit -v), or use the reference backend.",
      );
    }
    this.floats = new Float32Array(this.memory.buffer);
  }

  /** Address of newly allocated memory, and whether it is known to be all zero. */
  take(bytes: number): { address: number; zero: boolean } {
    const address = this.free.take(bytes);
    if (address === null) throw this.refusal(bytes, `at most ${mib(this.free.longest)} MiB are free in one piece`);
    const end = address + bytes;
    try {
      const missing = end - this.memory.buffer.byteLength;
      if (missing > 0) this.memory.grow(Math.ceil(missing / PAGE));
    } catch {
      this.free.release(address);
      throw this.refusal(bytes, "the system gives no more memory");
    }
    const zero = address >= this.untouched;
    this.untouched = Math.max(this.untouched, end);
    return { address, zero };
  }

  release(address: number): void {
    this.free.release(address);
  }

  /** Bytes allocated now. */
  get used(): number {
    return this.free.used;
  }

  /** `size` floats at `address`: valid until memory grows, hence for immediate use. */
  f32(address: number, size: number): Float32Array {
    if (this.floats.buffer !== this.memory.buffer) this.floats = new Float32Array(this.memory.buffer);
    return this.floats.subarray(address / 4, address / 4 + size);
  }

  i32(address: number, size: number): Int32Array {
    return new Int32Array(this.memory.buffer, address, size);
  }

  u16(address: number, size: number): Uint16Array {
    return new Uint16Array(this.memory.buffer, address, size);
  }

  private refusal(bytes: number, reason: string): MemoryError {
    return new MemoryError(
      `${mib(bytes)} MiB more are needed, but ${reason}; ${mib(this.free.used)} MiB are in use, and WebAssembly ends at ` +
        "4096 MiB. A smaller batch, fewer positions or a smaller model needs less (llm-ts train -b, -t).",
    );
  }
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(bytes < 10 * MIB ? 1 : 0);
}
