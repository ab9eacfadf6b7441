import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { randomModel } from "../../test/fixtures.ts";
import { localGroup } from "../../test/local-group.ts";
import { GPT2 } from "../api/gpt2.ts";
import type { Tensor } from "../backend/backend.ts";
import { createBackend } from "../backend/registry.ts";
import { recordOperations } from "../backend/work.ts";
import { InputError, NotFiniteError, UsageError } from "../errors.ts";
import { makeConfig } from "../model/config.ts";
import { forward, logits } from "../model/gpt2.ts";
import { TensorScope } from "../model/tensor-scope.ts";
import { allocLossWorkspace } from "../model/workspace.ts";
import { byteTokenizer } from "../tokenizer/byte.ts";
import { VocabularyTokenizer } from "../tokenizer/tokenizer.ts";
import { evaluateLoss, type TokenSequence } from "./loss.ts";
import { type Layout, layoutsOf, type Row } from "./packing.ts";
import { type RowScore, Scorer } from "./scorer.ts";
import { evaluateHellaSwag, evaluateLambada, fitting } from "./tasks.ts";

const config = makeConfig({ maxT: 16, V: 256, L: 2, NH: 2, C: 16 });
let models: Record<"reference" | "wasm", GPT2>;
beforeAll(async () => {
  models = {
    reference: await randomModel(await createBackend("reference"), config),
    wasm: await randomModel(await createBackend("wasm", { threads: 2 }), config),
  };
});
afterAll(async () => {
  for (const { backend } of Object.values(models)) await backend.dispose();
});

const backends = ["reference", "wasm"] as const;

/** The same ids every time, all over the vocabulary. */
const ids = (length: number, seed = 0) =>
  Array.from({ length }, (_, i) => (97 * (i + seed) * (i + 3) + 31 * seed) % 256);

const sequence = (tokens: readonly number[], name = "tokens"): TokenSequence => ({
  name,
  count: tokens.length,
  read: async (start, length) => Int32Array.from(tokens.slice(start, start + length)),
});

/** -log softmax of the last token given the others, by hand: all logits of the reference, then 64-bit arithmetic. */
async function lossByHand(
  tokens: readonly number[],
  { backend, parameters }: GPT2 = models.reference,
): Promise<{ loss: number; isLargest: boolean }> {
  const [T, target] = [tokens.length - 1, tokens[tokens.length - 1]];
  const memory = new TensorScope(backend);
  const ws = allocLossWorkspace(memory, parameters.config, 1, T);
  const out = memory.alloc([T, config.Vp]);
  await backend.write(ws.tokens, Int32Array.from(tokens.slice(0, T)));
  forward(backend, parameters, ws);
  logits(backend, parameters, out, ws.lnf.out);
  const last = [...(await backend.read(out)).subarray((T - 1) * config.Vp, (T - 1) * config.Vp + config.V)];
  await memory.free();
  const largest = Math.max(...last);
  const loss = Math.log(last.reduce((sum, logit) => sum + Math.exp(logit - largest), 0)) + largest - last[target];
  return { loss, isLargest: last.indexOf(largest) === target };
}

async function lossesByHand(tokens: readonly number[], from: number, model?: GPT2): Promise<number[]> {
  const losses: number[] = [];
  for (let i = from; i < tokens.length; i++) losses.push((await lossByHand(tokens.slice(0, i + 1), model)).loss);
  return losses;
}

const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);

/**
 * Losses are up to about 20, so one float32 rounding of them is 1e-6. A logit is a sum of 16 products of normalised
 * values, after two layers that round a few dozen times: 1e-5 of the loss is what is left of its 24 bits.
 */
const near = (value: number) => 1e-5 * Math.max(1, Math.abs(value));

