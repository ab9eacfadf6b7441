/**
 * AdamW's moments where each member of a group holds a part of them (ZeRO-1): it updates that part of the weights, and all gather
 * the rest. Rank 0 alone reads and writes moments, piece by piece, as those of one process: each time it asks the others,
 * which `serve` meanwhile. So no member ever holds more than a piece of what is not its own.
 */
import type { Backend } from "../backend/backend.ts";
import { UsageError } from "../errors.ts";
import type { Group } from "../group/group.ts";
import { eachMemory } from "../group/memory.ts";
import type { TensorName } from "../model/parameters.ts";
import type { TensorPart } from "../model/tensor-part.ts";
import type { TensorSet, TrainingTensors } from "../model/tensor-set.ts";

/**
 * One of AdamW's moments, read and written by a tensor's name, through all layers, as `TensorSet` does. `blocks` are the tensors that
 * hold it; none where each member of a group holds a part.
 */
export type Moment = Pick<TensorSet, "read" | "write" | "parameters" | "blocks">;

/** What rank 0 wants of the others: a piece of a moment, or to take one over. */
interface Order {
  readonly moment: "m" | "v";
  readonly does: "read" | "write";
  readonly name: TensorName;
  readonly start: number;
  readonly length: number;
}

export class SharedMoments {
  readonly m: Moment;
  readonly v: Moment;
  readonly #be: Backend;
  readonly #group: Group;
  readonly #weights: TensorSet;
  readonly #tensors: TrainingTensors<TensorPart>;
  /** True while the other members serve rank 0. */
  #isServed = false;

  constructor(be: Backend, group: Group, weights: TensorSet, tensors: TrainingTensors<TensorPart>) {
    this.#be = be;
    this.#group = group;
    this.#weights = weights;
    this.#tensors = tensors;
    this.m = this.#momentOf("m");
    this.v = this.#momentOf("v");
  }

  /** After an update, in all members: the parts of the weights that the others have updated. */
  async gatherWeights(): Promise<void> {
    const { m, copy } = this.#tensors;
    await eachMemory(this.#be, this.#weights.blocks, (data, index, start) => {
      const { bounds } = m.entries[index];
      return this.#group.gatherParts(
        data,
        bounds.map((at) => Math.min(data.length, Math.max(0, at - start))),
      );
    });
    await copy?.copyMatrices(this.#be, this.#weights);
  }

  /** In all members: rank 0 does `work`, in which it may read and write moments; the others serve it until it is done. */
  async serve<R>(work: () => Promise<R>): Promise<R | undefined> {
    const { rank } = this.#group;
    if (rank > 0) return this.#obey();
    this.#isServed = true;
    try {
      return await work();
    } finally {
      this.#isServed = false;
      await this.#group.broadcast(null);
    }
  }

  async #obey(): Promise<undefined> {
    for (;;) {
      const order = await this.#group.broadcast<Order | null>(null);
      if (!order) return;
      await this.#carryOut(order, new Float32Array(order.length));
    }
  }

  #momentOf(moment: "m" | "v"): Moment {
    return {
      parameters: this.#weights.parameters,
      blocks: [],
      read: async (_, name, start, length) => {
        const data = new Float32Array(length);
        await this.#give({ moment, does: "read", name, start, length }, data);
        return data;
      },
      write: (_, name, start, data) => this.#give({ moment, does: "write", name, start, length: data.length }, data),
    };
  }

  async #give(order: Order, data: Float32Array): Promise<void> {
    if (!this.#isServed)
      throw new UsageError(
        "With zeroStage 1 each process holds a part of AdamW's moments: rank 0 alone reads and writes them, within a run's " +
          "`checkpoint` or Trainer.inRank0.",
      );
    await this.#group.broadcast<Order | null>(order);
    await this.#carryOut(order, data);
  }

  /** In all members: `data` is the piece that rank 0 reads, or that it has to write. */
  async #carryOut({ moment, does, name, start, length }: Order, data: Float32Array): Promise<void> {
    const be = this.#be;
    const isReading = does === "read";
    // What is written is all rank 0's.
    if (!isReading) await this.#group.gatherParts(data, [0, ...Array<number>(this.#group.size).fill(length)]);
    for (const { from, held, heldFrom, length: count, bounds } of this.#tensors[moment].pieces(name, start, length)) {
      const piece = data.subarray(from, from + count);
      if (held && isReading) piece.set(await be.read(held), heldFrom);
      if (held && !isReading) await be.write(held, piece.subarray(heldFrom, heldFrom + held.size));
      if (isReading) await this.#group.gatherParts(piece, bounds);
    }
  }
}
