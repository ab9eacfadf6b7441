import { expect, test } from "vitest";
import { makeConfig } from "../model/config.ts";
import { callsOfStep } from "../model/step-calls.ts";
import type { DType, Tensor } from "./backend.ts";
import { type Call, costOf } from "./work.ts";

const tensor = (dtype: DType, ...shape: number[]): Tensor => ({
  ...{ buffer: { bytes: 0 }, dtype, offset: 0, shape },
  size: shape.reduce((product, length) => product * length, 1),
});
const bytesOf = (operation: Call["operation"], ...args: unknown[]) => costOf({ operation, args }).bytes;

test("a matmul reads its weights in the type that they are stored in, and int8 with its scales", () => {
  const [N, C, OC] = [3, 64, 96];
  const weightBytes = { f32: 4 * OC * C, bf16: 2 * OC * C, int8: (OC * C * 34) / 32 };
  for (const dtype of ["f32", "bf16", "int8"] as const) {
    const [x, y] = [tensor("f32", N, C), tensor("f32", N, OC)];
    const linear = { weight: tensor(dtype, OC, C), bias: null };
    expect(bytesOf("matmulForward", y, x, linear)).toBe(4 * (N * C + N * OC) + weightBytes[dtype]);
    expect(bytesOf("matmulBackwardInput", x, y, linear)).toBe(4 * (N * C + N * OC) + weightBytes[dtype]);
    expect(costOf({ operation: "matmulForward", args: [y, x, linear] }).flops).toBe(2 * N * C * OC);
  }
});

test("attention reads the cache up to its position, and writes what is new there", () => {
  const [B, T, C, S] = [2, 3, 8, 40];
  const [out, qkv] = [tensor("f32", B, T, C), tensor("f32", B, T, 3 * C)];
  const cache = { keys: tensor("f32", B, S, C), values: tensor("f32", B, S, C) };
  const cost = (past: number) => costOf({ operation: "attentionForward", args: [out, null, qkv, 2, cache, past] });
  expect(cost(0).bytes).toBe(4 * (B * T * 4 * C + 2 * B * T * C));
  expect(cost(10).bytes - cost(0).bytes).toBe(4 * 2 * B * 10 * C);
  // Two matmuls of C channels with 11, 12 and 13 positions.
  expect(cost(10).flops).toBe(2 * 2 * B * C * (11 + 12 + 13));
});

test("with mixed precision a step moves half the bytes of what is stored in 16 bits", () => {
  const config = makeConfig({ maxT: 16, V: 64, L: 1, NH: 2, C: 16 });
  const [single, mixed] = (["fp32", "bf16"] as const).map((precision) =>
    callsOfStep(config, 2, 16, precision).map((call) => ({ ...costOf(call), operation: call.operation })),
  );
  expect(mixed.map(({ label, flops }) => [label, flops])).toEqual(single.map(({ label, flops }) => [label, flops]));
  const share = (operation: Call["operation"]) => {
    const of = (all: typeof single) =>
      all.filter((one) => one.operation === operation).reduce((sum, { bytes }) => sum + bytes, 0);
    return of(mixed) / of(single);
  };
  for (const operation of ["matmulForward", "attentionForward", "attentionBackward", "geluForward"] as const)
    expect(share(operation)).toBe(1 / 2);
  expect(share("sumSquares")).toBe(1); // gradients of weights
  expect(share("adamw")).toBeGreaterThan(1); // the copy
  expect(share("adamw")).toBeLessThanOrEqual(30 / 28);
});
