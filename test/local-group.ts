import type { Backend, Precision, Tensor } from "../src/backend/backend.ts";
import { type Exchange, sumInBfloat16 } from "../src/group/bfloat16-sum.ts";
import type { Group } from "../src/group/group.ts";

type Meet = <T>(rank: number, value: T) => Promise<T[]>;

/** Waits for the contributions of all of `size` members, and gives them in rank order: each time that all have come. */
function meeting(size: number): Meet {
  const waiting: Map<number, unknown>[] = [];
  const done: ((all: unknown[]) => void)[][] = [];
  return <T>(rank: number, value: T) =>
    new Promise<T[]>((resolve) => {
      // A member may be ahead of the others.
      let turn = waiting.findIndex((members) => !members.has(rank));
      if (turn < 0) {
        turn = waiting.push(new Map()) - 1;
        done.push([]);
      }
      waiting[turn].set(rank, value);
      done[turn].push(resolve as (all: unknown[]) => void);
      if (waiting[turn].size < size) return;
      const [members] = waiting.splice(turn, 1);
      const all = [...members].sort(([a], [b]) => a - b).map(([, value]) => value);
      for (const resolve of done.splice(turn, 1)[0]) resolve(all);
    });
}

/** What members of a group within this process send each other. */
function exchangeOf(rank: number, size: number, meet: Meet): Exchange {
  return {
    rank,
    size,
    async allToAll(parts, received) {
      const each = parts.length / size;
      const all = await meet(rank, parts.slice());
      for (const [r, sent] of all.entries()) received.set(sent.subarray(rank * each, (rank + 1) * each), r * each);
    },
    async allGather(part, whole) {
      for (const [r, sent] of (await meet(rank, part.slice())).entries()) whole.set(sent, r * part.length);
    },
  };
}

export function localExchanges(size: number): Exchange[] {
  const meet = meeting(size);
  return Array.from({ length: size }, (_, rank) => exchangeOf(rank, size, meet));
}

/** Members of a group within this process, which wait for each other as processes do. Sums are taken in rank order. */
export function localGroup(size: number): Group[] {
  const meet = meeting(size);
  const sum = (all: readonly Float32Array[]) => {
    const total = Float32Array.from(all[0]);
    for (const values of all.slice(1)) for (const [i, value] of values.entries()) total[i] += value;
    return total;
  };
  return Array.from({ length: size }, (_, rank) => ({
    rank,
    size,
    host: "here",
    async sumTensors(be: Backend, tensors: readonly Tensor[], precision: Precision = "fp32") {
      for (const tensor of tensors) {
        const data = await be.read(tensor);
        if (precision === "fp32") data.set(sum(await meet(rank, data.slice())));
        else await sumInBfloat16(exchangeOf(rank, size, meet), data);
        await be.write(tensor, data);
      }
    },
    async broadcastTensors(be: Backend, tensors: readonly Tensor[]) {
      for (const tensor of tensors) await be.write(tensor, (await meet(rank, await be.read(tensor)))[0]);
    },
    async gatherParts(data: Float32Array, bounds: readonly number[]) {
      const all = await meet(rank, data.slice());
      for (const [r, values] of all.entries()) data.set(values.subarray(bounds[r], bounds[r + 1]), bounds[r]);
    },
    async mean(values: readonly number[]) {
      const all = await meet(rank, values);
      return values.map((_, i) => all.reduce((total, member) => total + member[i], 0) / size);
    },
    async any(value: boolean) {
      return (await meet(rank, value)).includes(true);
    },
    async broadcast<V>(value: V) {
      return (await meet(rank, value))[0];
    },
    async gather<V>(value: V) {
      return meet(rank, value);
    },
  }));
}
