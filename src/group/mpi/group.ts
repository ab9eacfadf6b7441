/** A group of processes that MPI connects. */
import { type Backend, type Tensor, view } from "../../backend/backend.ts";
import { InputError } from "../../errors.ts";
import type { Group } from "../group.ts";
import { Mpi } from "./binding.ts";
import type { Launcher } from "./launcher.ts";
import { loadMpi } from "./library.ts";

/** Elements of the pieces in which tensors pass through memory that is not the backend's. */
const PIECE = 1 << 22;

export interface MpiOptions {
  /** Name of this machine. */
  readonly host: string;
  /** The library; default: the launcher's. */
  readonly path?: string;
}

export class MpiGroup implements Group {
  readonly rank: number;
  readonly size: number;
  readonly host: string;
  /** The library, for people. */
  readonly description: string;
  readonly #mpi: Mpi;

  private constructor(mpi: Mpi, host: string) {
    this.#mpi = mpi;
    this.host = host;
    this.rank = mpi.rank;
    this.size = mpi.size;
    this.description = mpi.description;
  }

  /** Connects the launcher's processes. InputError where the library is missing, or another family's than the launcher's. */
  static async join(launcher: Launcher, { host, path }: MpiOptions): Promise<MpiGroup> {
    const library = await loadMpi(launcher, path);
    const mpi = new Mpi(library);
    if (mpi.size === launcher.size) return new MpiGroup(mpi, host);
    throw new InputError(
      `${launcher.name} started ${launcher.size} processes, and ${mpi.description} sees ${mpi.size}: the library belongs to ` +
        `another MPI than the launcher. ${path === undefined ? "Name the launcher's with --mpi PATH" : "Leave out --mpi, or name the launcher's"}.`,
    );
  }

  sumTensors(be: Backend, tensors: readonly Tensor[]): Promise<void> {
    return this.#each(be, tensors, (data) => this.#mpi.sum(data, "the sum of gradients"));
  }

  broadcastTensors(be: Backend, tensors: readonly Tensor[]): Promise<void> {
    return this.#each(be, tensors, (data) => this.#mpi.broadcast(data, "rank 0's weights"));
  }

  async mean(values: readonly number[]): Promise<readonly number[]> {
    const sums = Float64Array.from(values);
    await this.#mpi.sum(sums, "the mean of losses");
    return Array.from(sums, (sum) => sum / this.size);
  }

  async any(value: boolean): Promise<boolean> {
    const count = Int32Array.of(Number(value));
    await this.#mpi.sum(count, "the decision to stop or continue");
    return count[0] > 0;
  }

  async broadcast<V>(value: V): Promise<V> {
    const own = encode(value);
    const length = Int32Array.of(own.length);
    await this.#mpi.broadcast(length, "rank 0's state");
    const bytes = this.rank === 0 ? own : new Uint8Array(length[0]);
    await this.#mpi.broadcast(bytes, "rank 0's state");
    return decode(bytes);
  }

  async gather<V>(value: V): Promise<readonly V[]> {
    const own = encode(value);
    const lengths = new Int32Array(this.size);
    await this.#mpi.allGather(Int32Array.of(own.length), lengths, "the other processes' state");
    const longest = Math.max(...lengths);
    const padded = new Uint8Array(longest);
    padded.set(own);
    const all = new Uint8Array(longest * this.size);
    await this.#mpi.allGather(padded, all, "the other processes' state");
    return Array.from(lengths, (length, rank) => decode<V>(all.subarray(rank * longest, rank * longest + length)));
  }

  /**
   * From now on, `onStuck` is called when this process has waited for the others longer than `ms`, with what it waited for. It
   * is to end the process.
   */
  watch(ms: number, onStuck: (what: string) => void): void {
    this.#mpi.watch(ms, onStuck);
  }

  /** Ends all processes of the group with an exit code. */
  abort(code: number): void {
    this.#mpi.abort(code);
  }

  /** Waits for all members, and disconnects. */
  close(): Promise<void> {
    return this.#mpi.close();
  }

  /** Calls a collective on the memory of each tensor: the backend's own where it can be had, else a copy, in pieces. */
  async #each(
    be: Backend,
    tensors: readonly Tensor[],
    collective: (data: Float32Array) => Promise<void>,
  ): Promise<void> {
    for (const tensor of tensors) {
      const own = await be.hostMemory?.(tensor);
      if (own) await collective(own);
      else
        await eachPiece(tensor, async (piece) => {
          const data = await be.read(piece);
          await collective(data);
          await be.write(piece, data);
        });
    }
  }
}

async function eachPiece(tensor: Tensor, use: (piece: Tensor) => Promise<void>): Promise<void> {
  for (let start = 0; start < tensor.size; start += PIECE)
    await use(view(tensor, start, [Math.min(PIECE, tensor.size - start)]));
}

/** JSON has no undefined: a missing value is null there, and undefined again. */
function encode(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ value }));
}

function decode<V>(bytes: Uint8Array): V {
  // A TextDecoder takes no shared memory.
  return JSON.parse(new TextDecoder().decode(Uint8Array.from(bytes))).value;
}
