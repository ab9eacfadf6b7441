import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CountingBackend } from "../../test/counting-backend.ts";
import { maxDifference, randomModel } from "../../test/fixtures.ts";
import { GPT2 } from "../api/gpt2.ts";
import { createBackend } from "../backend/registry.ts";
import { InputError, MemoryError, NotFiniteError, UsageError } from "../errors.ts";
import { makeConfig } from "../model/config.ts";
import { forward, logits } from "../model/gpt2.ts";
import { memoryNeeded } from "../model/memory.ts";
import { allocTrainWorkspace } from "../model/workspace.ts";
import { byteTokenizer } from "../tokenizer/byte.ts";
import { charTokenizerOf } from "../tokenizer/char.ts";
import { type Inspection, inspect, mostInspected } from "./inspect.ts";
import type { Predictions } from "./predictions.ts";

const config = makeConfig({ maxT: 24, V: 61, L: 3, NH: 2, C: 20 });
const prompt = Array.from({ length: config.maxT }, (_, i) => (i * i + 5) % config.V);

/**
 * How far float32 sums in another order may move a probability. A query's product with a key, and a logit, is a sum over
 * at most C = 20 products of numbers up to about 8 whose own last bits differ after three layers: 1e-5 at most, and a
 * probability p moves by p times that.
 */
const rounding = 2e-5;

let reference: GPT2;
let wasm: GPT2;
let inside: Inspection;
beforeAll(async () => {
  reference = await randomModel(await createBackend("reference"), config);
  wasm = await randomModel(await createBackend("wasm", { threads: 2 }), config);
  inside = await inspect(reference, prompt);
});
afterAll(() => wasm.backend.dispose());

/** Attention and logits of the whole prompt, as the reference backend keeps them for training. */
async function trained() {
  const { backend, parameters } = reference;
  const ws = allocTrainWorkspace(backend, config, 1, prompt.length);
  const out = backend.alloc([prompt.length, config.Vp]);
  await backend.write(ws.tokens, Int32Array.from(prompt));
  forward(backend, parameters, ws);
  logits(backend, parameters, out, ws.lnf.out);
  const saved = await Promise.all(ws.layers.map(({ attsaved }) => backend.read(attsaved)));
  return { attention: Float32Array.from(saved.flatMap((part) => [...part])), logits: await backend.read(out) };
}

/** The row's probabilities, in plain float64. */
function softmaxOf(row: Float32Array): number[] {
  const exponentials = Array.from(row, Math.exp);
  const sum = exponentials.reduce((a, b) => a + b);
  return exponentials.map((e) => e / sum);
}

const rowOf = ({ top, tokens, probabilities }: Predictions, t: number) => ({
  tokens: [...tokens.subarray(t * top, (t + 1) * top)],
  probabilities: probabilities.subarray(t * top, (t + 1) * top),
});

describe("attention", () => {
  test("is what the reference backend itself keeps, on both backends", async () => {
    const { attention } = await trained();
    expect(inside.attention).toEqual(attention);
    const other = await inspect(wasm, prompt);
    expect(maxDifference(other.attention, attention)).toBeLessThan(rounding);
  });

  test("every row adds up to 1, and nothing looks ahead", () => {
    const T = prompt.length;
    expect(inside.attention).toHaveLength(config.L * config.NH * T * T);
    for (let row = 0; row < config.L * config.NH * T; row++) {
      const t = row % T;
      const values = inside.attention.subarray(row * T, (row + 1) * T);
      // Each of at most 24 numbers is rounded to float32: by 2^-25 of itself at most.
      expect(values.subarray(0, t + 1).reduce((a, b) => a + b)).toBeCloseTo(1, 6);
      expect(values.subarray(t + 1).every((value) => value === 0)).toBe(true);
    }
    expect(Math.max(...inside.attention)).toBeGreaterThan(0.5);
  });
});

