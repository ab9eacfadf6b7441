/**
 * MPI's functions, as far as they are needed, and what makes them safe to call here: collectives run on another thread, so
 * that the event loop stays alive, and one at a time in the order in which they were asked for, which MPI requires to be
 * the same in all processes. Each can be watched: one that takes longer than a time-out is reported.
 */
import { LlmError } from "../../errors.ts";
import type { Rank } from "../group.ts";
import type { Abi } from "./abi.ts";
import type { MpiLibrary } from "./library.ts";

/** Operands of a collective. They may be over shared memory, and must not be touched until it is done. */
export type MpiArray = Float32Array | Float64Array | Int32Array | Uint8Array;

/** A call as koffi makes it: MPI's error code. */
type Call = (...args: readonly unknown[]) => Promise<number>;

/** Length of the texts that MPI fills in. */
const TEXT = 8192;

export class Mpi implements Rank {
  readonly rank: number;
  readonly size: number;
  /** The library's name and version, for people. */
  readonly description: string;
  readonly #lib: MpiLibrary;
  #watchdog: { readonly ms: number; readonly onStuck: (what: string) => void } | undefined;
  readonly #calls: Readonly<
    Record<"allReduce" | "broadcast" | "allGather" | "allGatherV" | "allToAll" | "barrier", Call>
  >;
  #last: Promise<void> = Promise.resolve();