describe.each(backends)("%s", (backend) => {
  test("a row's losses are what full logits give, in any batch", async () => {
    const rows: Row[] = Array.from({ length: 13 }, (_, i) => {
      const length = 2 + ((7 * i) % 15);
      return { tokens: ids(length, i), from: 1 + ((3 * i) % (length - 1)) };
    });
    /** The reference computes every row by itself; wasm's kernel for few rows adds in another order. */
    const expectSame = (found: readonly ArrayLike<number>[], expected: readonly ArrayLike<number>[]) => {
      for (const [i, losses] of expected.entries())
        for (const [n, loss] of Array.from(losses).entries())
          expect(Math.abs(found[i][n] - loss)).toBeLessThanOrEqual(backend === "reference" ? 0 : near(loss));
    };
    const large = new Scorer(models[backend]);
    const small = new Scorer(models[backend], config.maxT);
    const together = await large.score(rows);
    for (const [i, row] of rows.entries()) {
      const expected = await lossesByHand([...ids(row.tokens.length, i)], row.from);
      expect(together[i].losses.length).toBe(expected.length);
      for (const [n, loss] of expected.entries())
        expect(Math.abs(together[i].losses[n] - loss)).toBeLessThan(near(loss));
      expectSame([(await small.score([row]))[0].losses], [together[i].losses]);
    }
    const losses = (scores: readonly RowScore[]) => scores.map((score) => score.losses);
    expectSame(losses(await small.score(rows)), losses(together));
    await large.dispose();
    await small.dispose();
  });

  test("greedy scores have the same losses, and know the most probable token", async () => {
    const scorer = new Scorer(models[backend]);
    const rows: Row[] = [];
    const expected: boolean[] = [];
    for (const seed of [1, 2, 3]) {
      const context = ids(6, seed);
      let best = 0;
      while (!(await lossByHand([...context, best])).isLargest) best++;
      for (const last of [best, (best + 1) % 256]) rows.push({ tokens: [...context, last], from: 6 });
      expected.push(true, false);
    }
    const greedy = await scorer.score(rows, { greedy: true });
    const plain = await scorer.score(rows);
    expect(greedy.map((score) => score.greedy)).toEqual(expected);
    for (const [i, { losses }] of plain.entries())
      expect(Math.abs(greedy[i].losses[0] - losses[0])).toBeLessThan(near(losses[0]));
    await scorer.dispose();
  });

  test.each([
    { count: 40, T: 16, stride: 16 },
    { count: 40, T: 16, stride: 5 },
    { count: 40, T: 7, stride: 1 },
    { count: 17, T: 16, stride: 8 },
    { count: 5, T: 16, stride: 3 },
    { count: 33, T: 8, stride: 8 },
  ])(
    "loss of $count tokens, T $T, stride $stride: each token once, with the context that its window has",
    async (c) => {
      const { count, T, stride } = c;
      const tokens = ids(count, 5);
      const losses: number[] = [];
      for (let i = 1; i < count; i++) {
        // The first window that reaches token i as a target.
        const window = Math.max(0, Math.ceil((i - T) / stride));
        losses.push((await lossByHand(tokens.slice(window * stride, i + 1))).loss);
      }
      const scorer = new Scorer(models[backend], 48);
      const found = await evaluateLoss(scorer, [sequence(tokens)], { T, stride, tokenizer: byteTokenizer() });
      const mean = total(losses) / (count - 1);
      expect(found).toMatchObject({ tokens: count - 1, bytes: count - 1, T, stride });
      expect(Math.abs(found.loss - mean)).toBeLessThan(near(mean));
      expect(found.perplexity).toBe(Math.exp(found.loss));
      expect(Math.abs((found.bitsPerByte ?? 0) - mean / Math.LN2)).toBeLessThan(near(mean / Math.LN2));
      await scorer.dispose();
    },
  );

  test("HellaSwag: sums and means of the endings' log-probabilities", async () => {
    const examples = Array.from({ length: 6 }, (_, i) => ({
      context: ids(3 + i, i),
      endings: [1, 2, 3, 4].map((n) => ids(n + (i % 3), 10 * i + n)),
      label: i % 4,
    }));
    let right = 0;
    let rightNorm = 0;
    for (const { context, endings, label } of examples) {
      const sums: number[] = [];
      for (const ending of endings) sums.push(total(await lossesByHand([...context, ...ending], context.length)));
      const means = sums.map((sum, i) => sum / endings[i].length);
      if (sums.indexOf(Math.min(...sums)) === label) right++;
      if (means.indexOf(Math.min(...means)) === label) rightNorm++;
    }
    const scorer = new Scorer(models[backend], 64);
    const result = await evaluateHellaSwag(scorer, examples);
    const [acc, accNorm] = [right / 6, rightNorm / 6];
    expect(result).toEqual({
      examples: 6,
      acc: { value: acc, stderr: Math.sqrt((acc * (1 - acc)) / 5) },
      accNorm: { value: accNorm, stderr: Math.sqrt((accNorm * (1 - accNorm)) / 5) },
      cut: 0,
    });
    const labels = await Promise.all([0, 1, 2, 3].map((label) => ({ ...examples[0], label })));
    // Exactly one of the four labels is the model's choice.
    expect(await evaluateHellaSwag(scorer, labels)).toMatchObject({ acc: { value: 0.25 }, accNorm: { value: 0.25 } });
    await scorer.dispose();
  });

  test("LAMBADA: the last word whole, and its perplexity", async () => {
    const tokenizer = byteTokenizer();
    const texts = ["one two", "so it is", "a bc", "the last word"];
    const nats: number[] = [];
    for (const text of texts) {
      const bytes = tokenizer.encode(text);
      nats.push(total(await lossesByHand(bytes, text.lastIndexOf(" "))));
    }
    const scorer = new Scorer(models[backend]);
    const result = await evaluateLambada(scorer, texts, tokenizer);
    const perplexity = Math.exp(total(nats) / texts.length);
    expect(result).toMatchObject({ examples: 4, acc: { value: 0 }, cut: 0 });
    // An exponent that is off by e makes the perplexity off by that share.
    expect(Math.abs(Math.log(result.perplexity / perplexity))).toBeLessThan(near(total(nats) / texts.length));
    for (const text of ["one", "", "two  ", " word"])
      await expect(evaluateLambada(scorer, [text], tokenizer)).rejects.toThrow(InputError);
    await scorer.dispose();
  });
});

