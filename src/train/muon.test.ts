/** Muon against PyTorch's, and what a run with it keeps. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cpuBackends } from "../../test/backends.ts";
import { collect, fixturePath, loadFixture, readSet, sameBatch } from "../../test/fixtures.ts";
import { localGroup } from "../../test/local-group.ts";
import { GPT2 } from "../api/gpt2.ts";
import type { Backend } from "../backend/backend.ts";
import { createBackend } from "../backend/registry.ts";
import { UsageError } from "../errors.ts";
import type { TensorName } from "../model/parameters.ts";
import { Trainer } from "./trainer.ts";

const torch = JSON.parse(readFileSync(fixturePath("muon.json"), "utf8"));
const options = {
  optimizer: "muon",
  learningRate: torch.lr,
  weightDecay: torch.decay,
  gradClip: torch.clip,
  beta2: 0.95,
} as const;

describe.each(cpuBackends)("%s", (name) => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await createBackend(name, { threads: 2 });
  });
  afterAll(() => backend.dispose());

  test("ten updates are torch.optim.Muon's for matrices and AdamW's for the rest", async () => {
    const fixture = await loadFixture("gpt2_tiny");
    await using model = await GPT2.load(fixturePath("gpt2_tiny.bin"), { backend });
    await using trainer = new Trainer(model, options);
    const events = await collect(trainer.run(sameBatch(fixture), { steps: 10, sampleEvery: 0 }));
    const steps = events.filter((event) => event.type === "step");
    expect(steps).toHaveLength(10);
    // Losses and norms are sums of some hundred rounded products; the iteration multiplies a rounding by 3.4 five times at most.
    for (const [i, { loss, norm }] of steps.entries()) {
      expect(Math.abs(loss / torch.losses[i] - 1)).toBeLessThan(1e-5);
      expect(Math.abs(norm / torch.norms[i] - 1)).toBeLessThan(1e-4);
    }
    const weights = await readSet(backend, model.parameters.weights);
    // The gradient of a key's bias is 0 but for rounding, which AdamW magnifies.
    const { C, L } = model.config;
    for (let l = 0; l < L; l++) weights.qkvb.fill(0, (3 * l + 1) * C, (3 * l + 2) * C);
    for (const tensor of Object.keys(torch.sums) as TensorName[]) {
      const sum = weights[tensor].reduce((total, value) => total + value, 0);
      const size = weights[tensor].reduce((total, value) => total + Math.abs(value), 0);
      expect(Math.abs(sum - torch.sums[tensor]), tensor).toBeLessThan(1e-5 * size);
    }
  });

  test("a trainer that gets weights, moments and state continues bit for bit", async () => {
    const fixture = await loadFixture("gpt2_tiny");
    const losses = async (stop: number) => {
      await using model = await GPT2.load(fixturePath("gpt2_tiny.bin"), { backend });
      await using trainer = new Trainer(model, options);
      const run = async (trainer: Trainer, steps: number) =>
        (await collect(trainer.run(sameBatch(fixture), { steps, sampleEvery: 0 }))).flatMap((event) =>
          event.type === "step" ? event.loss : [],
        );
      const first = await run(trainer, stop);
      const state = trainer.state();
      const { m, v } = trainer.moments();
      await using other = new Trainer(model, options);
      const to = other.moments();
      for (const { name, size } of model.parameters.weights.parameters)
        for (const [from, into] of [
          [m, to.m],
          [v, to.v],
        ] as const)
          await into.write(backend, name, 0, await from.read(backend, name, 0, size));
      other.restore(state);
      return [...first, ...(await run(other, 8 - stop))];
    };
    expect(await losses(3)).toEqual(await losses(8));
  });
});

test.each([
  [{ precision: "bf16" }, "Here precision is bf16"],
  [{ loraRank: 2 }, "Here loraRank is 2"],
] as const)("%j beside it is refused by name", async (others, name) => {
  await using model = await GPT2.load(fixturePath("gpt2_tiny.bin"), { backend: "reference" });
  expect(() => new Trainer(model, { optimizer: "muon", ...others })).toThrow(UsageError);
  expect(() => new Trainer(model, { optimizer: "muon", ...others })).toThrow(name);
});

test("moments shared out among processes beside it are refused by name", async () => {
  await using model = await GPT2.load(fixturePath("gpt2_tiny.bin"), { backend: "reference" });
  const [group] = localGroup(2);
  expect(() => new Trainer(model, { optimizer: "muon", zeroStage: 1 }, group)).toThrow("Here zeroStage is 1");
});
