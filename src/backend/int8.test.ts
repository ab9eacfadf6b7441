// int8 weights: what is stored, what is computed with them, and what they are refused for.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { collect, randomModel } from "../../test/fixtures.ts";
import { GPT2 } from "../api/gpt2.ts";
import { BackendError, InputError, UsageError } from "../errors.ts";
import { fromQ8, toQ8 } from "../format/numbers.ts";
import { makeConfig } from "../model/config.ts";
import { memoryNeeded } from "../model/memory.ts";
import { parametersOf, weightBytes } from "../model/parameters.ts";
import { Trainer } from "../train/trainer.ts";
import { type Backend, type Tensor, view, type WeightType } from "./backend.ts";
import { throughInt8 } from "./int8.ts";
import { ReferenceBackend } from "./reference/reference.ts";
import { createBackend } from "./registry.ts";

let wasm: Backend;
let reference: Backend;
let folder: string;
beforeAll(async () => {
  wasm = await createBackend("wasm", { threads: 2 });
  reference = new ReferenceBackend();
  folder = mkdtempSync(join(tmpdir(), "llm-ts-int8-"));
});
afterAll(async () => {
  await wasm.dispose();
  rmSync(folder, { recursive: true, force: true });
});

const rounded = (values: Float32Array) => throughInt8(values, "t");
const numbers = (size: number, seed: number) => Float32Array.from({ length: size }, (_, i) => Math.sin(seed + 7.3 * i));
const config = makeConfig({ maxT: 32, V: 37, L: 2, NH: 2, C: 32 });

async function tensorOf(be: Backend, data: Float32Array, shape: readonly number[], dtype: WeightType = "f32") {
  const tensor = be.alloc(shape, dtype);
  await be.write(tensor, data);
  return tensor;
}

/** Blocks of very different sizes, one of zeros, one below half floats' normal numbers. */
const blocks = () =>
  Float32Array.from({ length: 6 * 32 }, (_, i) => Math.sin(3 * i) * [1, 0, 1e-6, 8e6, 0.02, 3e-9][i >> 5]);

test("what is written is rounded block by block, what is read is widened, from any block on", async () => {
  for (const be of [wasm, reference]) {
    const tensor = await tensorOf(be, blocks(), [192], "int8");
    expect(await be.read(tensor)).toEqual(rounded(blocks()));
    expect(await be.read(view(tensor, 64, [96]))).toEqual(rounded(blocks()).subarray(64, 160));
    await be.write(view(tensor, 32, [32]), numbers(32, 5));
    const expected = rounded(blocks());
    expected.set(rounded(numbers(32, 5)), 32);
    expect(await be.read(tensor)).toEqual(expected);
  }
});

test("numbers are off by half a step of their block at most, and blocks that were read keep their bytes", () => {
  const values = numbers(3200, 1);
  const back = rounded(values);
  for (let b = 0; b < values.length; b += 32) {
    const step = Math.max(...values.subarray(b, b + 32).map(Math.abs)) / 127;
    // A scale in float16 is off by 2^-11, of which the largest number gets 127 times as much.
    for (let i = b; i < b + 32; i++) expect(Math.abs(back[i] - values[i])).toBeLessThan(step * (0.5 + 127 / 2 ** 11));
  }
  const bytes = toQ8(blocks(), "t");
  expect(toQ8(fromQ8(bytes), "t")).toEqual(bytes);
});

test("parts of blocks, and numbers that a block cannot hold, are refused", async () => {
  const tensor = wasm.alloc([64], "int8");
  await expect(wasm.write(view(tensor, 3, [32]), new Float32Array(32))).rejects.toThrow(/blocks of 32 .* element 3 on/);
  await expect(wasm.read(view(tensor, 0, [33]))).rejects.toThrow(UsageError);
  for (const be of [wasm, reference])
    for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY, 1e9]) {
      const written = be.write(be.alloc([32], "int8"), new Float32Array(32).fill(wrong, 7, 8));
      await expect(written).rejects.toThrow(InputError);
      await expect(written).rejects.toThrow(new RegExp(`A matrix holds ${wrong}, and int8`));
    }
});

test("an operand that begins within a group is refused", async () => {
  for (const be of [wasm, reference]) {
    const weight = view(be.alloc([512], "int8"), 64, [2, 32]);
    expect(() => be.matmulForward(be.alloc([1, 2]), be.alloc([1, 32]), { weight, bias: null })).toThrow(
      /int8.* begins at .*element 64/,
    );
  }
});

async function product(be: Backend, inp: Float32Array, weight: Tensor, C: number): Promise<Float32Array> {
  const [OC] = weight.shape;
  const out = be.alloc([inp.length / C, OC]);
  const rows = await tensorOf(be, inp, [inp.length / C, C]);
  be.matmulForward(out, rows, { weight, bias: await tensorOf(be, numbers(OC, 4), [OC]) });
  return be.read(out);
}

