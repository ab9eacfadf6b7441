import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cpuBackends } from "../../test/backends.ts";
import { collect, fixturePath, randomModel } from "../../test/fixtures.ts";
import { GPT2 } from "../api/gpt2.ts";
import { createBackend } from "../backend/registry.ts";
import { makeConfig } from "../model/config.ts";
import { forward, logits } from "../model/gpt2.ts";
import { TensorScope } from "../model/tensor-scope.ts";
import { allocDecodeWorkspace, allocLossWorkspace } from "../model/workspace.ts";
import { continueTokens } from "./decoder.ts";
import { Sampler, type SamplingOptions } from "./sampler.ts";

const maxT = 21;

const models = new Map<string, GPT2>();
const modelOn = (backend: string): GPT2 => {
  const model = models.get(backend);
  if (!model) throw new Error(`no model on ${backend}`);
  return model;
};

beforeAll(async () => {
  for (const name of cpuBackends) {
    const backend = await createBackend(name, { threads: 2 });
    models.set(name, await randomModel(backend, makeConfig({ maxT, V: 37, L: 2, NH: 2, C: 24 })));
  }
});
afterAll(async () => {
  for (const { backend } of models.values()) await backend.dispose();
});

/** The logits of what follows `sequence`, computed from scratch, without a cache. */
async function logitsAfter(model: GPT2, sequence: readonly number[]): Promise<Float32Array> {
  const { backend, config, parameters } = model;
  const memory = new TensorScope(backend);
  const ws = allocLossWorkspace(memory, config, 1, sequence.length);
  const out = memory.alloc([sequence.length, config.Vp]);
  await backend.write(ws.tokens, Int32Array.from(sequence));
  forward(backend, parameters, ws);
  logits(backend, parameters, out, ws.lnf.out);
  const all = await backend.read(out);
  const last = (sequence.length - 1) * config.Vp;
  await memory.free();
  return all.subarray(last, last + config.V);
}

/** Contract of `continueTokens`, without a cache: when maxT positions are full, the older half is dropped. */
async function recompute(
  model: GPT2,
  prompt: readonly number[],
  maxTokens: number,
  options: SamplingOptions = {},
): Promise<number[]> {
  const sampler = new Sampler(options);
  let context = prompt.slice(-maxT);
  const written: number[] = [];
  for (let n = 0; n < maxTokens; n++) {
    if (context.length > maxT) context = context.slice(-Math.ceil(maxT / 2));
    const token = sampler.next(await logitsAfter(model, context), 37);
    written.push(token);
    context = [...context, token];
  }
  return written;
}

const promptOf = (length: number) => Array.from({ length }, (_, i) => (i * 11 + 3) % 37);

describe.each(cpuBackends)("a cache of keys and values changes nothing: %s", (backendName) => {
  const lengths = Array.from({ length: maxT }, (_, i) => i + 1);

  test.each(lengths)("prompt of %i tokens, greedy and sampled", async (length) => {
    const model = modelOn(backendName);
    const maxTokens = maxT - length + 1;
    for (const options of [{ temperature: 0 }, { seed: 7 }]) {
      const written = await collect(model.generateTokens(promptOf(length), { maxTokens, ...options }));
      expect(written).toEqual(await recompute(model, promptOf(length), maxTokens, options));
    }
  });

  test.each([1, 2, 5, 20, 64])("prompt in pieces of %i", async (T) => {
    const model = modelOn(backendName);
    const { backend, config, parameters } = model;
    const memory = new TensorScope(backend);
    const ws = allocDecodeWorkspace(memory, config, maxT, 1, T);
    const options = { maxTokens: 9, sampler: new Sampler() };
    const written = await collect(continueTokens(backend, parameters, ws, promptOf(13), options));
    expect(written).toEqual(await recompute(model, promptOf(13), 9));
    await memory.free();
  });

  test.each([1, 20, 21, 22, 50])("past the last position, from a prompt of %i tokens", async (length) => {
    const model = modelOn(backendName);
    const written = await collect(model.generateTokens(promptOf(length), { maxTokens: 40 }));
    expect(written).toEqual(await recompute(model, promptOf(length), 40));
  });

  test("llm.c's way gives the same tokens with llm.c's seed, which is the default", async () => {
    const options = { maxTokens: 10 };
    const model = modelOn(backendName);
    const written = await collect(model.generateTokens(promptOf(4), { ...options, llmc: true }));
    expect(written).toEqual(await collect(model.generateTokens(promptOf(4), options)));
  });

  test.each([
    ["1 token", 1, 12],
    ["9 tokens, past the last position", 9, 40],
  ])("each of 11 samples, two batches, is what its seed gives alone: %s", async (_, length, maxTokens) => {
    const model = modelOn(backendName);
    const samples: number[][] = Array.from({ length: 11 }, () => []);
    for await (const event of model.generateSamples(promptOf(length), { maxTokens, samples: 11, seed: 3 }))
      if (event.type === "token") samples[event.sample].push(event.token);
    for (const [i, written] of samples.entries())
      expect(written).toEqual(await collect(model.generateTokens(promptOf(length), { maxTokens, seed: 3 + i })));
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
  for await (const token of modelOn("reference").generateTokens([1], { maxTokens: 100, signal: controller.signal })) {
    written.push(token);
    if (written.length === 3) controller.abort();
  }
  expect(written).toHaveLength(3);
});

// `generating:` of train_gpt2.c (llm.c, gcc -O2), with B = 4, T = maxT, and token 0 for end-of-text.
test.each([
  ["gpt2_tiny.bin", "25 25 25 87 61 39 39 39 39 52 48 44 87 50 19"],
  [
    "gpt2_odd.bin",
    "25 25 25 30 30 29 38 38 38 38 38 38 38 38 38 38 38 38 38 38 38 10 30 30 10 10 25 38 38 38 38 49 14 14 30 30 6 16 38",
  ],
])("llm.c's program writes the same tokens: %s", async (file, expected) => {
  for (const backend of cpuBackends) {
    const loaded = await GPT2.load(fixturePath(file), { backend, threads: 2 });
    const maxTokens = loaded.config.maxT - 1;
    const written = await collect(loaded.generateTokens([], { maxTokens, llmc: true }));
    expect(written.join(" ")).toBe(expected);
    await loaded.dispose();
  }
});
