// Models, trainers and generation return all backend memory that they take: in whatever order they end, and where they
// could not get all of it.
import { expect, test } from "vitest";
import { cpuBackends } from "../../test/backends.ts";
import { CountingBackend } from "../../test/counting-backend.ts";
import { CountingBatches } from "../../test/counting-batches.ts";
import { collect } from "../../test/fixtures.ts";
import type { DType, Tensor } from "../backend/backend.ts";
import { createBackend } from "../backend/registry.ts";
import { MemoryError } from "../errors.ts";
import { Scorer } from "../eval/scorer.ts";
import { inspect } from "../inspect/inspect.ts";
import { makeConfig } from "../model/config.ts";
import { memoryNeeded } from "../model/memory.ts";
import { Trainer } from "../train/trainer.ts";
import { computeDebugState } from "../verify/debug-state.ts";
import { GPT2 } from "./gpt2.ts";

const config = makeConfig({ maxT: 12, V: 256, L: 2, NH: 2, C: 8 });
const batches = (B = 2) => new CountingBatches(B, 8);

/** Its allocation number `failing` from now on fails, counted from 0. */
class FailingBackend extends CountingBackend {
  failing = Number.POSITIVE_INFINITY;

  override alloc(shape: readonly number[], dtype?: DType): Tensor {
    if (this.failing-- === 0) throw new MemoryError("no more");
    return super.alloc(shape, dtype);
  }
}

const tasks: Readonly<Record<string, (model: GPT2) => Promise<unknown>>> = {
  "a model": ({ backend }) => GPT2.create(config, { backend }).then((model) => model.dispose()),
  "a model in bfloat16": ({ backend }) =>
    GPT2.create(config, { backend, weights: "bf16" }).then((model) => model.dispose()),
  generating: (model) => collect(model.generateTokens([1, 2], { maxTokens: 3 })),
  "generating as llm.c": (model) => collect(model.generateTokens([1, 2], { maxTokens: 3, llmc: true })),
  training: async (model) => {
    await using trainer = new Trainer(model);
    const options = { steps: 1, valLoader: batches(3), valBatches: 1, sampleEvery: 1, sampleTokens: 3 };
    await collect(trainer.run(batches(), options));
  },
  moments: async (model) => {
    await using trainer = new Trainer(model);
    trainer.moments();
  },
  inspecting: (model) => inspect(model, [1, 2, 3]),
  scoring: async (model) => new Scorer(model, 12).dispose(),
  "a debug state": ({ backend, parameters }) =>
    computeDebugState(
      backend,
      parameters,
      { B: 1, T: 4, x: Int32Array.of(1, 2, 3, 4), y: Int32Array.of(2, 3, 4, 5) },
      async () => {},
    ),
};

test.each(Object.entries(tasks))("%s: whichever allocation fails, all of it comes back", async (_, task) => {
  const backend = new FailingBackend();
  const model = await GPT2.create(config, { backend });
  const { bytes } = backend;
  let failures = 0;
  for (let failing = 0; ; failing++) {
    backend.failing = failing;
    const error = await task(model).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    await backend.sync();
    expect(backend.bytes).toBe(bytes);
    if (error === undefined) break;
    expect(error).toBeInstanceOf(MemoryError);
    failures++;
  }
  expect(failures).toBeGreaterThan(0);
  expect(backend.failing).toBeGreaterThanOrEqual(0);
});

test("a debug state that cannot be written gives all memory back", async () => {
  const backend = new CountingBackend();
  await using model = await GPT2.create(config, { backend });
  const { bytes } = backend;
  const batch = { B: 1, T: 4, x: Int32Array.of(1, 2, 3, 4), y: Int32Array.of(2, 3, 4, 5) };
  const full = () => Promise.reject(new Error("no space"));
  await expect(computeDebugState(backend, model.parameters, batch, full)).rejects.toThrow("no space");
  expect(backend.bytes).toBe(bytes);
});

test("a run that would fit alone is refused beside what others hold, before anything is allocated", async () => {
  const backend = new CountingBackend();
  await using model = await GPT2.create(config, { backend });
  backend.memoryLimit = memoryNeeded(backend, config, { optimizer: true, train: { B: 2, T: 8 } });
  const other = await GPT2.create(config, { backend });
  const { allocations } = backend;
  await using trainer = new Trainer(model);
  const run = () => collect(trainer.run(batches(), { steps: 1, sampleEvery: 0 }));
  await expect(run()).rejects.toThrow(/of which other models and runs have .* GB: dispose of them first/);
  expect(backend.allocations).toBe(allocations);
  await other.dispose();
  await run();
  await run(); // gradients and moments that are there already count once
});

const orders = [
  ["trainer", "model", "backend"],
  ["model", "trainer", "backend"],
  ["backend", "model", "trainer"],
  ["trainer", "trainer", "model", "model", "backend", "backend"],
] as const;

test.each(cpuBackends.flatMap((name) => orders.map((order) => [name, order] as const)))(
  "%s: disposing of %j is no error, nor is doing so again",
  async (name, order) => {
    const backend = await createBackend(name, { threads: 2 });
    await using model = await GPT2.create(config, { backend });
    await using trainer = new Trainer(model);
    await collect(trainer.run(batches(), { steps: 1 }));
    await collect(model.generateTokens([1], { maxTokens: 2 }));
    const parts = { backend, model, trainer };
    const before = backend.memoryUsed;
    for (const part of order) await parts[part].dispose();
    expect(backend.memoryUsed).toBeLessThan(before);
  },
);

test("a model that owns its backend may go before its trainer", async () => {
  const model = await GPT2.create(config, { threads: 1 });
  const trainer = new Trainer(model);
  await collect(trainer.run(batches(), { steps: 1 }));
  await model.dispose();
  await model.dispose();
  await trainer.dispose();
});
