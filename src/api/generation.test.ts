import { beforeAll, expect, test } from "vitest";
import { collect } from "../../test/fixtures.ts";
import { InputError, UsageError } from "../errors.ts";
import type { GenerateEvent } from "../generate/samples.ts";
import { makeConfig } from "../model/config.ts";
import { byteTokenizer } from "../tokenizer/byte.ts";
import { charTokenizerOf } from "../tokenizer/char.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { GPT2 } from "./gpt2.ts";
import type { SampleOptions } from "./options.ts";

const config = makeConfig({ maxT: 32, V: 12, L: 1, NH: 2, C: 16 });
const tokenizer = charTokenizerOf("abcdefghijkl");

let model: GPT2;
beforeAll(async () => {
  model = await GPT2.create(config, { backend: "reference", tokenizer });
});

const events = (options: SampleOptions, prompt: string | number[] = "ab") =>
  collect(model.generateSamples(prompt, { maxTokens: 20, ...options }));
const textOf = (all: readonly GenerateEvent[]) => all.map(({ text }) => text).join("");

test("a stop string ends the text before it, wherever tokens end", async () => {
  const whole = textOf(await events({}));
  expect(whole).toHaveLength(20);
  const stop = whole.slice(7, 10);
  const all = await events({ stop: ["no such text", stop] });
  expect(textOf(all)).toBe(whole.slice(0, whole.indexOf(stop)));
  expect(all.at(-1)).toMatchObject({ type: "end", reason: "stop" });
  expect((await collect(model.generate("ab", { maxTokens: 20, stop }))).join("")).toBe(textOf(all));
});

test("a text ends at its length, at end-of-text, or by the signal, and says so", async () => {
  expect((await events({})).at(-1)).toMatchObject({ type: "end", reason: "length" });
  expect((await events({ signal: AbortSignal.abort() })).at(-1)).toMatchObject({ reason: "interrupted" });

  const [first] = await events({});
  const endOfText = first.type === "token" ? first.token : 0;
  const ending = await GPT2.create(config, { backend: "reference", tokenizer: withEnd(endOfText) });
  const options = { maxTokens: 20 };
  expect(await collect(ending.generateSamples("ab", options))).toEqual([
    { type: "end", sample: 0, reason: "end-of-text", text: "" },
  ]);
  expect(await collect(ending.generateTokens([0, 1], { ...options, pastEnd: true }))).toHaveLength(20);
});

/** The tokenizer with one of its tokens as end-of-text. */
function withEnd(endOfText: number): Tokenizer {
  return {
    endOfText,
    kind: tokenizer.kind,
    vocabSize: tokenizer.vocabSize,
    encode: (text) => tokenizer.encode(text),
    encodeStream: () => tokenizer.encodeStream(),
    decode: (ids) => tokenizer.decode(ids),
    decodeBytes: (ids) => tokenizer.decodeBytes(ids),
    tokens: () => tokenizer.tokens(),
  };
}

test("logarithms of probabilities: the chosen token's and the best ones", async () => {
  const [greedy] = await events({ temperature: 0, logprobs: 12 });
  if (greedy.type !== "token" || !greedy.top) throw new Error("no token came");
  expect(greedy.top[0]).toEqual({ token: greedy.token, logprob: greedy.logprob });
  expect(greedy.top.reduce((sum, { logprob }) => sum + Math.exp(logprob), 0)).toBeCloseTo(1, 5);
  const [plain] = await events({});
  expect(plain).not.toHaveProperty("logprob");
});

test("a character split over tokens is emitted only when it is complete", async () => {
  const bytes = await GPT2.create(makeConfig({ ...config, V: 256, Vp: 256 }), {
    backend: "reference",
    tokenizer: byteTokenizer(),
  });
  const all = await collect(bytes.generateSamples("é", { maxTokens: 31 }));
  const tokens = all.flatMap((event) => (event.type === "token" ? [event.token] : []));
  expect(tokens).toHaveLength(31);
  expect(textOf(all)).toBe(byteTokenizer().decode(tokens));
  await bytes.dispose();
});

test("any number of samples: those that are not consumed are not generated", async () => {
  const some: GenerateEvent[] = [];
  for await (const event of model.generateSamples("ab", { samples: 2 ** 33, maxTokens: 1 })) {
    some.push(event);
    if (event.sample === 20) break;
  }
  expect(some.length).toBeGreaterThan(20);
  const stop = new AbortController();
  let last = 0;
  for await (const { sample } of model.generateSamples("ab", { samples: 2 ** 33, maxTokens: 1, signal: stop.signal })) {
    last = Math.max(last, sample);
    if (sample === 20) stop.abort();
  }
  expect(last).toBeLessThan(24);
});

test("invalid options are refused", async () => {
  for (const options of [
    { samples: 0 },
    { samples: 1.5 },
    { logprobs: -1 },
    { stop: "" },
    { minP: 2 },
    { repetitionPenalty: -1 },
    { llmc: true, temperature: 0.5 },
    { llmc: true, samples: 2 },
    { llmc: true, maxTokens: 31 },
  ])
    await expect(events(options), JSON.stringify(options)).rejects.toThrow(UsageError);
  await expect(events({ samples: 3, seed: 2 ** 53 - 1 })).rejects.toThrow(
    /The seed is 9007199254740991, and each of 3 samples takes the next one: choose a seed of 9007199254740989 or less/,
  );
  await expect(events({}, [12])).rejects.toThrow(/token 12, and the model knows 0 to 11/);
  await expect(events({}, "abz")).rejects.toThrow(InputError);
});

test("a signal that comes behind the last token interrupts nothing, one before it does", async () => {
  const reasonWhenAbortedAt = async (token: number) => {
    const stop = new AbortController();
    let reason = "";
    let tokens = 0;
    for await (const event of model.generateSamples("ab", { maxTokens: 3, signal: stop.signal })) {
      if (event.type === "end") reason = event.reason;
      else if (++tokens === token) stop.abort();
    }
    return reason;
  };
  expect(await reasonWhenAbortedAt(3)).toBe("length");
  expect(await reasonWhenAbortedAt(2)).toBe("interrupted");
});
