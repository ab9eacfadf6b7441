/**
 * A group: the processes that train one model together, data-parallel. Each holds all weights and takes its own rows of
 * every batch. They meet in few places: a start compares what they are about to do (runs/start-group.ts); a loader takes the
 * rows of its rank (data/loader.ts); a step sums its gradients and averages its loss (train/step.ts), and gathers the weights
 * where each updates a part of them (train/shared-moments.ts); a validation averages
 * its loss (train/evaluate.ts); the loop agrees on whether to stop and to save, and compares the weights when it does
 * (train/trainer.ts); rank 0 alone writes samples and checkpoints (train/plan.ts).
 *
 * Every member calls the same methods in the same order. Results are the same bits in all of them, so that whatever they
 * decide by a result, they decide alike.
 */
import type { Backend, Precision, Tensor } from "../backend/backend.ts";
import { shown, UsageError } from "../errors.ts";

/** A member's place in its group. */
export interface Rank {
  /** 0 … size - 1. */
  readonly rank: number;
  readonly size: number;
}

export interface Group extends Rank {
  /** Name of the machine, for messages; "" where it does not matter. */
  readonly host: string;
  /**
   * Replaces each tensor, of the same shape in every member, by its sum over all members. With bf16, half the bytes travel, and
   * the sums are rounded (bfloat16-sum.ts).
   */
  sumTensors(be: Backend, tensors: readonly Tensor[], precision?: Precision): Promise<void>;
  /** Replaces each tensor, of the same shape in every member, by rank 0's. */
  broadcastTensors(be: Backend, tensors: readonly Tensor[]): Promise<void>;
  /** Completes `data`, as long in every member: elements bounds[r] … bounds[r + 1] - 1 become member r's. */
  gatherParts(data: Float32Array, bounds: readonly number[]): Promise<void>;
  /** The mean over all members, value by value. */
  mean(values: readonly number[]): Promise<readonly number[]>;
  /** True if it is true in any member. */
  any(value: boolean): Promise<boolean>;
  /** Rank 0's value in every member. Plain data, of which JSON must keep everything. */
  broadcast<V>(value: V): Promise<V>;
  /** The values of all members in rank order. Plain data, of which JSON must keep everything. */
  gather<V>(value: V): Promise<readonly V[]>;
}

/** UsageError for what is no group: found before the first step rather than in it. */
export function checkGroup(group: Group): void {
  const methods = ["sumTensors", "broadcastTensors", "gatherParts", "mean", "any", "broadcast", "gather"] as const;
  if (!methods.every((name) => typeof group?.[name] === "function"))
    throw new UsageError(
      `A group has the methods ${methods.join(", ")}. Without other processes, leave it out or take alone.`,
    );
  checkRank(group);
}

/** UsageError for what is no place in a group. */
export function checkRank(group: Pick<Rank, "rank" | "size">): void {
  if (typeof group !== "object" || group === null)
    throw new UsageError(`group is ${shown(group)}, expected a rank and a size, as a Group has them.`);
  const { rank, size } = group;
  if (!Number.isSafeInteger(size) || !Number.isSafeInteger(rank) || rank < 0 || rank >= size)
    throw new UsageError(`Rank ${rank} of ${size} is no place in a group, expected whole numbers from 0 to the size.`);
}

/** The group of one process. */
export const alone: Group = {
  rank: 0,
  size: 1,
  host: "",
  sumTensors: async () => {},
  broadcastTensors: async () => {},
  gatherParts: async () => {},
  mean: async (values) => values,
  any: async (value) => value,
  broadcast: async (value) => value,
  gather: async (value) => [value],
};
