import { expect, test } from "vitest";
import { checkpointsKept } from "./checkpoint-list.ts";

test("a run has one checkpoint more than it keeps, while it replaces the oldest", () => {
  const kept = (checkpointEvery: number, keep: number, keepEvery: number, steps = 100) =>
    checkpointsKept({ checkpointEvery, keep, keepEvery }, steps);
  expect(kept(0, 2, 0)).toEqual({ newest: 1, all: 1 });
  expect(kept(10, 2, 0)).toEqual({ newest: 3, all: 3 });
  expect(kept(10, 1, 0)).toEqual({ newest: 2, all: 2 });
  expect(kept(60, 5, 0)).toEqual({ newest: 2, all: 2 });
  expect(kept(10, 0, 0)).toEqual({ newest: 2, all: 10 });
  expect(kept(10, 1, 50)).toEqual({ newest: 2, all: 4 });
});
