/**
 * Memory of all tensors: inside the WebAssembly memory, where kernels compute, or outside of it where that is full. What is
 * used most stays inside: moments leave it first, then gradients, weights and activations; of one kind, the last allocated.
 */
import { platform } from "#platform";
import { BackendError, MemoryError } from "../../errors.ts";
import { type DeviceBuffer, elementBytes, type Tensor, type Usage } from "../backend.ts";
import type { Executor } from "./executor.ts";
import { COPY } from "./kernels.ts";
import { type KernelMemory, MEMORY_LIMIT } from "./memory.ts";
import { type Bank, OutsideMemory, type Place } from "./outside.ts";
import { elements, partsOf } from "./parts.ts";

/** Uses by how soon they leave the WebAssembly memory. Scratch memory, which kernels need there, stays. */
const ranks: readonly (Usage | "scratch")[] = ["moments", "gradients", "weights", "activations", "scratch"];

/** Nanoseconds of four bytes of a copy. */
const COPY_NS = 0.4;

const SCRATCH = ranks.indexOf("scratch");

/** Memory of one buffer, or for intermediate results. */
export class Block implements DeviceBuffer {
  /** Identifies the memory, and does not keep it. */
  readonly owner: object;
  readonly bytes: number;
  readonly rank: number;
  /** Changes when the block leaves the WebAssembly memory. For commands that are enqueued now. */
  place: Place;
  freed = false;

  constructor(owner: object, place: Place, bytes: number, rank: number) {
    this.owner = owner;
    this.place = place;
    this.bytes = bytes;
    this.rank = rank;
  }

  get isOutside(): boolean {
    return this.place.bank > 0;
  }
}

interface Taken {
  readonly place: Place;
  /** Known to be all zero. */
  readonly zero: boolean;
}

/** Bytes that all tensors together may take: what the machine has, where that is known, else one WebAssembly memory. */
export function tensorLimit(): number {
  return platform.machineMemory?.total ?? MEMORY_LIMIT;
}

interface Limits {
  /** Bytes of all tensors together. */
  readonly total: number;
  /** Bytes of those in the WebAssembly memory. */
  readonly inside: number;
}

export class TensorMemory {
  private readonly identity = {};
  private readonly inside: KernelMemory;
  private readonly outside: OutsideMemory;
  private readonly executor: Executor;
  private readonly limits: Limits;
  /** Tensors' blocks inside, in order of allocation. */
  private readonly residents = new Set<Block>();
  /** Bytes of `residents`, and of all tensors. */
  private residentBytes = 0;
  private tensorBytes = 0;
  /** Operands of the operation that is being enqueued: their blocks stay where they are. */
  private pinned: () => readonly Tensor[] = () => [];

  constructor(inside: KernelMemory, executor: Executor, limits: Limits) {
    this.inside = inside;
    this.executor = executor;
    this.limits = limits;
    this.outside = new OutsideMemory(inside.shared, (bank) => executor.addBank(bank));
  }

  /** True if any tensor is outside. */
  get hasOutside(): boolean {
    return this.outside.used > 0;
  }

  /** Bytes allocated now, scratch memory included. */
  get used(): number {
    return this.inside.used + this.outside.used;
  }

  /** A block for a tensor, and whether it is known to be all zero. MemoryError beyond the limits. */
  alloc(bytes: number, usage: Usage): { readonly block: Block; readonly zero: boolean } {
    const free = this.limits.total - this.tensorBytes;
    if (bytes > free) throw refusal(bytes, `${mib(free)} MiB of ${mib(this.limits.total)} MiB are free`);
    const rank = ranks.indexOf(usage);
    const { place, zero } = this.takeInside(bytes, rank) ?? this.takeOutside(bytes);
    const block = new Block(this.identity, place, bytes, rank);
    this.tensorBytes += bytes;
    if (!block.isOutside) {
      this.residents.add(block);
      this.residentBytes += bytes;
    }
    return { block, zero };
  }