/** `count` rows that go on from one context, each with `scored` tokens of its own. */
function endingsOf(context: readonly number[], count: number, scored: number): Row[] {
  return Array.from({ length: count }, (_, i) => ({
    tokens: [...context, ...ids(scored, 20 + i)],
    from: context.length,
  }));
}

test("rows that begin alike share their beginning: it is computed once, with the same bits", async () => {
  const { backend, parameters } = models.wasm;
  let computed = 0;
  const counting = recordOperations(backend, ({ operation, args }) => {
    if (operation === "geluForward") computed += (args[0] as Tensor).size / config.hidden / config.L;
  });
  const scorer = new Scorer({ backend: counting, parameters });
  const rows = [...endingsOf(ids(7, 1), 4, 10), ...endingsOf(ids(6, 2), 4, 9)];
  const shared = await scorer.score(rows);
  // The last token predicts nothing.
  expect(computed).toBe(7 + 4 * 9 + 6 + 4 * 8);
  computed = 0;
  // More than eight rows each, so that the same kernels compute them alone.
  for (const [i, row] of rows.entries()) expect(shared[i]).toEqual((await scorer.score([row]))[0]);
  expect(computed).toBe(total(rows.map(({ tokens }) => tokens.length - 1)));
  await scorer.dispose();
});

test("a shared beginning whose rows do not fit one batch is computed in each", async () => {
  const scorer = new Scorer(models.reference, config.maxT);
  const rows = endingsOf(ids(8, 3), 5, 4);
  const found = await scorer.score(rows);
  for (const [i, { tokens, from }] of rows.entries()) {
    const expected = await lossesByHand(Array.from(tokens), from);
    for (const [n, loss] of expected.entries())
      expect(Math.abs(found[i].losses[n] - loss)).toBeLessThanOrEqual(near(loss));
  }
  await scorer.dispose();
});

test.each([
  { positions: "rotary", norm: "rms" },
  { positions: "learned", norm: "layer" },
] as const)("any architecture: positions $positions, norm $norm", async (architecture) => {
  const backend = await createBackend("reference");
  const model = await randomModel(backend, { ...config, ...architecture });
  const scorer = new Scorer(model);
  const rows = [...endingsOf(ids(5, 1), 3, 4), { tokens: ids(9, 4), from: 1 }, { tokens: ids(9, 5), from: 1 }];
  const found = await scorer.score(rows);
  for (const [i, { tokens, from }] of rows.entries()) {
    const expected = await lossesByHand(Array.from(tokens), from, model);
    for (const [n, loss] of expected.entries())
      expect(Math.abs(found[i].losses[n] - loss)).toBeLessThanOrEqual(near(loss));
  }
  await backend.dispose();
});

test("limits, several sequences, and what cannot be", async () => {
  const scorer = new Scorer(models.wasm);
  const [a, b] = [ids(20, 1), ids(9, 2)];
  const loss = (tokens: readonly number[]) => evaluateLoss(scorer, [sequence(tokens)]);
  const both = await evaluateLoss(scorer, [sequence(a), sequence(b)]);
  expect(both.tokens).toBe(27);
  expect(both.loss).toBeCloseTo(((await loss(a)).loss * 19 + (await loss(b)).loss * 8) / 27, 5);
  const limited = await evaluateLoss(scorer, [sequence(a), sequence(b)], { limit: 22 });
  expect(limited.tokens).toBe(22);
  expect(limited.loss).toBeCloseTo(((await loss(a)).loss * 19 + (await loss(b.slice(0, 4))).loss * 3) / 22, 5);
  await expect(loss([1])).rejects.toThrow(InputError);
  await expect(loss([1, 256])).rejects.toThrow(/token 256.*V = 256/);
  await expect(evaluateLoss(scorer, [sequence(a)], { stride: 17 })).rejects.toThrow(UsageError);
  await expect(evaluateLoss(scorer, [sequence(a)], { T: 17 })).rejects.toThrow(UsageError);
  await expect(evaluateHellaSwag(scorer, [])).rejects.toThrow(InputError);
  await scorer.dispose();
});

