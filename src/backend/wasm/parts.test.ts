import { describe, expect, test } from "vitest";
import { MAX_THREADS } from "../entry.ts";
import { elements, partsOf, undivided, units } from "./parts.ts";
import { EVERY_WORKER, MAX_PARTS } from "./protocol.ts";

const LONG = 1e6; // nanoseconds of a unit

describe("the number of parts", () => {
  test("is one for one thread, for work that is not divided, and for less than two claims are worth", () => {
    expect(partsOf(units(1000, LONG), 1)).toBe(1);
    expect(partsOf(undivided, 8)).toBe(1);
    expect(partsOf(elements(64, 1), 8)).toBe(1);
    expect(partsOf(units(0, LONG), 8)).toBe(1);
  });

  test("leaves commands for every worker as they are", () => {
    expect(partsOf(EVERY_WORKER, 8)).toBe(EVERY_WORKER);
  });

  test("is one for each thread where the work is short, several where it is long", () => {
    expect(partsOf(elements(16_000, 1), 2)).toBe(2);
    expect(partsOf(units(256, LONG), 2)).toBe(32);
    expect(partsOf(units(2 ** 20, LONG), MAX_THREADS)).toBe(MAX_PARTS);
  });

  test("never exceeds the units", () => {
    expect(partsOf(units(3, LONG), 8)).toBe(3);
    expect(partsOf(units(12, LONG), MAX_THREADS)).toBe(12);
  });

  test("lets threads of equal speed end at the same time, by a coarser division where that takes one", () => {
    // Panels of GPT-2's matmuls: 29 parts of 5 would be 15 for one thread and 14 for the other.
    for (const panels of [48, 144, 192, 3144]) {
      const parts = partsOf(units(panels, LONG), 2);
      expect(parts % 2).toBe(0);
      expect(parts).toBeGreaterThan(22);
      expect((Math.ceil(panels / parts) * parts) / panels).toBeLessThan(1.01);
    }
  });
});
