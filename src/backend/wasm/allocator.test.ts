import { describe, expect, test } from "vitest";
import { ALIGNMENT, FreeList } from "./allocator.ts";

describe("FreeList", () => {
  test("gives aligned pieces that do not overlap, and refuses what does not fit", () => {
    const list = new FreeList(1024, 1024 + 10 * ALIGNMENT);
    const pieces = [1, ALIGNMENT, ALIGNMENT + 1, 0].map((bytes) => list.take(bytes));
    expect(pieces).toEqual([1024, 1024 + ALIGNMENT, 1024 + 2 * ALIGNMENT, 1024 + 4 * ALIGNMENT]);
    expect(list.used).toBe(5 * ALIGNMENT);
    expect(list.longest).toBe(5 * ALIGNMENT);
    expect(list.take(5 * ALIGNMENT + 1)).toBeNull();
    expect(list.take(5 * ALIGNMENT)).toBe(1024 + 5 * ALIGNMENT);
    expect(list.take(1)).toBeNull();
  });

  test("joins freed neighbours, whatever the order they come back in", () => {
    for (const order of [
      [0, 1, 2, 3],
      [3, 2, 1, 0],
      [1, 3, 0, 2],
      [2, 0, 3, 1],
    ]) {
      const list = new FreeList(0, 4 * ALIGNMENT);
      const pieces = order.map(() => list.take(ALIGNMENT) ?? Number.NaN);
      for (const i of order) list.release(pieces[i]);
      expect(list.longest).toBe(4 * ALIGNMENT);
      expect(list.used).toBe(0);
    }
  });

  test("uses holes again", () => {
    const list = new FreeList(0, 100 * ALIGNMENT);
    const [, hole] = [list.take(ALIGNMENT), list.take(3 * ALIGNMENT), list.take(ALIGNMENT)];
    list.release(hole ?? Number.NaN);
    expect(list.take(4 * ALIGNMENT)).toBe(5 * ALIGNMENT);
    expect(list.take(2 * ALIGNMENT)).toBe(hole);
    expect(list.take(ALIGNMENT)).toBe(3 * ALIGNMENT);
  });

  test("stays consistent through a long random life", () => {
    const end = 1000 * ALIGNMENT;
    const list = new FreeList(0, end);
    const live = new Map<number, number>();
    let state = 7;
    const random = (below: number) => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return Math.floor((state / 2 ** 32) * below);
    };
    for (let i = 0; i < 5000; i++) {
      const bytes = 1 + random(60 * ALIGNMENT);
      const address = list.take(bytes);
      if (address !== null) {
        for (const [at, size] of live) expect(address + bytes <= at || at + size <= address).toBe(true);
        expect(address + bytes).toBeLessThanOrEqual(end);
        live.set(address, bytes);
      }
      while (live.size > random(40)) {
        const victim = [...live.keys()][random(live.size)];
        list.release(victim);
        live.delete(victim);
      }
    }
    for (const address of live.keys()) list.release(address);
    expect(list.longest).toBe(end);
  });

  test("refuses to release what it did not give", () => {
    const list = new FreeList(0, 1000);
    const address = list.take(10) ?? Number.NaN;
    list.release(address);
    expect(() => list.release(address)).toThrow();
  });
});
