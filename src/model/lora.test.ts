/** An adapter's gradients against PyTorch and PEFT (test/fixtures/adapter.py), and what is computed and kept of the rest. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cpuBackends } from "../../test/backends.ts";
import { fixturePath, largest, maxDifference } from "../../test/fixtures.ts";
import { GPT2 } from "../api/gpt2.ts";
import type { Backend } from "../backend/backend.ts";
import { createBackend } from "../backend/registry.ts";
import { recordOperations } from "../backend/work.ts";
import { withSource } from "../format/source.ts";
import { readTrainedAdapter } from "../format/trained-adapter.ts";
import { backward, forward } from "./gpt2.ts";
import {
  allocAdapterTraining,
  allocAdapterWorkspace,
  initializeAdapter,
  type LoraConfig,
  loraTargets,
} from "./lora.ts";
import { TensorScope } from "./tensor-scope.ts";
import { allocTrainWorkspace } from "./workspace.ts";

interface Trained {
  readonly ids: readonly number[];
  readonly B: number;
  readonly T: number;
  readonly losses: readonly number[];
}
const { ids, B, T, losses }: Trained = JSON.parse(readFileSync(fixturePath("adapter_train.json"), "utf8"));
const lora: LoraConfig = { rank: 4, alpha: 6, targets: loraTargets };
const tiny = fixturePath("gpt2_tiny.bin");

type Values = ReadonlyMap<string, Float32Array>;

/** The tensors of a file of adapter_train, by name and first element. */
async function readValues(name: string, model: GPT2): Promise<Values> {
  const values = new Map<string, Float32Array>();
  await withSource(fixturePath(`adapter_train/${name}.safetensors`), (source) =>
    readTrainedAdapter(source, model.config, lora, async (tensor, start, data) => {
      values.set(`${tensor} ${start}`, data);
    }),
  );
  return values;
}

/** Loss and gradients of the fixture's batch, by name and first element; in halves, added up, with `accumulate`. */
async function gradientsOf(model: GPT2, recompute: boolean, accumulate = false) {
  const { backend, config, parameters } = model;
  const memory = new TensorScope(backend);
  const training = allocAdapterTraining(memory, config, lora);
  await initializeAdapter(backend, training, 1);
  for (const [key, data] of await readValues("adapter_model", model)) {
    const { parameter, start } = placeOf(training.set.parameters, key);
    await training.set.write(backend, parameter.name, start, data);
  }
  const parts = accumulate ? B : 1;
  const rows = B / parts;
  const adapters = { ...training, ws: allocAdapterWorkspace(memory, config, lora, rows * T) };
  const ws = allocTrainWorkspace(memory, config, rows, T, { recompute });
  let loss = 0;
  for (let part = 0; part < parts; part++) {
    const first = part * rows * T;
    await backend.write(ws.tokens, Int32Array.from(ids.slice(first, first + rows * T)));
    await backend.write(ws.head.targets, Int32Array.from(ids.slice(first + 1, first + rows * T + 1)));
    const p = { ...parameters, adapters };
    forward(backend, p, ws);
    backward(backend, p, training.grads, ws, { accumulate: part > 0, weight: 1 / parts });
    loss += (await backend.read(ws.stats))[0] / parts;
  }
  const gradients = new Map<string, Float32Array>();
  for (const key of (await readValues("gradients", model)).keys()) {
    const { parameter, start } = placeOf(training.grads.parameters, key);
    gradients.set(key, await training.grads.read(backend, parameter.name, start, parameter.size / parameter.count));
  }
  await memory.free();
  return { loss, gradients };
}

function placeOf<P extends { readonly name: string }>(parameters: readonly P[], key: string) {
  const [name, start] = key.split(" ");
  const parameter = parameters.find((one) => one.name === name);
  if (!parameter) throw new Error(`no ${name}`);
  return { parameter, start: Number(start) };
}