test("many rows have the bits of the rounded weights' in float32", async () => {
  const [N, C, OC] = [40, 96, 50];
  const weights = numbers(OC * C, 2);
  const narrow = await product(wasm, numbers(N * C, 3), await tensorOf(wasm, weights, [OC, C], "int8"), C);
  expect(narrow).toEqual(await product(wasm, numbers(N * C, 3), await tensorOf(wasm, rounded(weights), [OC, C]), C));
});

test("few rows are exact to 16 bits of each block of inputs, however different the blocks are", async () => {
  const [N, C, OC] = [3, 128, 21];
  const weights = numbers(OC * C, 2);
  const inp = numbers(N * C, 3).map((x, i) => x * [1e-4, 1, 300, 1e-20][(i >> 5) % 4]);
  const found = await product(wasm, inp, await tensorOf(wasm, weights, [OC, C], "int8"), C);
  const expected = await product(reference, inp, await tensorOf(reference, rounded(weights), [OC, C]), C);
  // 32 inputs of up to 300 off by 2^-16 of it, each times a weight of up to 1.
  for (const [i, value] of found.entries()) expect(Math.abs(value - expected[i])).toBeLessThan(32 * 300 * 2 ** -16);
  // A row's bits do not depend on the others'.
  const alone = await product(wasm, inp.subarray(C, 2 * C), await tensorOf(wasm, weights, [OC, C], "int8"), C);
  expect(found.subarray(OC, 2 * OC)).toEqual(alone);
});

test.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])("%d stays in its row", async (wrong) => {
  const [C, OC] = [64, 5];
  const inp = numbers(2 * C, 3);
  inp[70] = wrong;
  const found = await product(wasm, inp, await tensorOf(wasm, numbers(OC * C, 2), [OC, C], "int8"), C);
  expect([...found.subarray(0, OC)].every(Number.isFinite)).toBe(true);
  expect([...found.subarray(OC)].some(Number.isFinite)).toBe(false);
});

test("a model in int8 writes what its rounded weights write, and is for that only", async () => {
  const full = await randomModel(reference, config);
  const narrow = await GPT2.create(config, { backend: wasm, weights: "int8" });
  for (const { name, size, bf16 } of parametersOf(config)) {
    const { weights } = full.parameters;
    const values = await weights.read(reference, name, 0, size);
    await narrow.parameters.weights.write(wasm, name, 0, values);
    if (bf16) await weights.write(reference, name, 0, rounded(values));
  }
  for (const length of [1, 5, 20]) {
    const prompt = Array.from({ length }, (_, i) => (5 * i) % 37);
    const written = await collect(narrow.generateTokens(prompt, { maxTokens: 40, temperature: 0 }));
    expect(written).toEqual(await collect(full.generateTokens(prompt, { maxTokens: 40, temperature: 0 })));
  }
  expect(() => new Trainer(narrow)).toThrow("weights are int8, for generating");
  const { wte } = narrow.parameters.weights;
  expect(() => wasm.residualForward(wte, wte, wte)).toThrow(BackendError);
  await narrow.dispose();
});

test("takes the memory that its plan and its description say", async () => {
  const before = wasm.memoryUsed;
  const model = await GPT2.create(config, { backend: wasm, weights: "int8" });
  const planned = memoryNeeded(wasm, config, { weights: "int8" });
  // Each buffer takes whole cache lines.
  expect(Math.abs(wasm.memoryUsed - before - planned)).toBeLessThan(64 * parametersOf(config).length);
  expect(planned).toBe(weightBytes(config).int8);
  await model.dispose();
});

test("a GGUF in q8_0 keeps its blocks: read as int8 and written again it has the same bytes", async () => {
  const [first, second] = [join(folder, "first.gguf"), join(folder, "second.gguf")];
  const full = await randomModel(reference, config);
  await full.save(first, { dtype: "q8_0" });
  const narrow = await GPT2.load(first, { backend: wasm, weights: "int8" });
  await narrow.save(second, { dtype: "q8_0" });
  expect(readFileSync(second).equals(readFileSync(first))).toBe(true);
  await narrow.dispose();
});

test("backends without it, and models with rows that are not whole blocks, are refused", async () => {
  const lacking = Object.assign(new ReferenceBackend(), { name: "own", weightTypes: ["f32", "bf16"] as const });
  const refused = GPT2.create(config, { backend: lacking, weights: "int8" });
  await expect(refused).rejects.toThrow(
    "The own backend has weights in f32 or bf16, not in int8. Choose one of these, or a backend that has it: wasm, reference.",
  );
  const uneven = makeConfig({ maxT: 8, V: 5, L: 1, NH: 2, C: 20 });
  await expect(GPT2.create(uneven, { backend: reference, weights: "int8" })).rejects.toThrow(
    "int8 has a scale for every 32 numbers of a row, and wte.weight has rows of 20. Choose bf16 or f32.",
  );
});
