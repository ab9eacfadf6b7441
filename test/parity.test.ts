/** The whole model against PyTorch: forward, backward, ten updates and a continuation, on every backend. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GPT2 } from "../src/api/gpt2.ts";
import type { Backend } from "../src/backend/backend.ts";
import type { BackendOptions } from "../src/backend/entry.ts";
import { createBackend } from "../src/backend/registry.ts";
import { tensorNames } from "../src/model/parameters.ts";
import { Trainer } from "../src/train/trainer.ts";
import {
  bits,
  collect,
  computeBatch,
  type Fixture,
  largest,
  loadFixture,
  maxDifference,
  readSet,
  sameBatch,
} from "./fixtures.ts";

const fixtures = ["gpt2_tiny", "gpt2_odd"] as const;

const variants: readonly (BackendOptions & { name: "reference" | "wasm" })[] = [
  { name: "reference" },
  { name: "wasm", threads: 1 },
  { name: "wasm", threads: 2 },
  { name: "wasm", threads: 3 },
  { name: "wasm", threads: 2, kernel: "plain-6x8" },
  { name: "wasm", shared: false },
];

const label = (variant: (typeof variants)[number]) =>
  Object.values(variant)
    .join(" ")
    .replace("false", "shared" in variant ? "not shared" : "plain");

/** Ten updates with a fixture's settings: losses, norms and the weights after. */
async function tenSteps(backend: Backend, fixture: Fixture, kind: "adamw_plain" | "adamw_full") {
  const { lr, betas, eps, weight_decay, clip } = fixture[kind];
  const model = await GPT2.load(fixture.modelPath, { backend });
  const trainer = new Trainer(model, {
    learningRate: lr,
    beta1: betas[0],
    beta2: betas[1],
    eps,
    weightDecay: weight_decay,
    gradClip: clip ?? 0,
  });
  const events = await collect(trainer.run(sameBatch(fixture), { steps: 10, sampleEvery: 0 }));
  const steps = events.filter((event) => event.type === "step");
  const weights = await readSet(backend, model.parameters.weights);
  await trainer.dispose();
  await model.dispose();
  return { losses: steps.map(({ loss }) => loss), norms: steps.map(({ norm }) => norm), weights };
}

describe.each(fixtures)("%s", (name) => {
  let fixture: Fixture;
  beforeAll(async () => {
    fixture = await loadFixture(name);
  });

  describe.each(variants.map((variant) => ({ variant, label: label(variant) })))("on $label", ({ variant }) => {
    let backend: Backend;
    beforeAll(async () => {
      const { name, ...options } = variant;
      backend = await createBackend(name, options);
    });
    afterAll(() => backend.dispose());

    test("logits, loss and every gradient are PyTorch's", async () => {
      const computed = await computeBatch(await GPT2.load(fixture.modelPath, { backend }), fixture);
      expect(maxDifference(computed.logits, fixture.logits)).toBeLessThan(1e-4);
      expect(Math.abs(computed.loss - fixture.loss)).toBeLessThan(1e-5);
      expect(Math.abs(Math.sqrt(computed.squaredNorm) - fixture.adamw_plain.norms[0])).toBeLessThan(1e-5);
      for (const tensor of tensorNames) {
        const expected = fixture.gradients[tensor];
        const difference = maxDifference(computed.gradients[tensor], expected);
        expect(difference / largest(expected), tensor).toBeLessThan(1e-4);
      }
    });

    test.each(["adamw_plain", "adamw_full"] as const)("ten updates are PyTorch's: %s", async (kind) => {
      const expected = fixture[kind];
      const { losses, norms, weights } = await tenSteps(backend, fixture, kind);
      for (const [i, loss] of losses.entries()) {
        expect(Math.abs(loss - expected.losses[i]), `loss ${i}`).toBeLessThan(1e-4);
        expect(Math.abs(norms[i] / expected.norms[i] - 1), `norm ${i}`).toBeLessThan(1e-4);
      }
      for (const tensor of tensorNames) {
        // The key's bias has no gradient but rounding noise, which AdamW blows up to full steps.
        if (tensor === "qkvb") continue;
        const [sum, absSum] = expected.final_sum_and_abs_sum[tensor];
        const values = Float64Array.from(weights[tensor]);
        expect(Math.abs(values.reduce((a, b) => a + b, 0) - sum) / absSum, tensor).toBeLessThan(1e-5);
        expect(Math.abs(values.reduce((a, b) => a + Math.abs(b), 0) / absSum - 1), tensor).toBeLessThan(1e-5);
      }
    });

    test("the greedy continuation is PyTorch's", async () => {
      const { prompt, tokens } = fixture.greedy;
      const model = await GPT2.load(fixture.modelPath, { backend });
      const maxTokens = tokens.length - prompt.length;
      const written = await collect(model.generateTokens(prompt, { maxTokens, temperature: 0 }));
      expect([...prompt, ...written]).toEqual(tokens);
      await model.dispose();
    });
  });

  test("1, 2 and 3 threads, and a second run, give the same bits", async () => {
    const results = [];
    for (const threads of [1, 2, 3, 2]) {
      const backend = await createBackend("wasm", { threads });
      const { logits, gradients } = await computeBatch(await GPT2.load(fixture.modelPath, { backend }), fixture);
      const { losses, norms, weights } = await tenSteps(backend, fixture, "adamw_full");
      results.push({ losses, norms, logits: bits([logits]), gradients: bits(gradients), weights: bits(weights) });
      await backend.dispose();
    }
    for (const result of results.slice(1)) expect(result).toEqual(results[0]);
  });
});
