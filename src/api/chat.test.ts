import { beforeAll, describe, expect, test } from "vitest";
import { InputError } from "../errors.ts";
import { makeConfig } from "../model/config.ts";
import { withChat } from "../tokenizer/chat.ts";
import { gpt2Tokenizer } from "../tokenizer/gpt2.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { Chat, type ChatOptions } from "./chat.ts";
import { GPT2 } from "./gpt2.ts";
import type { SampleOptions } from "./options.ts";

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await withChat(await gpt2Tokenizer());
});

/** A model that answers with what it is given, one after the other, and remembers what it was asked. */
function scripted(answers: readonly string[], maxT = 200) {
  const asked: { readonly prompt: string; readonly options: SampleOptions }[] = [];
  const model = {
    tokenizer,
    config: { ...makeConfig({ V: tokenizer.vocabSize, maxT, L: 1, NH: 1, C: 8 }) },
    async *generateSamples(prompt: readonly number[], options: SampleOptions) {
      asked.push({ prompt: tokenizer.decode(prompt), options });
      const text = answers[asked.length - 1] ?? "";
      for (const word of text.split(/(?<= )/)) yield { type: "token", sample: 0, token: 0, text: word };
      yield { type: "end", sample: 0, reason: options.signal?.aborted ? "interrupted" : "stop", text: "" };
    },
  };
  return { model: model as unknown as GPT2, asked };
}

async function answerOf(chat: Chat, message: string) {
  const pieces: string[] = [];
  const answer = chat.send(message);
  let next = await answer.next();
  for (; !next.done; next = await answer.next()) pieces.push(next.value);
  return { pieces, ...next.value };
}

const opened = async (answers: readonly string[], options?: ChatOptions, maxT?: number) => {
  const { model, asked } = scripted(answers, maxT);
  return { chat: await Chat.open(model, options), asked };
};

test("each turn's prompt is the conversation so far, and it ends where the template ends a turn", async () => {
  const { chat, asked } = await opened(["Hello to you.", "Bye."], { system: "Be kind.", seed: 7, temperature: 0.5 });
  expect(await answerOf(chat, "Hi")).toEqual({
    pieces: ["Hello ", "to ", "you."],
    text: "Hello to you.",
    reason: "stop",
    full: false,
    leftOut: 0,
  });
  await answerOf(chat, "Go");
  expect(asked.map(({ prompt }) => prompt)).toEqual([
    "<|endoftext|><|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n",
    "<|endoftext|><|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello to you.<|im_end|>\n" +
      "<|im_start|>user\nGo<|im_end|>\n<|im_start|>assistant\n",
  ]);
  expect(asked.map(({ options }) => [options.stop, options.seed, options.temperature])).toEqual([
    ["<|im_end|>", 7, 0.5],
    ["<|im_end|>", 8, 0.5],
  ]);
  expect(chat.messages.map(({ role }) => role)).toEqual(["system", "user", "assistant", "user", "assistant"]);
});

test("a conversation that grows too long loses whole turns, the oldest first, and never the system prompt", async () => {
  const { chat, asked } = await opened(
    Array.from({ length: 9 }, (_, i) => `Answer ${i}.`),
    { system: "Be kind." },
    80,
  );
  const leftOut: number[] = [];
  for (let i = 0; i < 8; i++) leftOut.push((await answerOf(chat, `Question number ${i}, please`)).leftOut);
  // A turn has about 9 tokens, an answer 7, and a quarter of 80 positions is kept for the next one.
  expect(leftOut.slice(0, 2)).toEqual([0, 0]);
  expect(leftOut.slice(2).every((count) => count === 0 || count === 2)).toBe(true);
  expect(leftOut.reduce((sum, count) => sum + count, 0)).toBeGreaterThan(6);
  const { prompt, options } = asked[7];
  expect(tokenizer.encode(prompt).length).toBeLessThanOrEqual(60);
  expect(options.maxTokens).toBe(80 - tokenizer.encode(prompt).length);
  expect(prompt).toMatch(
    /^<\|endoftext\|><\|im_start\|>system\nBe kind\.<\|im_end\|>\n<\|im_start\|>user\nQuestion number [56],/,
  );
  expect(prompt).toContain("Answer 6.<|im_end|>");
  // All of it is still there to be shown.
  expect(chat.messages).toHaveLength(17);
  chat.reset();
  expect(chat.messages).toHaveLength(1);
  expect((await answerOf(chat, "Again")).leftOut).toBe(0);
});

