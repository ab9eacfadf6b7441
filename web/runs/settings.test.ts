import { expect, test } from "vitest";
import { compared, flattened, tokensPerUpdate } from "./settings.ts";

test("nested settings are flattened to names and values", () => {
  const config = {
    version: 1,
    run: { learningRate: 1e-3, order: "file" },
    data: { train: [{ path: "a.bin", bytes: 3 }] },
    list: [1],
  };
  expect(Object.fromEntries(flattened(config))).toEqual({
    version: "1",
    "run.learningRate": "0.001",
    "run.order": "file",
    "data.train.0.path": "a.bin",
    "data.train.0.bytes": "3",
    list: "[1]",
  });
  expect(flattened(undefined).size).toBe(0);
});

test("settings that differ are separated from identical ones", () => {
  const { differing, same } = compared([
    { run: { learningRate: 1e-3, batch: 4, seed: 1 } },
    { run: { learningRate: 2e-3, batch: 4 } },
    { run: { learningRate: 1e-3, batch: 4, seed: 1 } },
  ]);
  expect(same).toEqual([{ name: "run.batch", values: ["4", "4", "4"] }]);
  expect(differing).toEqual([
    { name: "run.learningRate", values: ["0.001", "0.002", "0.001"] },
    { name: "run.seed", values: ["1", undefined, "1"] },
  ]);
  expect(compared([]).same).toEqual([]);
});

test("the tokens per update follow from the settings", () => {
  expect(tokensPerUpdate({ run: { batch: 4, block: 64, accumulate: 2 } })).toBe(512);
  expect(tokensPerUpdate({ run: { batch: 4, block: 64 } })).toBe(256);
  expect(tokensPerUpdate({ run: { batch: 4 } })).toBeUndefined();
  expect(tokensPerUpdate(undefined)).toBeUndefined();
});
