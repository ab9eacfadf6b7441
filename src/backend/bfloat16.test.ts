import { afterAll, beforeAll, expect, test } from "vitest";
import { collect, randomModel } from "../../test/fixtures.ts";
import { GPT2 } from "../api/gpt2.ts";
import { BackendError, UsageError } from "../errors.ts";
import { makeConfig } from "../model/config.ts";
import { parametersOf } from "../model/parameters.ts";
import { Trainer } from "../train/trainer.ts";
import type { Backend, Tensor } from "./backend.ts";
import { fromBfloat16, toBfloat16 } from "./bfloat16.ts";
import { createBackend } from "./registry.ts";

let wasm: Backend;
let reference: Backend;
beforeAll(async () => {
  wasm = await createBackend("wasm", { threads: 2 });
  reference = await createBackend("reference");
});
afterAll(async () => {
  await wasm.dispose();
  await reference.dispose();
});

const rounded = (values: Float32Array) => fromBfloat16(toBfloat16(values));
const numbers = (size: number, seed: number) => Float32Array.from({ length: size }, (_, i) => Math.sin(seed + 7.3 * i));

async function tensorOf(
  be: Backend,
  data: Float32Array,
  shape: readonly number[],
  dtype: "f32" | "bf16" = "f32",
): Promise<Tensor> {
  const tensor = be.alloc(shape, dtype);
  await be.write(tensor, data);
  return tensor;
}

test("what is written is rounded, what is read is widened, at any offset", async () => {
  for (const be of [wasm, reference]) {
    const tensor = await tensorOf(be, numbers(11, 1), [11], "bf16");
    expect(await be.read(tensor)).toEqual(rounded(numbers(11, 1)));
    const part = { ...tensor, offset: 3, shape: [5], size: 5 };
    expect(await be.read(part)).toEqual(rounded(numbers(11, 1)).subarray(3, 8));
  }
});

// Few rows (dot products on bfloat16), many (widened first), and channels that fill no vector.
test.each([
  [1, 64, 40],
  [1, 7, 3],
  [3, 13, 21],
  [8, 48, 1],
  [9, 13, 21],
  [40, 30, 50],
])("products have the bits of the rounded weights' in float32: N=%i C=%i OC=%i", async (N, C, OC) => {
  const weights = numbers(OC * C, 2);
  const product = async (be: Backend, weight: Tensor) => {
    const out = be.alloc([N, OC]);
    const [inp, bias] = [await tensorOf(be, numbers(N * C, 3), [N, C]), await tensorOf(be, numbers(OC, 4), [OC])];
    be.matmulForward(out, inp, { weight, bias });
    return be.read(out);
  };
  const half = await product(wasm, await tensorOf(wasm, weights, [OC, C], "bf16"));
  expect(half).toEqual(await product(wasm, await tensorOf(wasm, rounded(weights), [OC, C])));
  const expected = await product(reference, await tensorOf(reference, rounded(weights), [OC, C]));
  // C products of numbers up to 1, each rounded to 2^-24 of a sum that is at most C + 1.
  for (const [i, value] of half.entries()) expect(Math.abs(value - expected[i])).toBeLessThan((C + 1) * 2 ** -21);
});

test("a model in bfloat16 writes what its rounded weights write, and is for that only", async () => {
  const config = makeConfig({ maxT: 32, V: 37, L: 2, NH: 2, C: 20 });
  const full = await randomModel(reference, config);
  const half = await GPT2.create(config, { backend: wasm, weights: "bf16" });
  for (const { name, size } of parametersOf(config)) {
    const { weights } = full.parameters;
    const values = await weights.read(reference, name, 0, size);
    await half.parameters.weights.write(wasm, name, 0, values);
    if (half.parameters.weights.tensors(name)[0].dtype === "bf16")
      await weights.write(reference, name, 0, rounded(values));
  }
  for (const length of [1, 5, 20]) {
    const prompt = Array.from({ length }, (_, i) => (5 * i) % 37);
    const written = await collect(half.generateTokens(prompt, { maxTokens: 40 }));
    expect(written).toEqual(await collect(full.generateTokens(prompt, { maxTokens: 40 })));
  }
  expect(() => new Trainer(half)).toThrow(UsageError);
  const { wte } = half.parameters.weights;
  expect(() => wasm.residualForward(wte, wte, wte)).toThrow(BackendError);
  await half.dispose();
});
