import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { makeConfig } from "../../model/config.ts";
import { parameterCount } from "../../model/parameters.ts";
import { checkpointsKept, requireCheckpointRoom } from "./checkpoint-space.ts";

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

test("a run whose checkpoints no disk has room for is refused, with what would help", async () => {
  const config = makeConfig({ L: 1000, NH: 64, C: 65536, V: 50257, maxT: 1024 });
  const remarks: string[] = [];
  const needs = (keep: number) =>
    requireCheckpointRoom(tmpdir(), parameterCount(config), { checkpointEvery: 1, keep, keepEvery: 0 }, 10, (text) =>
      remarks.push(text),
    );
  await expect(needs(2)).rejects.toThrow(
    /: \d+ GB are needed, and the disk has .* left\. Make room, or keep fewer checkpoints \(--keep 1\), or write/,
  );
  await expect(needs(1)).rejects.toThrow(/left\. Make room, or write to another disk \(-o\)\.$/);
});

test("checkpoints that are kept for good are remarked on where they will fill the disk", async () => {
  const config = makeConfig({ L: 1, NH: 1, C: 64, V: 50257, maxT: 64 });
  const remarks: string[] = [];
  const settings = { checkpointEvery: 1, keep: 0, keepEvery: 0 };
  await requireCheckpointRoom(tmpdir(), parameterCount(config), settings, 1e8, (text) => remarks.push(text));
  expect(remarks).toEqual([expect.stringMatching(/this run keeps 100000000 checkpoints of \d+\.?\d* MB/)]);
  await requireCheckpointRoom(tmpdir(), parameterCount(config), { ...settings, keep: 2 }, 1e8, (text) =>
    remarks.push(text),
  );
  expect(remarks).toHaveLength(1);
});
