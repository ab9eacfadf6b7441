import { describe, expect, test } from "vitest";
import { NotFiniteError, UsageError } from "../errors.ts";
import { argmax, Sampler, sampleMult, softmax } from "./sampler.ts";

const V = 50257;

/** Logits from -4 to 4, from a linear congruential generator that is easy to write in C as well. */
function manyLogits(): Float32Array {
  const logits = new Float32Array(50304);
  let state = 1;
  for (let i = 0; i < V; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    logits[i] = Math.fround(Math.fround((state >>> 8) / 16777216) * 8) - 4;
  }
  // The values in the padding must not matter.
  return logits.fill(1000, V);
}

/** Frequency of each token in `draws` draws. */
function count(sampler: Sampler, logits: Float32Array, draws: number): number[] {
  const counts = new Array<number>(logits.length).fill(0);
  for (let i = 0; i < draws; i++) counts[sampler.next(logits, logits.length)]++;
  return counts;
}

const logitsOf = (...probabilities: number[]) => Float32Array.from(probabilities, Math.log);

test("the tokens of llm.c's softmax and sample_mult, compiled with gcc, from its seed 1337", () => {
  const expected = [
    11564, 9676, 15451, 45149, 34105, 15334, 14304, 21389, 21253, 33069, 24350, 21599, 37910, 24019, 8950, 17239, 8875,
    41073, 13384, 44334, 17711, 1355, 36848, 25080,
  ];
  const sampler = new Sampler();
  const logits = manyLogits();
  expect(expected.map(() => sampler.next(logits, V))).toEqual(expected);
});

test("a coin falls on the first token whose cumulative probability exceeds it", () => {
  const probabilities = Float32Array.of(0.25, 0, 0.5, 0.25);
  expect([0, 0.249, 0.25, 0.749, 0.75, 0.999].map((coin) => sampleMult(probabilities, coin))).toEqual([
    0, 0, 2, 2, 3, 3,
  ]);
});

test("rounding at the end never chooses an impossible token", () => {
  expect(sampleMult(Float32Array.of(0.5, 0.4999, 0, 0), 0.99999)).toBe(1);
});

test("temperature 0 is greedy, and of equals the first wins", () => {
  const sampler = new Sampler({ temperature: 0 });
  expect(count(sampler, Float32Array.of(1, 3, 3, 2), 20)).toEqual([0, 20, 0, 0]);
  expect(argmax(Float32Array.of(-5, -5))).toBe(0);
});

test("temperature sharpens and flattens", () => {
  const logits = Float32Array.of(0, 1);
  expect(softmax(logits)[1]).toBeCloseTo(1 / (1 + Math.exp(-1)), 6);
  expect(softmax(logits, 0.5)[1]).toBeCloseTo(1 / (1 + Math.exp(-2)), 6);
  expect(softmax(logits, 4)[1]).toBeCloseTo(1 / (1 + Math.exp(-0.25)), 6);
  expect(softmax(Float32Array.of(0, 1, 50), 1e-30)).toEqual(Float32Array.of(0, 0, 1));
});

describe("top-k and top-p", () => {
  const logits = logitsOf(0.1, 0.4, 0.15, 0.3, 0.05);

  test.each([
    ["topK 2", { topK: 2 }, [1, 3]],
    ["topK 1", { topK: 1 }, [1]],
    ["topK beyond V", { topK: 99 }, [0, 1, 2, 3, 4]],
    ["topP 0.35", { topP: 0.35 }, [1]],
    ["topP 0.69", { topP: 0.69 }, [1, 3]],
    ["topP 0.84", { topP: 0.84 }, [1, 2, 3]],
    ["topP 1", { topP: 1 }, [0, 1, 2, 3, 4]],
    ["a tiny topP still leaves one", { topP: 1e-9 }, [1]],
    ["minP 0.3 of the best", { minP: 0.3 }, [1, 2, 3]],
    ["minP 1", { minP: 1 }, [1]],
    ["minP works on what topK left", { topK: 2, minP: 0.1 }, [1, 3]],
    ["topP works on what topK left", { topK: 3, topP: 0.8 }, [1, 3]],
  ])("%s", (_, options, expected) => {
    const counts = count(new Sampler(options), logits, 500);
    expect(counts.flatMap((n, token) => (n > 0 ? [token] : []))).toEqual(expected);
  });

  test("what is left keeps its proportions", () => {
    const counts = count(new Sampler({ topK: 2 }), logits, 20_000);
    expect(counts[1] / 20_000).toBeCloseTo(4 / 7, 1);
  });

  test("of equals at the border the first stay", () => {
    const counts = count(new Sampler({ topK: 2 }), Float32Array.of(1, 5, 1, 1), 500);
    expect(counts.map((n) => n > 0)).toEqual([true, true, false, false]);
  });
});