  /** A block in the WebAssembly memory for intermediate results. MemoryError where tensors that stay leave no room. */
  allocScratch(bytes: number): Block {
    const taken = this.takeInside(bytes, SCRATCH);
    if (taken) return new Block(this.identity, taken.place, bytes, SCRATCH);
    // Where room is left within the limit, the memory could not grow into it.
    if (this.inside.longest >= bytes) throw refusal(bytes, "the system gives no more memory");
    throw refusal(bytes, `the WebAssembly memory has no more than ${mib(this.inside.longest)} MiB in one piece`);
  }

  /** Gives a block back to others once the commands that use it are done. */
  async free(block: Block): Promise<void> {
    block.freed = true;
    this.forget(block);
    await this.executor.after(() => {
      if (block.rank !== SCRATCH) this.tensorBytes -= block.bytes;
      this.giveBack(block.place);
    });
  }

  /** BackendError for a tensor that is not in this memory any more, or never was. */
  blockOf({ buffer }: Tensor): Block {
    if (!(buffer instanceof Block && buffer.owner === this.identity))
      throw new BackendError("This tensor belongs to another backend.");
    if (buffer.freed) throw new BackendError("This tensor's memory was given back by free().");
    return buffer;
  }

  /** Place of a tensor's first element. */
  placeOf(tensor: Tensor): Place {
    const { bank, address } = this.blockOf(tensor).place;
    return { bank, address: address + elementBytes[tensor.dtype] * tensor.offset };
  }

  /** The memory of a bank: valid until it grows, hence for immediate use. */
  bank({ bank }: Place): Bank {
    return bank === 0 ? this.inside.memory.buffer : this.outside.bank(bank);
  }

  /** Enqueues a copy. */
  copy(from: Place, to: Place, bytes: number): void {
    const parts = partsOf(elements(bytes / 4, COPY_NS), this.executor.threads);
    this.executor.enqueue(COPY, parts, from.bank, from.address, to.bank, to.address, bytes);
  }

  /** Runs `body`, in which the blocks of these tensors stay where they are. */
  pin(tensors: () => readonly Tensor[], body: () => void): void {
    this.pinned = tensors;
    try {
      body();
    } finally {
      this.pinned = () => [];
    }
  }

  /** Memory inside, out of which what is used less is moved until there is room. */
  private takeInside(bytes: number, rank: number): Taken | null {
    for (;;) {
      const mayFit = rank === SCRATCH || this.residentBytes + bytes <= this.limits.inside;
      const taken = mayFit ? this.inside.take(bytes) : null;
      if (taken) return { place: { bank: 0, address: taken.address }, zero: taken.zero };
      const next = this.nextToLeave(rank);
      if (!next) return null;
      this.moveOut(next);
    }
  }

  private nextToLeave(rank: number): Block | undefined {
    const pinned = this.pinned();
    let next: Block | undefined;
    for (const block of this.residents) {
      const isNext = block.rank < rank && (next === undefined || block.rank <= next.rank);
      if (isNext && !pinned.some(({ buffer }) => buffer === block)) next = block;
    }
    return next;
  }

  private moveOut(block: Block): void {
    const { place } = this.takeOutside(block.bytes);
    this.copy(block.place, place, block.bytes);
    this.forget(block);
    this.giveBack(block.place);
    block.place = place;
  }

  private takeOutside(bytes: number): Taken {
    try {
      return this.outside.take(bytes);
    } catch {
      throw refusal(bytes, "the system gives no more memory");
    }
  }

  private forget(block: Block): void {
    if (this.residents.delete(block)) this.residentBytes -= block.bytes;
  }

  private giveBack(place: Place): void {
    if (place.bank === 0) this.inside.release(place.address);
    else this.outside.release(place);
  }
}

function refusal(bytes: number, reason: string): MemoryError {
  return new MemoryError(
    `${mib(bytes)} MiB more are needed, but ${reason}. A smaller batch, fewer positions or a smaller model needs less ` +
      "(llm-ts train -b, -t).",
  );
}

function mib(bytes: number): string {
  const mebibytes = bytes / 2 ** 20;
  return mebibytes.toFixed(mebibytes < 10 ? 1 : 0);
}