describe("predictions", () => {
  test("are the softmax of the logits, best first, with the token that came", async () => {
    const { logits } = await trained();
    for (const t of prompt.keys()) {
      const expected = softmaxOf(logits.subarray(t * config.Vp, t * config.Vp + config.V));
      const order = [...expected.keys()].sort((a, b) => expected[b] - expected[a]);
      const { tokens, probabilities } = rowOf(inside.next, t);
      expect(tokens).toEqual(order.slice(0, 10));
      for (const [i, token] of tokens.entries()) expect(probabilities[i]).toBeCloseTo(expected[token], 6);
      if (t === prompt.length - 1) continue;
      expect(inside.next.actual[t]).toBeCloseTo(expected[prompt[t + 1]], 6);
      expect(inside.next.rank[t]).toBe(1 + order.indexOf(prompt[t + 1]));
    }
    expect(inside.next.actual.at(-1)).toBeNaN();
    expect(inside.next.rank.at(-1)).toBe(0);
  });

  test("the lens begins at the embedding and ends at the model's own predictions", async () => {
    expect(inside.lens).toHaveLength(config.L + 1);
    expect(inside.lens[config.L]).toBe(inside.next);

    const { backend, parameters } = reference;
    const { weights } = parameters;
    const tensors = (["wte", "wpe", "lnfw", "lnfb"] as const).flatMap((name) => weights.tensors(name));
    const [tokens, positions, weight, bias] = await Promise.all(tensors.map((t) => backend.read(t)));
    const { C, V } = config;
    const t = 7;
    const stream = Array.from({ length: C }, (_, c) => tokens[prompt[t] * C + c] + positions[t * C + c]);
    const mean = stream.reduce((a, b) => a + b) / C;
    const variance = stream.reduce((sum, x) => sum + (x - mean) ** 2, 0) / C;
    const normed = stream.map((x, c) => ((x - mean) / Math.sqrt(variance + config.epsilon)) * weight[c] + bias[c]);
    const row = Float32Array.from({ length: V }, (_, v) =>
      normed.reduce((sum, x, c) => sum + x * tokens[v * C + c], 0),
    );
    const expected = softmaxOf(row);
    const found = rowOf(inside.lens[0], t);
    expect(found.probabilities[0]).toBeCloseTo(Math.max(...expected), 5);
    for (const [i, token] of found.tokens.entries()) expect(found.probabilities[i]).toBeCloseTo(expected[token], 5);
  });

  test("both backends agree in every layer", async () => {
    const other = await inspect(wasm, prompt, { top: config.V });
    const all = await inspect(reference, prompt, { top: config.V });
    for (const [l, layer] of all.lens.entries()) {
      expect(maxDifference(byToken(other.lens[l]), byToken(layer))).toBeLessThan(rounding);
      const known = (p: Predictions) => p.actual.subarray(0, -1);
      expect(maxDifference(known(other.lens[l]), known(layer))).toBeLessThan(rounding);
    }
  });

  /** Probabilities in the order of tokens, which does not change where two are nearly equal. */
  function byToken({ top, tokens, probabilities }: Predictions): Float32Array {
    const sorted = new Float32Array(probabilities.length);
    for (const [i, token] of tokens.entries()) sorted[i - (i % top) + token] = probabilities[i];
    return sorted;
  }

  test("more than the model has is all it has", async () => {
    const { next } = await inspect(reference, prompt.slice(0, 2), { top: 1000 });
    expect(next.top).toBe(config.V);
    expect(next.probabilities.subarray(0, config.V).reduce((a, b) => a + b)).toBeCloseTo(1, 5);
  });
});

