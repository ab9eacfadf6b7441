import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { makeConfig } from "../../model/config.ts";
import { parameterCount } from "../../model/parameters.ts";
import { freeBytes } from "../disk-space.ts";
import { requireCheckpointRoom } from "./prepare.ts";

test("a run whose checkpoints have no room on the disk is refused, with what would help", async () => {
  const free = await freeBytes(tmpdir());
  /** Of checkpoints of which `fitting` have room. */
  const needs = (fitting: number, keep: number, checkpointEvery = 1) =>
    requireCheckpointRoom(tmpdir(), free / 12 / fitting, { checkpointEvery, keep, keepEvery: 0, steps: 10 }, () => {});
  await expect(needs(2.5, 2)).rejects.toThrow(
    /: [\d.]+ GB are needed, and the disk has .* left\. Make room, or keep fewer checkpoints \(--keep 1\), or write/,
  );
  await expect(needs(2.5, 1)).resolves.toBeUndefined();
  const other = /left\. Make room, or write to another disk \(-o\)\.$/;
  await expect(needs(1.5, 2), "two have no room either").rejects.toThrow(other);
  await expect(needs(1.5, 1), "it is chosen").rejects.toThrow(other);
  await expect(needs(0.5, 2, 0), "there is one only").rejects.toThrow(other);
});

test("checkpoints that are kept for good are remarked on where they will fill the disk", async () => {
  const config = makeConfig({ L: 1, NH: 1, C: 64, V: 50257, maxT: 64 });
  const remarksOn = async (keep: number, keepEvery: number) => {
    const remarks: string[] = [];
    const settings = { checkpointEvery: 1, keep, keepEvery, steps: 1e8 };
    await requireCheckpointRoom(tmpdir(), parameterCount(config), settings, (text) => remarks.push(text));
    return remarks;
  };
  expect(await remarksOn(0, 0)).toEqual([
    expect.stringMatching(/this run keeps 100000000 checkpoints of \d+\.?\d* MB.*or keep fewer \(--keep 2\)$/),
  ]);
  expect(await remarksOn(2, 0)).toEqual([]);
  expect(await remarksOn(2, 1)).toEqual([expect.stringMatching(/or keep fewer \(--keep-every 0\)$/)]);
});
