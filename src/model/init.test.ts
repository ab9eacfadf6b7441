import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { fixturePath, readSet } from "../../test/fixtures.ts";
import { ReferenceBackend } from "../backend/reference/reference.ts";
import { Mt19937 } from "../random/mt19937.ts";
import { normals } from "../random/normal.ts";
import { makeConfig } from "./config.ts";
import { initialize } from "./init.ts";
import { TensorSet } from "./tensor-set.ts";

const torch = JSON.parse(readFileSync(fixturePath("gpt2_d12_torch.json"), "utf8"));

test("d12 begins with PyTorch's numbers: the first of seed 42 are wte's", () => {
  const [block] = normals(new Mt19937(42), 16, 0.02);
  expect([...block.subarray(0, 6)]).toEqual(torch.tensors.wte.first);
});

describe("a small model", async () => {
  const config = makeConfig({ maxT: 9, V: 37, L: 3, NH: 2, C: 10 });
  const backend = new ReferenceBackend();
  const parameters = { config, weights: new TensorSet(backend, config) };
  const progress: number[] = [];
  await initialize(backend, parameters, 7, (share) => progress.push(share));
  const weights = await readSet(backend, parameters.weights);

  test("draws its numbers in PyTorch's order, each tensor as a whole", () => {
    const rng = new Mt19937(7);
    const next = (count: number, std: number) => [...normals(rng, count, std)].flatMap((chunk) => [...chunk]);
    const residual = 0.02 / Math.sqrt(6);
    expect([...weights.wte.subarray(0, 370)]).toEqual(next(370, 0.02));
    expect([...weights.wpe]).toEqual(next(90, 0.02));
    for (let l = 0; l < 3; l++) {
      expect([...weights.qkvw.subarray(l * 300, (l + 1) * 300)]).toEqual(next(300, 0.02));
      expect([...weights.attprojw.subarray(l * 100, (l + 1) * 100)]).toEqual(next(100, residual));
      expect([...weights.fcw.subarray(l * 400, (l + 1) * 400)]).toEqual(next(400, 0.02));
      expect([...weights.fcprojw.subarray(l * 400, (l + 1) * 400)]).toEqual(next(400, residual));
    }
  });

  test("layernorms start as the identity, biases and padding at 0", () => {
    for (const name of ["ln1w", "ln2w", "lnfw"] as const)
      expect(weights[name].every((value) => value === 1)).toBe(true);
    for (const name of ["ln1b", "qkvb", "attprojb", "ln2b", "fcb", "fcprojb", "lnfb"] as const)
      expect(weights[name].every((value) => value === 0)).toBe(true);
    expect(weights.wte.subarray(370).every((value) => value === 0)).toBe(true);
  });

  test("progress ends at 1", () => {
    expect(progress.at(-1)).toBe(1);
    expect([...progress].sort((a, b) => a - b)).toEqual(progress);
  });
});
