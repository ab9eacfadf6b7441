// The whole model on a GPU, beside the reference.
import { beforeAll, expect, test } from "vitest";
import { collect, randomModel } from "../../../test/fixtures.ts";
import { describeGpu, openGpu } from "../../../test/gpu.ts";
import { GPT2 } from "../../api/gpt2.ts";
import { configOf } from "../../bench/steps.ts";
import { makeConfig } from "../../model/config.ts";
import { accumulateGradients, gradientNorm, update } from "../../model/gpt2.ts";
import { tensorNames } from "../../model/parameters.ts";
import { usualAdamw } from "../../model/step-calls.ts";
import { syntheticTokens } from "../../model/synthetic-step.ts";
import { computedWith, TensorSet } from "../../model/tensor-set.ts";
import { allocStepWorkspace } from "../../model/workspace.ts";
import { Trainer } from "../../train/trainer.ts";
import type { Backend, Precision } from "../backend.ts";
import { ReferenceBackend } from "../reference/reference.ts";
import { createBackend } from "../registry.ts";
import type { WebGpuBackend } from "./backend.ts";

const config = makeConfig({ maxT: 24, V: 37, L: 2, NH: 2, C: 32 });
const [B, T] = [2, 16];

/** Losses and norms of training steps on tokens that can be predicted, and what each step added to the backend's counts. */
async function train(
  backend: Backend,
  steps: number,
  counts: () => Readonly<Record<string, number>> = () => ({}),
  precision: Precision = "fp32",
) {
  const { parameters } = await randomModel(backend, config);
  const [grads, m, v] = [0, 1, 2].map(() => new TensorSet(backend, config));
  const copy = precision === "bf16" ? new TensorSet(backend, config, "bf16", parameters.weights) : undefined;
  await copy?.copyMatrices(backend, parameters.weights);
  const training = { grads, m, v, copy };
  const computed = computedWith(parameters, training);
  const ws = allocStepWorkspace(backend, config, B, T, 2, precision);
  const losses: number[] = [];
  const norms: number[] = [];
  const added: Record<string, number>[] = [];
  for (let step = 1; step <= steps; step++) {
    const before = counts();
    for (const [b, batch] of ws.batches.entries()) {
      const token = (i: number) => (i * i + 7 * step + 3 * b) % config.V;
      await backend.write(
        batch.tokens,
        Int32Array.from({ length: B * T }, (_, i) => token(i)),
      );
      await backend.write(
        batch.head.targets,
        Int32Array.from({ length: B * T }, (_, i) => token(i + 1)),
      );
    }
    accumulateGradients(backend, computed, grads, ws);
    gradientNorm(backend, grads, ws.shared);
    const [loss, squares] = await backend.read(ws.shared.stats);
    update(backend, parameters, training, { ...usualAdamw, learningRate: 3e-3, step });
    await backend.sync();
    losses.push(loss);
    norms.push(Math.sqrt(squares));
    added.push(Object.fromEntries(Object.entries(counts()).map(([name, value]) => [name, value - before[name]])));
  }
  return { losses, norms, added };
}