test("end-of-text stands for no bytes", async () => {
  class WithEnd extends VocabularyTokenizer {
    readonly kind = "unknown";
    encode(): number[] {
      return [];
    }
  }
  const tokenizer = new WithEnd(
    byteTokenizer()
      .tokens()
      .map((token) => Uint8Array.of(...token, 0)),
    7,
  );
  const scorer = new Scorer(models.reference);
  const tokens = [1, 7, 3, 4];
  const losses = await lossesByHand(tokens, 1);
  const found = await evaluateLoss(scorer, [sequence(tokens)], { tokenizer });
  expect(found).toMatchObject({ tokens: 3, bytes: 4 });
  const expected = (losses[1] + losses[2]) / Math.LN2 / 4;
  expect(Math.abs((found.bitsPerByte ?? 0) - expected)).toBeLessThan(near(expected));
});

test("what is too long for the model is cut at its front", () => {
  const all = ids(30);
  const cutTo = (contextLength: number) => fitting(all.slice(0, contextLength), all.slice(contextLength), 16);
  // 17 tokens fit 16 positions: the last one is only predicted.
  expect(cutTo(25)).toEqual({ row: { tokens: all.slice(13), from: 12 }, cut: true });
  expect(cutTo(14)).toEqual({ row: { tokens: all.slice(13), from: 1 }, cut: true });
  expect(cutTo(5)).toEqual({ row: { tokens: all.slice(13), from: 1 }, cut: true });
  expect(fitting(all.slice(0, 10), all.slice(10, 17), 16)).toEqual({
    row: { tokens: all.slice(0, 17), from: 10 },
    cut: false,
  });
});

test("a model whose loss is NaN is refused with the damaged weight", async () => {
  const broken = await randomModel(await createBackend("reference"), config);
  await broken.backend.write(broken.parameters.weights.lnf.weight, Float32Array.of(Number.NaN));
  const scorer = new Scorer(broken);
  await expect(scorer.score([{ tokens: [1, 2], from: 1 }])).rejects.toThrow(NotFiniteError);
  await expect(scorer.score([{ tokens: [1, 2], from: 1 }])).rejects.toThrow(/lnfw/);
});

test("in a group every member gets the scores that one alone has, to the bit", async () => {
  const { reference: model } = models;
  const rows: Row[] = Array.from({ length: 20 }, (_, i) => ({ tokens: ids(3 + (i % 14), i), from: 1 + (i % 3) }));
  const alone = new Scorer(model, 32);
  const expected = await alone.score(rows, { greedy: true });
  const loss = await evaluateLoss(alone, [sequence(ids(90, 2))], { T: 8 });
  const computed: number[] = [];
  for (const size of [2, 3]) {
    const members = await Promise.all(
      localGroup(size).map(async (group) => {
        const backend = await createBackend("reference");
        const own = await GPT2.zeros(config, { backend });
        for (const { name, size } of own.parameters.weights.parameters) {
          const values = await model.parameters.weights.read(model.backend, name, 0, size);
          await own.parameters.weights.write(backend, name, 0, values);
        }
        const scorer = new Scorer(own, 32, group);
        let tokens = 0;
        const onProgress = (done: number) => {
          tokens = done;
        };
        const scores = await scorer.score(rows, { greedy: true, onProgress });
        computed.push(tokens);
        return { scores, loss: await evaluateLoss(scorer, [sequence(ids(90, 2))], { T: 8 }) };
      }),
    );
    for (const { scores, loss: found } of members) {
      expect(scores.map(({ losses, greedy }) => ({ losses: [...Array.from(losses)], greedy }))).toEqual(
        expected.map(({ losses, greedy }) => ({ losses: [...Array.from(losses)], greedy })),
      );
      expect(found).toEqual(loss);
    }
  }
  // Each computes a part.
  expect(Math.max(...computed)).toBeLessThan(rows.reduce((sum, { tokens }) => sum + tokens.length - 1, 0));
});

