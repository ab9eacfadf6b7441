import { expect, test } from "vitest";
import { fixturePath, loadFixture, maxDifference } from "../../test/fixtures.ts";
import { MemorySink } from "../../test/memory-sink.ts";
import { GPT2 } from "../api/gpt2.ts";
import { readDebugState, writeDebugState } from "../format/state.ts";
import { makeConfig } from "../model/config.ts";
import { openSource } from "../platform/node-files.ts";
import { computeDebugState } from "./debug-state.ts";
import { bounds, publishedLosses } from "./verify.ts";

test.each(["gpt2_tiny", "gpt2_odd"] as const)("the debug state of %s is PyTorch's", async (name) => {
  const fixture = await loadFixture(name);
  const model = await GPT2.load(fixturePath(`${name}.bin`), { backend: "reference" });
  const sink = new MemorySink();
  const shares: number[] = [];
  await computeDebugState(
    model.backend,
    model.parameters,
    fixture,
    (content) => writeDebugState(sink, model.config, content),
    (share) => shares.push(share),
  );
  const state = await readDebugState(await openSource(sink.bytes), model.config);
  expect([state.B, state.T, state.x, state.y]).toEqual([fixture.B, fixture.T, fixture.x, fixture.y]);
  expect(Math.abs(state.loss - fixture.loss)).toBeLessThan(1e-5);
  await state.readLogits(async (start, data) => {
    expect(maxDifference(data, fixture.logits.subarray(start, start + data.length))).toBeLessThan(1e-4);
  });
  await state.readGradients(async (tensor, start, data) => {
    const expected = fixture.gradients[tensor].subarray(start, start + data.length);
    expect(maxDifference(data, expected)).toBeLessThan(1e-5);
  });
  // Reported often, always increasing, to the end.
  expect(shares.length).toBeGreaterThan(10);
  expect(shares).toEqual(shares.toSorted((a, b) => a - b));
  expect(shares.at(-1)).toBe(1);
  await model.dispose();
});

test("GPT-2 124M's losses are known, and no other model's", () => {
  const gpt2 = makeConfig({ maxT: 1024, V: 50257, L: 12, NH: 12, C: 768 });
  expect(publishedLosses(gpt2, 5.270009)?.at(-1)).toBe(0.376511);
  expect(publishedLosses(gpt2, 5.2712)).toBeUndefined();
  expect(publishedLosses({ ...gpt2, L: 11 }, 5.270009)).toBeUndefined();
});

test("bounds grow with the logits, from 10 on", () => {
  expect(bounds.scale(8.3)).toBe(1);
  expect(bounds.scale(130)).toBe(13);
});