describeGpu("webgpu", { timeout: 180_000 }, () => {
  let gpu: WebGpuBackend;
  beforeAll(async () => {
    gpu = await openGpu();
  });

  test("twenty steps have the reference's losses, and the second makes no pipeline or bind group", async () => {
    const steps = 20;
    const expected = await train(new ReferenceBackend(), steps);
    const { losses, norms, added } = await train(gpu, steps, () => ({ ...gpu.counts }));
    const worst = (a: readonly number[], b: readonly number[]) => Math.max(...a.map((x, i) => Math.abs(x - b[i])));
    expect(losses[0] - losses[steps - 1]).toBeGreaterThan(0.1);
    expect(worst(losses, expected.losses)).toBeLessThan(1e-4);
    expect(worst(norms, expected.norms)).toBeLessThan(1e-3);
    expect(added[0].pipelines).toBeGreaterThan(10);
    for (const step of added.slice(1)) {
      expect(step.dispatches).toBe(added[0].dispatches);
      expect(step).toMatchObject({ pipelines: 0, bindGroups: 0 });
      expect(step.submits).toBeLessThanOrEqual(4);
    }
  });

  test("the first twenty losses of baby are wasm's", { timeout: 400_000 }, async () => {
    const [steps, block] = [20, 32];
    const [wasm, gpus] = [await createBackend("wasm", { threads: 1 }), await openGpu()];
    const losses = [];
    for (const backend of [wasm, gpus]) {
      // One sequence a step, of half of its block: a tile's rows, since software takes a second for twice as many.
      const model = await GPT2.create(configOf("baby"), { backend });
      const tokens = syntheticTokens(block * steps + 1, model.config.V);
      let step = 0;
      const next = async () => {
        const [from, to] = [block * step, block * (step + 1)];
        step++;
        return { inputs: tokens.subarray(from, to), targets: tokens.subarray(from + 1, to + 1) };
      };
      const trainer = new Trainer(model, { learningRate: 1e-3, weightDecay: 0.1, beta2: 0.99, gradClip: 1 });
      const events = await collect(trainer.run({ B: 1, T: block, next, reset() {} }, { steps, sampleEvery: 0 }));
      losses.push(events.flatMap((event) => (event.type === "step" ? [event.loss] : [])));
    }
    await wasm.dispose();
    const [expected, found] = losses;
    expect(expected).toHaveLength(steps);
    const worst = Math.max(...found.map((loss, i) => Math.abs(loss - expected[i])));
    console.info(`baby: largest difference of 20 losses from wasm's ${worst.toExponential(1)}`);
    expect(worst).toBeLessThan(1e-4);
  });

  test("with mixed precision, twenty steps have the reference's losses but for roundings", async () => {
    const steps = 20;
    const oracle = await train(new ReferenceBackend(), steps, undefined, "bf16");
    const single = await train(new ReferenceBackend(), steps);
    const { losses, added } = await train(gpu, steps, () => ({ ...gpu.counts }), "bf16");
    const worst = (other: readonly number[]) => Math.max(...losses.map((loss, i) => Math.abs(loss - other[i])));
    // Before any update a few values that lie between two of bfloat16's are rounded apart.
    expect(Math.abs(losses[0] - oracle.losses[0])).toBeLessThan(2e-4);
    expect(worst(oracle.losses)).toBeLessThan(1e-2);
    expect(worst(single.losses)).toBeLessThan(1e-2);
    expect(worst(single.losses)).toBeGreaterThan(1e-5);
    for (const step of added.slice(1)) expect(step).toMatchObject({ pipelines: 0, bindGroups: 0 });
  });

  test("a loss that is not finite is seen", async () => {
    const model = await randomModel(gpu, config);
    const ws = allocStepWorkspace(gpu, config, B, T, 1);
    const grads = new TensorSet(gpu, config);
    gpu.fill(model.parameters.weights.lnf.weight, 3e38);
    accumulateGradients(gpu, model.parameters, grads, ws);
    const [loss] = await gpu.read(ws.shared.stats);
    expect(loss).toBeNaN();
  });

  test.each(["f32", "bf16"] as const)("writes what the reference writes, in %s", async (weights) => {
    const oracle = await randomModel(new ReferenceBackend(), config);
    const model = await GPT2.create(config, { backend: gpu, weights });
    for (const name of tensorNames) {
      const pairs = model.parameters.weights
        .tensors(name)
        .map((own, i) => [own, oracle.parameters.weights.tensors(name)[i]]);
      for (const [own, other] of pairs) {
        await gpu.write(own, await oracle.backend.read(other));
        await oracle.backend.write(other, await gpu.read(own)); // rounded, where it is
      }
    }
    for (const length of [1, 5, 20]) {
      const prompt = Array.from({ length }, (_, i) => (5 * i) % config.V);
      const options = { maxTokens: 30, temperature: 0 };
      const written = await collect(model.generateTokens(prompt, options));
      expect(written).toEqual(await collect(oracle.generateTokens(prompt, options)));
    }
  });
});
