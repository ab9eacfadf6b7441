import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { largest, maxDifference, randomModel, readSet } from "../../test/fixtures.ts";
import type { GPT2 } from "../api/gpt2.ts";
import type { Backend } from "../backend/backend.ts";
import { createBackend } from "../backend/registry.ts";
import { makeConfig } from "./config.ts";
import { backward, forward, gradientNorm, loss, update } from "./gpt2.ts";
import { tensorNames } from "./parameters.ts";
import { TensorSet } from "./tensor-set.ts";
import { allocLossWorkspace, allocTrainWorkspace, type LossWorkspace } from "./workspace.ts";

const config = makeConfig({ maxT: 10, V: 50, L: 2, NH: 2, C: 12 });
const T = 9;

const tokensOf = (B: number, seed: number) => Int32Array.from({ length: B * T }, (_, i) => (i * seed + 5) % 50);

describe.each(["reference", "wasm"] as const)("on %s", (name) => {
  let backend: Backend;
  let model: GPT2;
  beforeAll(async () => {
    backend = await createBackend(name, { threads: 2 });
    model = await randomModel(backend, config);
  });
  afterAll(() => backend.dispose());

  const put = async (ws: LossWorkspace, start: number) => {
    const [x, y] = [tokensOf(4, 7), tokensOf(4, 11)];
    await backend.write(ws.tokens, x.subarray(start * T, (start + ws.B) * T));
    await backend.write(ws.head.targets, y.subarray(start * T, (start + ws.B) * T));
  };

  test("gradients accumulated over small batches are those of one big batch", async () => {
    const p = model.parameters;
    const big = allocTrainWorkspace(backend, config, 4, T);
    const whole = new TensorSet(backend, config);
    await put(big, 0);
    forward(backend, p, big);
    backward(backend, p, whole, big);

    const small = allocTrainWorkspace(backend, config, 1, T);
    const parts = new TensorSet(backend, config);
    // Stale contents must not matter.
    for (const { tensor } of parts.entries) backend.fill(tensor, 100);
    const losses: number[] = [];
    for (let b = 0; b < 4; b++) {
      await put(small, b);
      forward(backend, p, small);
      backward(backend, p, parts, small, { accumulate: b > 0, weight: 1 / 4 });
      losses.push((await backend.read(small.stats))[0]);
    }
    const [expected, actual] = [await readSet(backend, whole), await readSet(backend, parts)];
    for (const tensor of tensorNames)
      expect(maxDifference(actual[tensor], expected[tensor]), tensor).toBeLessThanOrEqual(
        1e-5 * largest(expected[tensor]) + 1e-9,
      );
    const mean = losses.reduce((a, b) => a + b) / 4;
    expect(Math.abs(mean - (await backend.read(big.stats))[0])).toBeLessThan(1e-5);
  });

  test("what is computed again instead of kept changes no bit, and takes less memory", async () => {
    const gradients = [];
    for (const recompute of [false, true]) {
      const ws = allocTrainWorkspace(backend, config, 4, T, { recompute });
      const grads = new TensorSet(backend, config);
      await put(ws, 0);
      forward(backend, model.parameters, ws);
      backward(backend, model.parameters, grads, ws);
      gradients.push(await readSet(backend, grads));
      expect(new Set(ws.layers.flatMap(({ ln1, ln2, fchgelu }) => [ln1.out, ln2.out, fchgelu])).size).toBe(
        recompute ? 3 : 6,
      );
    }
    expect(gradients[1]).toEqual(gradients[0]);
  });

  test("the loss is that of `backward`, without one", async () => {
    const p = model.parameters;
    const [evaluation, training] = [
      allocLossWorkspace(backend, config, 4, T),
      allocTrainWorkspace(backend, config, 4, T),
    ];
    const grads = new TensorSet(backend, config);
    for (const ws of [evaluation, training]) {
      await put(ws, 0);
      forward(backend, p, ws);
    }
    loss(backend, p, evaluation);
    backward(backend, p, grads, training);
    expect(await backend.read(evaluation.head.losses)).toEqual(await backend.read(training.head.losses));
    expect((await backend.read(evaluation.stats))[0]).toBe((await backend.read(training.stats))[0]);
  });

  test("weight decay leaves biases and layernorms alone, unless asked", async () => {
    const allocate = () => new TensorSet(backend, config);
    const training = { grads: allocate(), m: allocate(), v: allocate() };
    const options = { learningRate: 0.5, beta1: 0.9, beta2: 0.99, eps: 1e-8, weightDecay: 0.5, gradScale: 1, step: 1 };
    const before = await readSet(backend, model.parameters.weights);
    const restore = async () => {
      for (const tensor of tensorNames) await model.parameters.weights.write(backend, tensor, 0, before[tensor]);
    };
    for (const decayAll of [false, true]) {
      update(backend, model.parameters, training, { ...options, decayAll });
      const after = await readSet(backend, model.parameters.weights);
      for (const tensor of tensorNames) {
        const factor = decayAll || (/^w[tp]e$|w$/.test(tensor) && !tensor.startsWith("ln")) ? 0.75 : 1;
        const expected = before[tensor].map((value) => value * factor);
        expect(maxDifference(after[tensor], expected), tensor).toBeLessThan(1e-6);
      }
      await restore();
    }
  });
});

test("gradients at attention scores of 1e9 and more are the reference's", async () => {
  const large = makeConfig({ maxT: 16, V: 100, L: 2, NH: 2, C: 64 });
  const norms: Record<string, number> = {};
  for (const name of ["reference", "wasm"] as const) {
    const be = await createBackend(name, { threads: 1 });
    const { parameters } = await randomModel(be, large);
    for (const { qkv } of parameters.weights.layers)
      await be.write(
        qkv.weight,
        (await be.read(qkv.weight)).map((w) => 1e5 * w),
      );
    const ws = allocTrainWorkspace(be, large, 2, 16);
    const grads = new TensorSet(be, large);
    await be.write(
      ws.tokens,
      Int32Array.from({ length: 32 }, (_, i) => (i * 7) % 100),
    );
    await be.write(
      ws.head.targets,
      Int32Array.from({ length: 32 }, (_, i) => (i * 11) % 100),
    );
    forward(be, parameters, ws);
    backward(be, parameters, grads, ws);
    gradientNorm(be, grads, ws);
    norms[name] = Math.sqrt((await be.read(ws.stats))[1]);
    await be.dispose();
  }
  expect(Math.abs(norms.wasm / norms.reference - 1)).toBeLessThan(1e-3);
});
