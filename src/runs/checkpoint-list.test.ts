import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import {
  adapterPaths,
  checkpointPaths,
  checkpointsKept,
  completeSteps,
  keepModel,
  pruneCheckpoints,
  putAsideAfter,
  stateOfRank,
} from "./checkpoint-list.ts";

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

describe("what was put aside", () => {
  const folder = mkdtempSync(join(tmpdir(), "llm-ts-aside-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  /** The files of a complete checkpoint, of weights and of an adapter, each with `content`. */
  function writeCheckpoint(path: string, step: number, content: string): void {
    const { model, state, info, done } = checkpointPaths(path, step);
    const adapter = adapterPaths(path, step);
    mkdirSync(adapter.folder, { recursive: true });
    for (const file of [model, state, stateOfRank(state, 1), info, done]) writeFileSync(file, content);
    for (const file of [adapter.weights, adapter.config, adapter.state]) writeFileSync(file, content);
  }

  /** The contents of the files whose name has `ending`, by name. */
  function asideIn(path: string, ending: string): Record<string, string> {
    const names = readdirSync(path, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(ending));
    return Object.fromEntries(names.map((name) => [name, readFileSync(join(path, name), "utf8")]));
  }

  test("outlives the checkpoint of the same update, and another that is put aside", async () => {
    const path = join(folder, "twice");
    writeCheckpoint(path, 20, "good");
    writeCheckpoint(path, 40, "first");
    await putAsideAfter(path, 20);
    const first = asideIn(path, ".damaged");
    expect(Object.keys(first)).toHaveLength(7);
    writeCheckpoint(path, 40, "second");
    await putAsideAfter(path, 20);
    writeCheckpoint(path, 40, "third");
    writeCheckpoint(path, 50, "good");
    await pruneCheckpoints(path, { keep: 1, keepEvery: 0 });
    expect(await completeSteps(path)).toEqual([50]);
    expect(asideIn(path, ".damaged")).toEqual(first);
    const second = Object.entries(first).map(([name]) => [`${name}-2`, "second"]);
    expect(asideIn(path, ".damaged-2")).toEqual(Object.fromEntries(second));
    expect(readdirSync(path).filter((name) => /00000040/.test(name) && !/damaged/.test(name))).toEqual([
      "adapter_00000040",
    ]);
  });

  test("is never a model that an adapter needs", async () => {
    const path = join(folder, "marked");
    writeCheckpoint(path, 20, "good");
    writeCheckpoint(path, 40, "base");
    rmSync(adapterPaths(path, 40).folder, { recursive: true });
    await keepModel(checkpointPaths(path, 40).model, "The run in runs/lora needs it.");
    const before = readdirSync(path);
    await expect(putAsideAfter(path, 20)).rejects.toThrow(
      /marked cannot go back to update 20: it would write model_00000040\.bin once more, which an adapter needs \(.*KEEP_00000040 says whose\)/,
    );
    expect(readdirSync(path)).toEqual(before);
    await putAsideAfter(path, 40);
    expect(readdirSync(path)).toEqual(before);
  });
});
