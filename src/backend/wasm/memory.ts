/** The WebAssembly memory of a backend, where its kernels compute: at most 4 GiB, grown on demand. */
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

export class KernelMemory {
  readonly shared: boolean;
  readonly memory: WebAssembly.Memory;
  private readonly free = new FreeList(START, END);
  /** Start of the memory that was never allocated and is still zero. */
  private untouched = START;

  constructor(shared: boolean) {
    this.shared = shared;
    try {
      this.memory = new WebAssembly.Memory({ initial: 1, maximum: MAX_PAGES, shared });
    } catch (error) {
      throw new MemoryError(
        `Cannot reserve 4 GiB of addresses for tensors (${messageOf(error)}). Raise the ` +
          "limit on this process's address space (ulimit -v), or use the reference backend.",
      );
    }
  }

  /** Address of newly allocated memory, and whether it is known to be all zero; null if there is none. */
  take(bytes: number): { address: number; zero: boolean } | null {
    const address = this.free.take(bytes);
    if (address === null) return null;
    const end = address + bytes;
    try {
      const missing = end - this.memory.buffer.byteLength;
      if (missing > 0) this.memory.grow(Math.ceil(missing / PAGE));
    } catch {
      this.free.release(address);
      return null; // the system gives no more
    }
    const zero = address >= this.untouched;
    this.untouched = Math.max(this.untouched, end);
    return { address, zero };
  }

  release(address: number): void {
    this.free.release(address);
  }

  /** Bytes of the longest free piece. */
  get longest(): number {
    return this.free.longest;
  }

  /** Bytes allocated now. */
  get used(): number {
    return this.free.used;
  }
}