describe("prompts", () => {
  test("one token, none, and more than the model's positions", async () => {
    expect((await inspect(wasm, [3])).attention).toEqual(Float32Array.from([1, 1, 1, 1, 1, 1]));
    expect([...(await inspect(wasm, [])).tokens]).toEqual([wasm.startToken]);
    expect(inside.cut).toBe(0);
    const long = await inspect(reference, [1, 2, 3, ...prompt]);
    expect(long).toEqual({ ...inside, cut: 3 });
  });

  test("no more tokens than its memory is meant for", async () => {
    const wide = await GPT2.create(makeConfig({ maxT: 400, V: 5, L: 1, NH: 1, C: 4 }), { backend: "reference" });
    const { tokens, cut } = await inspect(wide, new Array(300).fill(1));
    expect([tokens.length, cut]).toEqual([mostInspected, 300 - mostInspected]);
  });

  test("texts of all tokens that occur", async () => {
    const sizes = { maxT: 16, L: 1, NH: 1, C: 4 };
    const bytes = await GPT2.create(makeConfig({ ...sizes, V: 256 }), {
      backend: "reference",
      tokenizer: byteTokenizer(),
    });
    const { tokens, texts, lens } = await inspect(bytes, "a é\n");
    expect(Array.from(tokens, (token) => texts.get(token))).toEqual(["a", " ", "\\xC3", "\\xA9", "\n"]);
    expect(lens.flatMap((layer) => [...layer.tokens]).filter((token) => !texts.has(token))).toEqual([]);
    expect(inside.texts.get(prompt[0])).toBe("#5");

    const letters = await GPT2.create(makeConfig({ ...sizes, V: 3 }), {
      backend: "reference",
      tokenizer: charTokenizerOf("abc"),
    });
    await expect(inspect(letters, "abd")).rejects.toThrow(InputError);
  });
});

test("weights in bfloat16 are looked at as well", async () => {
  const actual = async (weights: "f32" | "bf16") => {
    const { next } = await inspect(await GPT2.create(config, { backend: "reference", weights }), prompt);
    return next.actual.subarray(0, -1);
  };
  // Of 8 bits, rounding moves a weight by 2^-9 of itself at most; logits are below 1 here, and probabilities below them.
  const difference = maxDifference(await actual("bf16"), await actual("f32"));
  expect(difference).toBeGreaterThan(0);
  expect(difference).toBeLessThan(2 ** -9);
});

test("what cannot be", async () => {
  for (const top of [0, 1.5, Number.NaN])
    await expect(inspect(reference, prompt, { top }), `${top}`).rejects.toThrow(UsageError);
  await expect(inspect(reference, [config.V])).rejects.toThrow(/token 61, and the model knows 0 to 60/);
  await expect(inspect(reference, "text")).rejects.toThrow(/no tokenizer/);
});

test("its memory is asked for first, and given back whatever happens", async () => {
  const backend = new CountingBackend();
  const model = await GPT2.create(config, { backend });
  const before = backend.bytes;
  await inspect(model, prompt);
  expect(backend.bytes).toBe(before);
  await expect(inspect(model, prompt, { signal: AbortSignal.abort() })).rejects.toThrow("aborted");
  expect(backend.bytes).toBe(before);

  const { allocations } = backend;
  backend.memoryLimit = memoryNeeded(backend, config, { inspect: { T: prompt.length } }) - 1;
  await expect(inspect(model, prompt)).rejects.toThrow(MemoryError);
  expect(backend.allocations).toBe(allocations);
  await inspect(model, prompt.slice(1));
  backend.memoryLimit = Number.MAX_SAFE_INTEGER;

  backend.fill(model.parameters.weights.lnf.weight, Number.NaN);
  await expect(inspect(model, prompt)).rejects.toThrow(NotFiniteError);
  expect(backend.bytes).toBe(before);
});

test("reports progress, and can be posted to another thread", async () => {
  const shares: number[] = [];
  const result = await inspect(wasm, prompt, { onProgress: (share) => shares.push(share) });
  expect(shares).toEqual([1 / 4, 2 / 4, 3 / 4, 1]);
  const copy = structuredClone(result);
  expect(copy).toEqual(result);
  expect(copy.next).toBe(copy.lens.at(-1));
});