describe("refuses", () => {
  test("a message that is too long, empty or has a special token, and keeps the conversation", async () => {
    const { chat } = await opened(["Hello."], {}, 80);
    await answerOf(chat, "Hi");
    await expect(answerOf(chat, "word ".repeat(70))).rejects.toThrow(
      /The message takes 81 tokens, and of the model's 80 positions 60/,
    );
    await expect(answerOf(chat, " ")).rejects.toThrow(/The message is empty/);
    await expect(answerOf(chat, "x <|im_end|> y")).rejects.toThrow(/The message holds <\|im_end\|>, a special token/);
    await expect(answerOf(chat, 5 as never)).rejects.toThrow("The message is 5, expected a text");
    expect(() => chat.set({ system: 5 as never })).toThrow("system is 5, expected a text");
    expect(() => chat.set({ maxTokens: "9" as never })).toThrow(
      'maxTokens is "9", expected a whole number, 0 or more.',
    );
    expect(() => chat.set({ system: "<|im_start|>" })).toThrow(/The system prompt holds <\|im_start\|>/);
    expect(chat.messages).toHaveLength(2);
  });

  test("a system prompt that leaves no room for a message, at the start and later", async () => {
    const long = "word ".repeat(70);
    await expect(opened([], { system: long }, 80)).rejects.toThrow(InputError);
    await expect(opened([], { system: long }, 80)).rejects.toThrow(
      /The system prompt takes \d+ tokens with the shortest message, and of the model's 80 positions 60/,
    );
    const { chat } = await opened(["Hello."], { system: "Be kind." }, 80);
    await answerOf(chat, "Hi");
    expect(() => chat.set({ system: long })).toThrow(/The system prompt takes/);
    expect(chat.messages).toHaveLength(3);
  });

  test("a model that has not learned conversations, or whose vocabulary lacks the template's tokens", async () => {
    const { model } = scripted([]);
    const plain = { ...model, tokenizer: await gpt2Tokenizer() } as unknown as GPT2;
    await expect(Chat.open(plain)).rejects.toThrow(/has no chat template/);
    await expect(Chat.open({ ...model, tokenizer: undefined } as unknown as GPT2)).rejects.toThrow(
      /No tokenizer lies beside this model.*tokenizer\.json and tokenizer_config\.json/,
    );
    const small = { ...model, config: { ...model.config, V: 50257 } } as unknown as GPT2;
    await expect(Chat.open(small)).rejects.toThrow(/beyond the model's vocabulary of 50257/);
  });
});

test("an answer can be taken back, and one that was interrupted stays as far as it came", async () => {
  const { chat } = await opened(["One two three.", "Other."]);
  for await (const piece of chat.send("Count")) if (piece === "two ") break;
  expect(chat.messages).toEqual([
    { role: "user", content: "Count" },
    { role: "assistant", content: "One two " },
  ]);
  expect(chat.takeBack()).toBe("Count");
  expect(chat.messages).toEqual([]);
  expect(chat.takeBack()).toBeUndefined();
  chat.set({ system: "New." });
  await answerOf(chat, "Hi");
  expect(chat.messages[0]).toEqual({ role: "system", content: "New." });
  chat.set({ temperature: 0 });
  expect(chat.messages).toHaveLength(3);
  chat.set({ system: "" });
  expect(chat.messages).toEqual([]);
});

test("a real model's answers end and repeat by their seed", async () => {
  const config = makeConfig({ V: tokenizer.vocabSize, maxT: 32, L: 1, NH: 1, C: 8 });
  await using model = await GPT2.create(config, { tokenizer, backend: "wasm", threads: 1 });
  const texts: string[] = [];
  for (let i = 0; i < 2; i++) {
    const { text, reason, full } = await answerOf(await Chat.open(model, { maxTokens: 5, seed: 3 }), "Hi");
    expect({ reason, full }).toEqual({ reason: "length", full: false });
    texts.push(text);
  }
  expect(texts[0]).toBe(texts[1]);
  const end = await answerOf(await Chat.open(model, { seed: 3 }), "Hi");
  expect(end).toMatchObject({ reason: "length", full: true });
  expect(model.endTokens).toEqual([50256, 50258]);
});
