import { expect, test } from "vitest";
import { randomModel } from "../../test/fixtures.ts";
import { createBackend } from "../backend/registry.ts";
import { makeConfig } from "../model/config.ts";
import { traceStep } from "../verify/trace.ts";
import { asksOf } from "./asks.ts";

const config = makeConfig({ L: 2, NH: 2, C: 12, maxT: 9, V: 13 });
const batch = { B: 1, T: 7, x: Int32Array.of(1, 5, 2, 2, 12, 0, 7), y: Int32Array.of(5, 2, 2, 12, 0, 7, 3) };
const still = { learningRate: 0, beta1: 0.9, beta2: 0.999, eps: 1e-8, weightDecay: 0, gradClip: 0 };
const { backend, parameters } = await randomModel(await createBackend("reference"), config);

/** Gradients by name; of one row's loss, or of the mean. */
function gradients(lossRow?: number): Promise<Map<string, Float32Array>> {
  const use = async ({ tensors }: Parameters<Parameters<typeof traceStep>[4]>[0]) => {
    const found = new Map<string, Float32Array>();
    for (const { name, read } of tensors) if (name.startsWith("d.")) found.set(name, Float32Array.from(await read()));
    return found;
  };
  return traceStep(backend, parameters, batch, still, use, lossRow);
}

test("the gradients of each token's loss add up to those of the mean loss", async () => {
  const mean = await gradients();
  const each = await Promise.all(Array.from({ length: batch.T }, (_, t) => gradients(t)));
  for (const [name, right] of mean) {
    if (name === "d.logits") {
      expect(each[0].has(name)).toBe(false);
      continue;
    }
    const largest = right.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    for (const [i, value] of right.entries()) {
      const sum = each.reduce((total, one) => total + (one.get(name)?.[i] ?? Number.NaN), 0) / batch.T;
      // Seven float32 gradients, each larger than their mean, rounded after every operation.
      expect(Math.abs(sum - value), `${name}[${i}]`).toBeLessThan(1e-5 * Math.max(largest, 1e-3));
    }
  }
});

test("a token's loss asks nothing of later positions, and something of itself and those before", async () => {
  const t = 3;
  const weights = await backend.read(parameters.weights.wte);
  const { loss, stream, heads } = await asksOf(backend, parameters, batch, t);
  expect(loss).toBeGreaterThan(0);
  for (const rows of [stream, heads])
    for (let at = 0; at < rows.length; at += batch.T) {
      const row = rows.subarray(at, at + batch.T);
      expect([...row.subarray(t + 1)]).toEqual([0, 0, 0]);
      expect(row[t]).toBeGreaterThan(0);
    }
  // Behind the last layer only the position itself is read; before it, attention has read the others.
  expect([...stream.subarray(2 * batch.T, 2 * batch.T + t)]).toEqual([0, 0, 0]);
  expect(stream.subarray(0, t).every((norm) => norm > 0)).toBe(true);
  expect(await backend.read(parameters.weights.wte)).toEqual(weights);
});
