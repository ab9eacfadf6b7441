import fc from "fast-check";
import { expect, test } from "vitest";
import { localExchanges } from "../../test/local-group.ts";
import { sumInBfloat16 } from "./bfloat16-sum.ts";

/** The sums in each member, and what they may be off by. */
async function summed(all: readonly Float32Array[]): Promise<Float32Array[]> {
  const results = all.map((values) => values.slice());
  await Promise.all(localExchanges(all.length).map((exchange, rank) => sumInBfloat16(exchange, results[rank])));
  return results;
}

test("the sum deviates by the roundings alone, and is the same in all members", async () => {
  const value = fc.float({ noNaN: true, min: -Math.fround(1e20), max: Math.fround(1e20) });
  const members = fc
    .tuple(fc.integer({ min: 2, max: 5 }), fc.integer({ min: 1, max: 40 }))
    .chain(([size, count]) =>
      fc.array(fc.array(value, { minLength: count, maxLength: count }), { minLength: size, maxLength: size }),
    );
  await fc.assert(
    fc.asyncProperty(members, async (values) => {
      const all = values.map((own) => Float32Array.from(own));
      const results = await summed(all);
      for (const result of results) expect(result).toEqual(results[0]);
      for (const [i, found] of results[0].entries()) {
        const exact = all.reduce((sum, own) => sum + own[i], 0);
        const magnitude = all.reduce((sum, own) => sum + Math.abs(own[i]), 0);
        // bfloat16 keeps 8 bits of a number: a rounding is at most 2^-8 of it, or half of its least subnormal. Each number is
        // rounded, then added in float32, and so is the sum of the rounded numbers.
        const [half, single, least] = [2 ** -8, 2 ** -24, 2 ** -134];
        const addends = magnitude * half + all.length * least;
        const sums = (all.length - 1) * single * (magnitude + addends);
        const last = half * (Math.abs(exact) + addends + sums) + least;
        expect(Math.abs(found - exact)).toBeLessThanOrEqual(addends + sums + last);
      }
    }),
  );
});

test("numbers of 8 bits are added exactly, ties go to even, and NaN and infinity stay", async () => {
  const numbers = [
    [1, 2, 3],
    // 257 is half way between 256 and 258, 259 between 258 and 260.
    [257, 0, 256],
    [259, 0, 260],
    [Number.NaN, 1, Number.NaN],
    [Number.POSITIVE_INFINITY, 1, Number.POSITIVE_INFINITY],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN],
  ] as const;
  const all = [0, 1].map((member) => Float32Array.from(numbers, (row) => row[member] as number));
  const [found] = await summed(all);
  expect([...found]).toEqual(numbers.map(([, , sum]) => sum));
});

test("long ones go in pieces", async () => {
  const length = 2 ** 21 + 5;
  const all = [1, 2, 3].map((member) => Float32Array.from({ length }, (_, i) => member * (i % 64)));
  for (const result of await summed(all)) expect(result.findIndex((value, i) => value !== 6 * (i % 64))).toBe(-1);
  expect(await summed([new Float32Array(), new Float32Array()])).toEqual([new Float32Array(), new Float32Array()]);
});

test("half the bytes of float32 travel", async () => {
  let bytes = 0;
  const exchanges = localExchanges(4).map((exchange) => ({
    ...exchange,
    allToAll: (parts: Uint8Array, received: Uint8Array) => {
      bytes += (parts.length * 3) / 4;
      return exchange.allToAll(parts, received);
    },
    allGather: (part: Uint8Array, whole: Uint8Array) => {
      bytes += part.length * 3;
      return exchange.allGather(part, whole);
    },
  }));
  await Promise.all(exchanges.map((exchange) => sumInBfloat16(exchange, new Float32Array(4000).fill(1))));
  // 2 (N-1)/N of 2 bytes instead of 4, from each of 4 members.
  expect(bytes).toBe(4 * 2 * (3 / 4) * 2 * 4000);
});