test("a repetition penalty divides positive logits of what was seen, and multiplies negative ones", () => {
  const sampler = new Sampler({ temperature: 0, repetitionPenalty: 2 });
  const positive = Float32Array.of(3, 2, 1);
  expect(sampler.next(positive, 3, [0])).toBe(1);
  expect(sampler.next(positive, 3, [0, 1])).toBe(0);
  expect(sampler.next(Float32Array.of(-1, -1.5, -3), 3, [0])).toBe(1);
  expect(positive).toEqual(Float32Array.of(3, 2, 1));
});

test("the same seed gives the same tokens, another seed others", () => {
  const logits = new Float32Array(1000);
  const draw = (seed: number) => {
    const sampler = new Sampler({ seed });
    return Array.from({ length: 8 }, () => sampler.next(logits, 1000));
  };
  expect(draw(7)).toEqual(draw(7));
  expect(draw(7)).not.toEqual(draw(8));
});

test("seeds that are neighbours, 0, or negative have nothing in common", () => {
  const coins = (seed: number | bigint, count = 1) => {
    const sampler = new Sampler({ seed });
    const logits = new Float32Array(4096); // equal: the token is the coin
    return Array.from({ length: count }, () => sampler.next(logits, 4096) / 4096);
  };
  const seeds = Array.from({ length: 3000 }, (_, i) => i - 1500);
  const first = seeds.map((seed) => coins(seed)[0]);
  // Of independent coins 3.96% are within 0.02; five standard deviations of 2999 of them are 1.8%.
  const near = first.slice(1).filter((coin, i) => Math.abs(coin - first[i]) < 0.02).length / 2999;
  expect(Math.abs(near - 0.0396)).toBeLessThan(0.018);
  expect(new Set(seeds.map((seed) => new Sampler({ seed }).state)).size).toBe(3000);
  expect(coins(0, 8)).not.toEqual(coins(1, 8));
  expect(coins(-1, 8)).not.toEqual(coins(-2, 8));
  expect(coins(7, 8)).toEqual(coins(7n, 8));
});

test("llm.c's seed is llm.c's state, and with `llmc` every seed is", () => {
  expect(new Sampler().state).toBe(1337n);
  expect(new Sampler({ seed: 1337 }).state).toBe(1337n);
  expect(new Sampler({ seed: 5 }).state).not.toBe(5n);
  expect(new Sampler({ seed: 5, llmc: true }).state).toBe(5n);
});

test("a sampler with another one's state continues its sequence", () => {
  const logits = new Float32Array(1000);
  const sampler = new Sampler({ seed: 7 });
  sampler.next(logits, 1000);
  const resumed = new Sampler({ state: sampler.state });
  const draw = (one: Sampler) => Array.from({ length: 8 }, () => one.next(logits, 1000));
  expect(draw(resumed)).toEqual(draw(sampler));
});

test("options out of range are refused", () => {
  for (const options of [
    { temperature: -1 },
    { temperature: Number.NaN },
    { topK: 1.5 },
    { topK: -1 },
    { topP: 0 },
    { topP: 1.1 },
    { minP: -0.1 },
    { minP: 1.1 },
    { repetitionPenalty: 0 },
    { repetitionPenalty: Number.NaN },
    { repetitionPenalty: 1e-40 },
    { repetitionPenalty: 1e40 },
    { seed: 0.5 },
  ])
    expect(() => new Sampler(options), JSON.stringify(options)).toThrow(UsageError);
});

test("NaN or infinite logits are refused", () => {
  for (const temperature of [0, 1])
    expect(() => new Sampler({ temperature }).next(Float32Array.of(1, Number.NaN, 2), 3)).toThrow(NotFiniteError);
});
