/** Models of odd sizes, with weights large enough to matter everywhere: the wasm backend against the reference. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Backend } from "../src/backend/backend.ts";
import { createBackend } from "../src/backend/registry.ts";
import { type GPT2Config, makeConfig } from "../src/model/config.ts";
import { tensorNames } from "../src/model/parameters.ts";
import { Mt19937 } from "../src/random/mt19937.ts";
import { bits, computeBatch, largest, maxDifference, randomModel, type TokenBatch } from "./fixtures.ts";

const cases: readonly { sizes: Parameters<typeof makeConfig>[0]; B: number; T: number }[] = [
  { sizes: { maxT: 29, V: 211, L: 2, NH: 3, C: 48 }, B: 5, T: 29 },
  { sizes: { maxT: 40, V: 65, Vp: 65, L: 1, NH: 2, C: 36 }, B: 1, T: 33 },
  { sizes: { maxT: 70, V: 131, L: 2, NH: 5, C: 40 }, B: 3, T: 67 },
  { sizes: { maxT: 17, V: 300, L: 1, NH: 1, C: 100, hidden: 90 }, B: 2, T: 17 },
  { sizes: { maxT: 8, V: 7, L: 3, NH: 7, C: 7 }, B: 1, T: 1 },
  { sizes: { maxT: 3, V: 2, L: 1, NH: 1, C: 1 }, B: 2, T: 3 },
];

function randomBatch({ V }: GPT2Config, B: number, T: number): TokenBatch {
  const rng = new Mt19937(2);
  const tokens = () => Int32Array.from({ length: B * T }, () => rng.randint32() % V);
  return { B, T, x: tokens(), y: tokens() };
}

describe("one batch through models of odd sizes", () => {
  const backends = new Map<string, Backend>();
  const get = (name: string): Backend => {
    const backend = backends.get(name);
    if (!backend) throw new Error(`no backend ${name}`);
    return backend;
  };
  beforeAll(async () => {
    backends.set("reference", await createBackend("reference"));
    for (const threads of [1, 2, 3]) backends.set(`${threads}`, await createBackend("wasm", { threads }));
    backends.set("plain", await createBackend("wasm", { threads: 2, kernel: "plain-6x8" }));
  });
  afterAll(async () => {
    for (const backend of backends.values()) await backend.dispose();
  });

  test.each(cases)("V $sizes.V, C $sizes.C, NH $sizes.NH, B $B, T $T", async ({ sizes, B, T }) => {
    const config = makeConfig(sizes);
    const batch = randomBatch(config, B, T);
    const compute = async (backend: string) => computeBatch(await randomModel(get(backend), config), batch);
    const expected = await compute("reference");
    for (const name of ["1", "plain"]) {
      const computed = await compute(name);
      expect(maxDifference(computed.logits, expected.logits), `${name} logits`).toBeLessThan(1e-4);
      expect(Math.abs(computed.loss - expected.loss), `${name} loss`).toBeLessThan(1e-5);
      for (const tensor of tensorNames) {
        const difference = maxDifference(computed.gradients[tensor], expected.gradients[tensor]);
        const size = largest(expected.gradients[tensor]);
        expect(difference, `${name} ${tensor}`).toBeLessThanOrEqual(1e-4 * size + 1e-9);
      }
    }
    const [one, two, three] = await Promise.all(["1", "2", "3"].map(compute));
    for (const other of [two, three]) {
      expect(bits([other.logits])).toBe(bits([one.logits]));
      expect(bits(other.gradients)).toBe(bits(one.gradients));
      expect(other.squaredNorm).toBe(one.squaredNorm);
    }
  });
});