describe.each(cpuBackends)("%s", (name) => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await createBackend(name, { threads: 2 });
  });
  afterAll(() => backend.dispose());

  test.each([
    { recompute: false, accumulate: false },
    { recompute: true, accumulate: false },
    { recompute: false, accumulate: true },
  ])("gradients are PyTorch's: $recompute, $accumulate", async ({ recompute, accumulate }) => {
    await using model = await GPT2.load(tiny, { backend });
    const expected = await readValues("gradients", model);
    const { loss, gradients } = await gradientsOf(model, recompute, accumulate);
    expect(Math.abs(loss - losses[0])).toBeLessThan(1e-5);
    expect(gradients.size).toBe(2 * 4 * model.config.L);
    // Sums of up to 128 products through two layers in float32, relative to the largest of each tensor.
    for (const [key, values] of expected) {
      const found = gradients.get(key) ?? new Float32Array();
      expect(found).toHaveLength(values.length);
      expect(maxDifference(found, values) / largest(values)).toBeLessThan(1e-5);
    }
  });

  test("no gradient of a frozen weight is computed", async () => {
    await using model = await GPT2.load(tiny, { backend });
    const written: number[] = [];
    const recorded = recordOperations(backend, ({ operation, args }) => {
      if (operation === "embeddingBackward") throw new Error("the embeddings are frozen");
      if (operation === "headBackward") expect(args[2]).toBeNull();
      if (operation === "matmulBackwardWeight") written.push((args[0] as { weight: { size: number } }).weight.size);
    });
    const { config, parameters } = model;
    const memory = new TensorScope(backend);
    const training = allocAdapterTraining(memory, config, lora);
    const p = {
      config,
      weights: parameters.weights,
      adapters: { ...training, ws: allocAdapterWorkspace(memory, config, lora, B * T) },
    };
    const ws = allocTrainWorkspace(memory, config, B, T);
    forward(recorded, p, ws);
    backward(recorded, p, training.grads, ws);
    await backend.sync();
    expect(written).toHaveLength(2 * 4 * config.L);
    const { C, hidden } = config;
    expect(Math.max(...written)).toBe(lora.rank * Math.max(hidden, 3 * C));
    await memory.free();
  });
});

test.each(["bf16", "int8"] as const)("frozen weights in %s: the same gradients from both backends", async (weights) => {
  const all: { loss: number; gradients: Values }[] = [];
  for (const name of cpuBackends) {
    await using backend = await disposable(name);
    await using model = await GPT2.load(tiny, { backend, weights });
    all.push(await gradientsOf(model, false));
  }
  const [one, other] = all;
  // Inputs that are rounded to 16 bits a block, where wasm computes few rows with int8.
  const tolerance = weights === "int8" ? 1e-3 : 1e-5;
  expect(Math.abs(one.loss - other.loss)).toBeLessThan(tolerance);
  for (const [key, values] of one.gradients)
    expect(maxDifference(other.gradients.get(key) ?? new Float32Array(), values) / largest(values)).toBeLessThan(
      tolerance,
    );
});

async function disposable(name: (typeof cpuBackends)[number]): Promise<Backend & AsyncDisposable> {
  const backend = await createBackend(name, { threads: 2 });
  return Object.assign(backend, { [Symbol.asyncDispose]: () => backend.dispose() });
}

test("a new adapter adds nothing, and its A is uniform within 1 / sqrt(in), as PEFT begins it", async () => {
  await using backend = await disposable("reference");
  await using model = await GPT2.load(tiny, { backend });
  const memory = new TensorScope(backend);
  const training = allocAdapterTraining(memory, model.config, lora);
  await initializeAdapter(backend, training, 42);
  for (const { A, B } of Object.values(training.set.pairs[1])) {
    const values = await backend.read(A);
    const bound = 1 / Math.sqrt(A.shape[1]);
    expect(largest(values)).toBeLessThanOrEqual(bound);
    expect(largest(values)).toBeGreaterThan(0.9 * bound);
    // A uniform number's square is a third of the bound's on average.
    const square = values.reduce((sum, value) => sum + value * value, 0) / values.length;
    expect(square / bound ** 2).toBeGreaterThan(0.25);
    expect(square / bound ** 2).toBeLessThan(0.42);
    expect(largest(await backend.read(B))).toBe(0);
  }
  expect(await backend.read(training.scaling)).toEqual(
    Float32Array.from({ length: 16 }, (_, i) => (i % 5 === 0 ? 1.5 : 0)),
  );
});
