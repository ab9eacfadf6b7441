/**
 * Memory outside of the WebAssembly memory, which ends at 4 GiB: buffers that grow in number, the banks. Kernels cannot
 * reach it; what they need is copied in.
 */
import { aligned, FreeList } from "./allocator.ts";

export type Bank = SharedArrayBuffer | ArrayBuffer;

/** An address in bank 0, the WebAssembly memory, or in a bank outside, counted from 1. */
export interface Place {
  readonly bank: number;
  readonly address: number;
}

/** Bytes of a bank, unless a tensor needs more. The system maps pages when they are first written. */
const BANK_BYTES = 2 ** 28;

export class OutsideMemory {
  /** `untouched`: start of what was never allocated and is still zero. */
  private readonly banks: { readonly bank: Bank; readonly free: FreeList; untouched: number }[] = [];
  private readonly shared: boolean;
  private readonly onBank: (bank: Bank) => void;

  /** `onBank` is called with each new bank, in order. */
  constructor(shared: boolean, onBank: (bank: Bank) => void) {
    this.shared = shared;
    this.onBank = onBank;
  }

  /** Place of newly allocated memory, and whether it is known to be all zero. RangeError if the system has no more. */
  take(bytes: number): { place: Place; zero: boolean } {
    for (const [i, bank] of this.banks.entries()) {
      const address = bank.free.take(bytes);
      if (address === null) continue;
      const zero = address >= bank.untouched;
      bank.untouched = Math.max(bank.untouched, address + bytes);
      return { place: { bank: i + 1, address }, zero };
    }
    const size = Math.max(BANK_BYTES, aligned(bytes));
    const bank = this.shared ? new SharedArrayBuffer(size) : new ArrayBuffer(size);
    this.banks.push({ bank, free: new FreeList(0, size), untouched: 0 });
    this.onBank(bank);
    return this.take(bytes);
  }

  release({ bank, address }: Place): void {
    this.banks[bank - 1].free.release(address);
  }

  bank(bank: number): Bank {
    return this.banks[bank - 1].bank;
  }

  /** Bytes allocated now. */
  get used(): number {
    return this.banks.reduce((sum, { free }) => sum + free.used, 0);
  }
}
