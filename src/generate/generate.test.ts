import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { collect, randomModel } from "../../test/fixtures.ts";
import { GPT2 } from "../api/gpt2.ts";
import { createBackend } from "../backend/create.ts";
import { makeConfig } from "../model/config.ts";
import { forward, logits } from "../model/gpt2.ts";
import { allocDecodeWorkspace, allocLossWorkspace, freeWorkspace } from "../model/workspace.ts";
import { continueTokens } from "./generate.ts";
import { Sampler } from "./sampler.ts";

const maxT = 21;

let model: GPT2;
beforeAll(async () => {
  model = await randomModel(await createBackend("reference"), makeConfig({ maxT, V: 37, L: 2, NH: 2, C: 24 }));
});
afterAll(() => model.dispose());

/** The logits of what follows `sequence`, computed from scratch, without a cache. */
async function logitsAfter(sequence: readonly number[]): Promise<Float32Array> {
  const { backend, config, parameters } = model;
  const ws = allocLossWorkspace(backend, config, 1, sequence.length);
  const out = backend.alloc([sequence.length, config.Vp]);
  await backend.write(ws.tokens, Int32Array.from(sequence));
  forward(backend, parameters, ws);
  logits(backend, parameters, ws, out);
  const all = await backend.read(out);
  const last = (sequence.length - 1) * config.Vp;
  await freeWorkspace(backend, ws);
  return all.subarray(last, last + config.V);
}

/** What `continueTokens` promises, without a cache: when maxT positions are full, the older half is forgotten. */
async function recompute(prompt: readonly number[], maxTokens: number): Promise<number[]> {
  const sampler = new Sampler();
  let context = prompt.slice(-maxT);
  const written: number[] = [];
  for (let n = 0; n < maxTokens; n++) {
    if (context.length > maxT) context = context.slice(-Math.ceil(maxT / 2));
    const token = sampler.next(await logitsAfter(context), 37);
    written.push(token);
    context = [...context, token];
  }
  return written;
}

const promptOf = (length: number) => Array.from({ length }, (_, i) => (i * 11 + 3) % 37);

describe("a cache of keys and values changes nothing", () => {
  test.each(Array.from({ length: maxT }, (_, i) => i + 1))("prompt of %i tokens", async (length) => {
    const prompt = promptOf(length);
    const maxTokens = maxT - length + 1;
    const written = await collect(model.generateTokens(prompt, { maxTokens }));
    expect(written).toEqual(await recompute(prompt, maxTokens));
  });

  test.each([1, 2, 5, 20, 64])("prompt in pieces of %i", async (T) => {
    const { backend, config, parameters } = model;
    const ws = allocDecodeWorkspace(backend, config, maxT, T);
    const options = { maxTokens: 9, sampler: new Sampler() };
    const written = await collect(continueTokens(backend, parameters, ws, promptOf(13), options));
    expect(written).toEqual(await recompute(promptOf(13), 9));
    await freeWorkspace(backend, ws);
  });

  test.each([1, 20, 21, 22, 50])("past the last position, from a prompt of %i tokens", async (length) => {
    const prompt = promptOf(length);
    const written = await collect(model.generateTokens(prompt, { maxTokens: 40 }));
    expect(written).toEqual(await recompute(prompt, 40));
  });
});

test("a model of one position sees one token", async () => {
  const tiny = await GPT2.create(makeConfig({ maxT: 1, V: 5, L: 1, NH: 1, C: 4 }), { backend: "reference" });
  expect(await collect(tiny.generateTokens([1, 2, 3], { maxTokens: 5 }))).toHaveLength(5);
  await tiny.dispose();
});

test("a signal ends the text after the token under way", async () => {
  const controller = new AbortController();
  const written: number[] = [];
  for await (const token of model.generateTokens([1], { maxTokens: 100, signal: controller.signal })) {
    written.push(token);
    if (written.length === 3) controller.abort();
  }
  expect(written).toHaveLength(3);
});
