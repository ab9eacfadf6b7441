/** A GPT-2 that llm.c's .bin cannot hold (erf GELU, an MLP of 2C, another epsilon) against PyTorch, on every backend. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { GPT2 } from "../src/api/gpt2.ts";
import { createReferenceBackend } from "../src/backend/reference/reference.ts";
import { createBackend } from "../src/backend/registry.ts";
import { tensorNames } from "../src/model/parameters.ts";
import { computeBatch, fixturePath, largest, maxDifference, readSet } from "./fixtures.ts";

const { x, y, loss, logits } = JSON.parse(readFileSync(fixturePath("gpt2_erf/expected.json"), "utf8"));
const batch = { B: x.length, T: x[0].length, x: Int32Array.from(x.flat()), y: Int32Array.from(y.flat()) };

test.each([
  ["reference", undefined],
  ["wasm", "relaxed-6x16"],
  ["wasm", "plain-6x8"],
] as const)("logits, loss and every gradient are PyTorch's on %s %s", async (name, kernel) => {
  const backend = await createBackend(name, { threads: 2, kernel });
  const model = await GPT2.load(fixturePath("gpt2_erf/model.safetensors"), { backend });
  expect(model.config).toMatchObject({
    maxT: 12,
    V: 61,
    Vp: 128,
    L: 2,
    NH: 3,
    C: 24,
    hidden: 48,
    epsilon: 1e-6,
    gelu: "erf",
  });
  const computed = await computeBatch(model, batch);
  // PyTorch's float32 against float64 inside: sums of at most 48 products of numbers of size 1, through two layers.
  expect(maxDifference(computed.logits, Float32Array.from(logits))).toBeLessThan(1e-5);
  expect(Math.abs(computed.loss - loss)).toBeLessThan(1e-5);
  const expected = await gradients();
  for (const tensor of tensorNames) {
    const difference = maxDifference(computed.gradients[tensor], expected[tensor]);
    expect(difference / largest(expected[tensor]), tensor).toBeLessThan(1e-5);
  }
  await backend.dispose();
});

/** They are laid out as the model is. */
async function gradients() {
  const backend = createReferenceBackend();
  const model = await GPT2.load(fixturePath("gpt2_erf/gradients.safetensors"), { backend });
  return readSet(backend, model.parameters.weights);
}