test("a damaged model is refused in all members of a group", async () => {
  const outcomes = await Promise.allSettled(
    localGroup(2).map(async (group) => {
      const broken = await randomModel(await createBackend("reference"), config);
      if (group.rank === 1)
        await broken.backend.write(broken.parameters.weights.lnf.weight, Float32Array.of(Number.NaN));
      const rows = Array.from({ length: 4 }, () => ({ tokens: ids(9), from: 1 }));
      await new Scorer(broken, 16, group).score(rows);
    }),
  );
  for (const outcome of outcomes)
    expect(outcome).toMatchObject({
      status: "rejected",
      reason: { message: expect.stringMatching(/^\[rank 1 .*lnfw/) },
    });
});

/** What each row of a layout's workspace sees, by the order in which segments fill and find the cache. */
function contextsOf({ segments, pieces }: Layout, rows: readonly Row[], capacity: number): number[][] {
  const held = new Map<number, number>();
  for (const { index, first, span } of pieces)
    for (let i = 0; i < span.length; i++) held.set(span.start + i, rows[index].tokens[first + i]);
  const contexts: number[][] = Array.from({ length: capacity }, () => []);
  const cache: number[] = [];
  for (const { start, B, T, past } of segments)
    for (let b = 0; b < B; b++) {
      const seen = cache.slice(0, past ?? 0);
      for (let row = start + b * T; row < start + (b + 1) * T; row++) {
        const token = held.get(row);
        if (token === undefined) throw new Error(`segment at ${start}: row ${row} holds nothing`);
        seen.push(token);
        contexts[row] = [...seen];
      }
      if (past !== undefined) cache.splice(0, seen.length, ...seen);
    }
  return contexts;
}

test.each([1, 16])(
  "batches hold all rows, each with what comes before it; segments begin at multiples of %i",
  (unit) => {
    const rows: Row[] = Array.from({ length: 100 }, (_, i) => {
      const from = 1 + ((37 * Math.floor(i / 3)) % 11);
      const context = ids(from, Math.floor(i / 3) * 7);
      // Some endings are alike, some begin alike.
      const ending = i % 7 === 2 ? ids(5, i - 1) : ids(1 + ((5 * i) % 9), i % 5 === 0 ? i : i - (i % 5));
      return { tokens: [...context, ...ending], from };
    });
    const capacity = 80;
    const layouts = layoutsOf(rows, capacity, unit);
    expect(layouts.flatMap(({ places }) => places.map(({ index }) => index))).toEqual(rows.map((_, i) => i));
    let computed = 0;
    for (const layout of layouts) {
      expect(Math.max(layout.rows, layout.predicting.length)).toBeLessThanOrEqual(capacity);
      expect(layout.segments.every(({ start }) => start % unit === 0)).toBe(true);
      const contexts = contextsOf(layout, rows, capacity);
      for (const { index, span } of layout.places) {
        const { tokens, from } = rows[index];
        const found = layout.predicting.slice(span.start, span.start + span.length).map((row) => contexts[row]);
        expect(found).toEqual(found.map((_, i) => Array.from(tokens).slice(0, from + i)));
        expect(found.length).toBe(tokens.length - from);
      }
      computed += layout.pieces.reduce((sum, { span }) => sum + span.length, 0);
    }
    // Rows that share something are in one batch, so what they share is computed once.
    const shared = rows.map(({ tokens }, i) => {
      const before = i === 0 ? [] : rows[i - 1].tokens;
      let length = 0;
      while (length < Math.min(before.length, tokens.length) - 1 && before[length] === tokens[length]) length++;
      return length < 4 ? 0 : length;
    });
    expect(computed).toBe(total(rows.map(({ tokens }, i) => tokens.length - 1 - shared[i])));
  },
);

test("a row longer than a batch, and rows whose shared beginning no batch holds once", () => {
  const long = layoutsOf([{ tokens: ids(101), from: 1 }], 64, 1);
  expect(long.map(({ places }) => places.length)).toEqual([1]);
  const rows = endingsOf(ids(40, 1), 6, 10);
  const layouts = layoutsOf(rows, 70, 1);
  expect(layouts.map(({ places }) => places.length)).toEqual([3, 3]);
  for (const layout of layouts) {
    expect(layout.rows).toBe(40 + 3 * 9);
    const contexts = contextsOf(layout, rows, 70);
    for (const { index, span } of layout.places)
      expect(contexts[layout.predicting[span.start + 9]]).toEqual(Array.from(rows[index].tokens).slice(0, -1));
  }
});

test("a row that is scored many times is computed once, and predicts no more than a batch holds", () => {
  const rows: Row[] = Array.from({ length: 10 }, () => ({ tokens: ids(17, 1), from: 1 }));
  const layouts = layoutsOf(rows, 40, 1);
  expect(layouts.map(({ rows, predicting }) => [rows, predicting.length])).toEqual(Array(5).fill([16, 32]));
});
