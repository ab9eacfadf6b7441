// Tiles of the matrix products: the same bits of all of them, and the trial that chooses.
import { expect, test, vi } from "vitest";
import { platform } from "#platform";
import { describeGpu, openGpu } from "../../../test/gpu.ts";
import { type OnStart, partInWords } from "../entry.ts";
import * as cases from "../suite/cases.ts";
import { runCases } from "../suite/run.ts";
import { chooseTiles } from "./create.ts";
import { cutOf, LONGEST } from "./matmul.ts";
import { type TileName, tileNames } from "./tile-names.ts";
import { FirstStart, type Shapes, timeTiles } from "./tile-trial.ts";
import { choiceAsText, choiceFrom, sizeOfResult, usualTiles } from "./tiles.ts";

test("a choice is kept as text, and anything else is none", () => {
  expect(choiceFrom(choiceAsText(usualTiles), tileNames)).toEqual(usualTiles);
  const other = { ...usualTiles, weight: { small: "64x64-4x4", medium: "128x64", large: "128x128" } } as const;
  expect(choiceFrom(choiceAsText(other), tileNames)).toEqual(other);
  for (const text of [
    "",
    "32x32",
    choiceAsText(usualTiles).replace("64x64", "7x7"),
    `${choiceAsText(usualTiles)} 64x64`,
  ])
    expect(choiceFrom(text, tileNames)).toBeUndefined();
  expect([sizeOfResult(64, 64 * 63), sizeOfResult(512, 512), sizeOfResult(8192, 768)]).toEqual([
    "small",
    "medium",
    "large",
  ]);
});

test("products of more work than a dispatch may have are cut by rows, and only those", () => {
  const operand = (rows: number, columns: number) => {
    const shape = [rows, columns];
    return { buffer: { bytes: 4 * rows * columns }, dtype: "f32" as const, offset: 0, shape, size: rows * columns };
  };
  const cut = (M: number, N: number, K: number, most = 2 ** 40) =>
    cutOf(
      {
        ...{ M, N, K, A: operand(M, K), B: operand(N, K), C: operand(M, N), bias: null },
        ...{ kInnerA: true, kInnerB: true, strideA: K, strideB: K, strideC: N, accumulate: false, scale: 1 },
      },
      most,
    );
  expect(cut(8192, 3072, 768)).toBeUndefined(); // 39 GFLOP
  expect(cut(8192, 6400, 1600)).toBe("M"); // 168
  expect(cut(64, 2 ** 20, 4096)).toBeUndefined(); // as few rows as there can be
  expect(cut(64, 2 ** 20, 4096, 2 ** 30)).toBe("N"); // a weight larger than a binding
  expect(2 * 4096 * 3200 * 1600).toBeLessThan(LONGEST);
});

