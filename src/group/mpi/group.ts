/** A group of processes that MPI connects. */
import type { Backend, Precision, Tensor } from "../../backend/backend.ts";
import { InputError } from "../../errors.ts";
import { sumInBfloat16 } from "../bfloat16-sum.ts";
import type { Group } from "../group.ts";
import { eachMemory } from "../memory.ts";
import { Mpi } from "./binding.ts";
import type { Launcher } from "./launcher.ts";
import { loadMpi } from "./library.ts";

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

  sumTensors(be: Backend, tensors: readonly Tensor[], precision: Precision = "fp32"): Promise<void> {
    const [mpi, what] = [this.#mpi, "the sum of gradients"];
    if (precision === "fp32") return eachMemory(be, tensors, (data) => mpi.sum(data, what));
    const exchange = {
      rank: this.rank,
      size: this.size,
      allToAll: (parts: Uint8Array, received: Uint8Array) => mpi.allToAll(parts, received, what),
      allGather: (part: Uint8Array, whole: Uint8Array) => mpi.allGather(part, whole, what),
    };
    return eachMemory(be, tensors, (data) => sumInBfloat16(exchange, data));
  }

  broadcastTensors(be: Backend, tensors: readonly Tensor[]): Promise<void> {
    return eachMemory(be, tensors, (data) => this.#mpi.broadcast(data, "rank 0's weights"));
  }

  gatherParts(data: Float32Array, bounds: readonly number[]): Promise<void> {
    return this.#mpi.gatherParts(data, bounds, "the others' parts of the weights or moments");
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
}

/** JSON has no undefined: a missing value is null there, and undefined again. */
function encode(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify({ value }));
}

function decode<V>(bytes: Uint8Array): V {
  // A TextDecoder takes no shared memory.
  return JSON.parse(new TextDecoder().decode(Uint8Array.from(bytes))).value;
}
