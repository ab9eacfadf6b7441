import type { Backend, Precision, Tensor } from "../src/backend/backend.ts";
import { sumInBfloat16 } from "../src/group/bfloat16-sum.ts";
import type { Group } from "../src/group/group.ts";

/** Members of a group within this process, which wait for each other as processes do. Sums are taken in rank order. */
export function localGroup(size: number): Group[] {
  let waiting: { readonly rank: number; readonly value: unknown; readonly done: (all: unknown[]) => void }[] = [];
  /** Contributions of all members in rank order, once all have arrived. */
  const meet = <T>(rank: number, value: T): Promise<T[]> =>
    new Promise((done) => {
      waiting.push({ rank, value, done: done as (all: unknown[]) => void });
      if (waiting.length < size) return;
      const all = waiting.sort((a, b) => a.rank - b.rank);
      waiting = [];
      for (const member of all) member.done(all.map((one) => one.value));
    });
  const sum = (all: readonly Float32Array[]) => {
    const total = Float32Array.from(all[0]);
    for (const values of all.slice(1)) for (const [i, value] of values.entries()) total[i] += value;
    return total;
  };
  const exchange = (rank: number) => ({
    async allToAll(parts: Uint8Array, received: Uint8Array) {
      const each = parts.length / size;
      const all = await meet(rank, parts.slice());
      for (const [r, sent] of all.entries()) received.set(sent.subarray(rank * each, (rank + 1) * each), r * each);
    },
    async allGather(part: Uint8Array, whole: Uint8Array) {
      for (const [r, sent] of (await meet(rank, part.slice())).entries()) whole.set(sent, r * part.length);
    },
  });
  return Array.from({ length: size }, (_, rank) => ({
    rank,
    size,
    host: "here",
    async sumTensors(be: Backend, tensors: readonly Tensor[], precision: Precision = "fp32") {
      for (const tensor of tensors) {
        const data = await be.read(tensor);
        if (precision === "fp32") data.set(sum(await meet(rank, data.slice())));
        else await sumInBfloat16({ rank, size, ...exchange(rank) }, data);
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