  /** Connects this process with the others: it waits until all have come here. */
  constructor(lib: MpiLibrary) {
    this.#lib = lib;
    const { handles, serialized } = lib.abi;
    const provided = [0];
    const init = this.#declare<[null, null, number, number[]]>(
      "MPI_Init_thread(void *argc, void *argv, int required, _Out_ int *provided)",
    );
    this.#check(init(null, null, serialized, provided));
    if (provided[0] < serialized)
      throw new LlmError(
        `${lib.library.name} cannot be called from several threads. Use an MPI that was built with them.`,
      );
    // Else an error ends the process before it can say anything.
    this.#check(this.#declare("MPI_Comm_set_errhandler(H comm, H handler)")(handles.world, handles.errorsReturn));
    this.rank = this.#number("MPI_Comm_rank");
    this.size = this.#number("MPI_Comm_size");
    this.description = `${lib.library.name} (${this.#version()})`;
    this.#calls = {
      allReduce: this.#async("MPI_Allreduce(uintptr_t send, void *recv, int count, H type, H op, H comm)"),
      broadcast: this.#async("MPI_Bcast(void *buf, int count, H type, int root, H comm)"),
      allGather: this.#async("MPI_Allgather(void *send, int count, H type, void *recv, int each, H recvtype, H comm)"),
      allGatherV: this.#async(
        "MPI_Allgatherv(uintptr_t send, int count, H type, void *recv, void *counts, void *starts, H recvtype, H comm)",
      ),
      allToAll: this.#async("MPI_Alltoall(void *send, int count, H type, void *recv, int each, H recvtype, H comm)"),
      barrier: this.#async("MPI_Barrier(H comm)"),
    };
  }

  /** Replaces `data` by its sum over all processes. */
  sum(data: MpiArray, what: string): Promise<void> {
    const { handles, inPlace } = this.#lib.abi;
    return this.#enqueue(what, () =>
      this.#calls.allReduce(inPlace, data, data.length, typeOf(data, this.#lib.abi), handles.sum, handles.world),
    );
  }

  /** Replaces `data` by rank 0's. */
  broadcast(data: MpiArray, what: string): Promise<void> {
    const { abi } = this.#lib;
    return this.#enqueue(what, () => this.#calls.broadcast(data, data.length, typeOf(data, abi), 0, abi.handles.world));
  }

  /** Fills `whole` with the `part` of every process, all of one length, in rank order. */
  allGather(part: MpiArray, whole: MpiArray, what: string): Promise<void> {
    const { abi } = this.#lib;
    const type = typeOf(part, abi);
    return this.#enqueue(what, () =>
      this.#calls.allGather(part, part.length, type, whole, part.length, type, abi.handles.world),
    );
  }

  /** Completes `data`: its elements bounds[r] … bounds[r + 1] - 1 become those of process r. */
  gatherParts(data: MpiArray, bounds: readonly number[], what: string): Promise<void> {
    const { abi } = this.#lib;
    const type = typeOf(data, abi);
    const starts = Int32Array.from(bounds.slice(0, -1));
    const counts = starts.map((start, rank) => bounds[rank + 1] - start);
    return this.#enqueue(what, () =>
      this.#calls.allGatherV(abi.inPlace, 0, type, data, counts, starts, type, abi.handles.world),
    );
  }

  /** Part r of `parts`, all of one length, goes to process r, and its part for this one becomes part r of `received`. */
  allToAll(parts: MpiArray, received: MpiArray, what: string): Promise<void> {
    const { abi } = this.#lib;
    const type = typeOf(parts, abi);
    const each = parts.length / this.size;
    return this.#enqueue(what, () => this.#calls.allToAll(parts, each, type, received, each, type, abi.handles.world));
  }

  /** From now on, `onStuck` is called when a collective takes longer than `ms`, with what it was. */
  watch(ms: number, onStuck: (what: string) => void): void {
    this.#watchdog = { ms, onStuck };
  }

  /** Ends all processes at once, this one included, with an exit code: also while a collective is under way. */
  abort(code: number): void {
    this.#declare("MPI_Abort(H comm, int code)")(this.#lib.abi.handles.world, code);
  }

  /** Waits for all processes, and disconnects. */
  async close(): Promise<void> {
    await this.#enqueue("the end of the run", () => this.#calls.barrier(this.#lib.abi.handles.world));
    this.#check(this.#declare("MPI_Finalize()")());
  }

  #enqueue(what: string, call: () => Promise<number>): Promise<void> {
    const result = this.#last.then(async () => {
      const { ms, onStuck } = this.#watchdog ?? {};
      const timer = ms === undefined ? undefined : setTimeout(() => onStuck?.(what), ms);
      try {
        this.#check(await call());
      } finally {
        clearTimeout(timer);
      }
    });
    this.#last = result.catch(() => {});
    return result;
  }

  /** In prototypes, H is a handle. */
  #prototype(text: string): string {
    return `int ${text.replaceAll("H ", `${this.#lib.abi.handle} `)}`;
  }

  #declare<A extends readonly unknown[]>(prototype: string): (...args: A) => number {
    return this.#lib.library.declare<A, number>(this.#prototype(prototype));
  }

  #async(prototype: string): Call {
    return this.#lib.library.declareAsync<readonly unknown[], number>(this.#prototype(prototype));
  }

  #number(name: string): number {
    const out = [0];
    this.#check(this.#declare(`${name}(H comm, _Out_ int *value)`)(this.#lib.abi.handles.world, out));
    return out[0];
  }

  #check(code: number): void {
    if (code === 0) return;
    const [bytes, length] = [new Uint8Array(TEXT), [0]];
    this.#declare("MPI_Error_string(int code, void *text, _Out_ int *length)")(code, bytes, length);
    throw new LlmError(
      `MPI reports an error: ${textOf(bytes, length[0])}. Another process or its machine may be gone.`,
    );
  }

  #version(): string {
    const [bytes, length] = [new Uint8Array(TEXT), [0]];
    this.#declare("MPI_Get_library_version(void *text, _Out_ int *length)")(bytes, length);
    const [line] = textOf(bytes, length[0]).split("\n");
    // "Open MPI v4.1.4, package: …", "MPICH Version:\t4.0.2"
    return line.split(",")[0].replace(/\s+/g, " ");
  }
}

function textOf(bytes: Uint8Array, length: number): string {
  return new TextDecoder().decode(bytes.subarray(0, length)).trim();
}

function typeOf(data: MpiArray, { handles }: Abi): bigint {
  if (data instanceof Float32Array) return handles.float;
  if (data instanceof Float64Array) return handles.double;
  return data instanceof Int32Array ? handles.int32 : handles.byte;
}