describeGpu("webgpu", { timeout: 180_000 }, () => {
  const shapes: Shapes = { small: [36, 40, 64], medium: [64, 40, 32], large: [40, 64, 32] };
  const two: readonly TileName[] = ["32x32", "64x64"];

  test("all tiles add in the same order: the same bits, in parts of a long sum as well", async () => {
    const products = [
      cases.matmulForward(40, 48, 36),
      cases.matmulBackwardInput(40, 36, 600),
      cases.matmulBackwardWeight(600, 36, 40, true, false),
    ];
    const results = [];
    for (const tile of ["32x32", "64x64-4x4", "128x64"] as const)
      results.push((await runCases(await openGpu(tile), products)).map(({ values }) => values));
    for (const other of results.slice(1)) expect(other).toEqual(results[0]);
  });

  test("the trial says how far it is, gives its memory back, and finds a tile of those there are", async () => {
    const backend = await openGpu();
    const said: [share: number, part?: string][] = [];
    const progress = new FirstStart((_what, share, part) => said.push([share, part && partInWords(part)]));
    const choice = await timeTiles(backend, { shapes, tiles: two, progress });
    const chosen = choiceAsText(choice).split(" ");
    expect(chosen).toHaveLength(9);
    for (const tile of chosen) expect(two).toContain(tile);
    expect(said.slice(0, 3)).toEqual([
      [0, "1 of 11: compiling the tiles"],
      [1 / 11, "2 of 11: forward, small"],
      [2 / 11, "3 of 11: forward, medium"],
    ]);
    expect(said).toHaveLength(10);
    expect(backend.memoryUsed).toBeLessThan(100_000); // scratch memory of divided sums is kept
  });

  // The second with 16-bit storage alone.
  test.each([
    ["sums[1][0] +=", "sums[1][0] -="],
    ["vec2<u32>(16u)", "vec2<u32>(15u)"],
  ])("a tile that computes wrong is not chosen: %s", async (right, wrong) => {
    const backend = await openGpu();
    const prototype: GPUDevice = Object.getPrototypeOf(backend.adapter.device);
    const { createShaderModule } = prototype;
    prototype.createShaderModule = function (this: GPUDevice, { code, label, ...descriptor }) {
      const broken = label?.startsWith("matmul 32x32") ? code.replace(right, wrong) : code;
      return createShaderModule.call(this, { ...descriptor, label, code: broken });
    };
    try {
      const choice = await timeTiles(backend, { shapes, tiles: two });
      expect(choiceAsText(choice)).toBe(Array(9).fill("64x64").join(" "));
    } finally {
      prototype.createShaderModule = createShaderModule;
    }
  });

  test("a tile that the driver cannot compile is not chosen, and ends nothing", async () => {
    const backend = await openGpu();
    const prototype: GPUDevice = Object.getPrototypeOf(backend.adapter.device);
    const { createShaderModule, createComputePipelineAsync } = prototype;
    prototype.createShaderModule = function (this: GPUDevice, { code, label, ...descriptor }) {
      const broken = label?.startsWith("matmul 64x64-4x4") ? code.replace("fn main(", "fn main(, ") : code;
      return createShaderModule.call(this, { ...descriptor, label, code: broken });
    };
    prototype.createComputePipelineAsync = function (this: GPUDevice, descriptor) {
      if (descriptor.label?.startsWith("matmul 32x32")) return Promise.reject(new Error("too many registers"));
      return createComputePipelineAsync.call(this, descriptor);
    };
    try {
      const choice = await timeTiles(backend, { shapes, tiles: ["32x32", "64x64-4x4", "64x64"] });
      expect(choiceAsText(choice)).toBe(Array(9).fill("64x64").join(" "));
      const tensor = backend.alloc([4]);
      backend.fill(tensor, 3);
      expect([...(await backend.read(tensor))]).toEqual([3, 3, 3, 3]);
      await expect(timeTiles(backend, { shapes, tiles: ["32x32"] })).rejects.toThrow("matmul forward, by every tile");
    } finally {
      Object.assign(prototype, { createShaderModule, createComputePipelineAsync });
    }
  });

  test("a choice is kept: the second start times nothing, and says nothing", async () => {
    const disk = new Map<string, string>();
    const recall = vi.spyOn(platform, "recall").mockImplementation(async (name) => disk.get(name));
    const remember = vi.spyOn(platform, "remember").mockImplementation(async (name, text) => {
      disk.set(name, text);
    });
    try {
      const onStart = vi.fn<OnStart>();
      const first = await chooseTiles(await openGpu(), { shapes, tiles: two, onStart });
      const parts = onStart.mock.calls.map(([, share, part]) => [share, part?.number]);
      expect(parts).toEqual([...Array.from({ length: 11 }, (_, i) => [i / 11, i + 1]), [1, undefined]]);
      expect(onStart.mock.calls[0][2]?.name).toBe("checking the operations");
      expect(disk.get("webgpu-tiles")).toContain(choiceAsText(first));
      onStart.mockClear();
      expect(await chooseTiles(await openGpu(), { shapes, tiles: two, onStart })).toEqual(first);
      expect(onStart).not.toHaveBeenCalled();
    } finally {
      recall.mockRestore();
      remember.mockRestore();
    }
  });
});
