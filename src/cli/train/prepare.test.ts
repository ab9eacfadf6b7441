import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { makeConfig } from "../../model/config.ts";
import { parameterCount } from "../../model/parameters.ts";
import { requireCheckpointRoom } from "./prepare.ts";

test("a run whose checkpoints no disk has room for is refused, with what would help", async () => {
  const config = makeConfig({ L: 1000, NH: 64, C: 65536, V: 50257, maxT: 1024 });
  const remarks: string[] = [];
  const needs = (keep: number) =>
    requireCheckpointRoom(
      tmpdir(),
      parameterCount(config),
      { checkpointEvery: 1, keep, keepEvery: 0, steps: 10 },
      (text) => remarks.push(text),
    );
  await expect(needs(2)).rejects.toThrow(
    /: \d+ GB are needed, and the disk has .* left\. Make room, or keep fewer checkpoints \(--keep 1\), or write/,
  );
  await expect(needs(1)).rejects.toThrow(/left\. Make room, or write to another disk \(-o\)\.$/);
});

test("checkpoints that are kept for good are remarked on where they will fill the disk", async () => {
  const config = makeConfig({ L: 1, NH: 1, C: 64, V: 50257, maxT: 64 });
  const remarks: string[] = [];
  const settings = { checkpointEvery: 1, keep: 0, keepEvery: 0, steps: 1e8 };
  await requireCheckpointRoom(tmpdir(), parameterCount(config), settings, (text) => remarks.push(text));
  expect(remarks).toEqual([expect.stringMatching(/this run keeps 100000000 checkpoints of \d+\.?\d* MB/)]);
  await requireCheckpointRoom(tmpdir(), parameterCount(config), { ...settings, keep: 2 }, (text) => remarks.push(text));
  expect(remarks).toHaveLength(1);
});
