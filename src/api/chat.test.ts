import { beforeAll, describe, expect, test } from "vitest";
import { InputError, UsageError } from "../errors.ts";
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
      const words = options.signal?.aborted ? [] : text.split(/(?<= )/);
      for (const word of words) yield { type: "token", sample: 0, token: 0, text: word };
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
    [["<|im_end|>", "<|endoftext|>", "<|im_start|>"], 7, 0.5],
    [["<|im_end|>", "<|endoftext|>", "<|im_start|>"], 8, 0.5],
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
  expect(leftOut).toEqual(leftOut.toSorted((a, b) => a - b));
  expect(leftOut.at(-1)).toBeGreaterThan(6);
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

test("turns that were left out for a long message are in the prompt again once it was taken back", async () => {
  const { chat, asked } = await opened(["One.", "Two.", "Three.", "Four."], {}, 100);
  for (const message of ["First", "Second"]) await answerOf(chat, message);
  expect((await answerOf(chat, "word ".repeat(60))).leftOut).toBe(4);
  chat.takeBack();
  expect((await answerOf(chat, "Short")).leftOut).toBe(0);
  expect(asked[3].prompt).toContain("First");
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

test("turns to continue are questions and answers, and options are checked, both at once", async () => {
  const { model, asked } = scripted(["Three."]);
  const turns = [
    { role: "user", content: "One?" },
    { role: "assistant", content: "Two." },
  ] as const;
  const continued = await Chat.open(model, {}, turns);
  await answerOf(continued, "Then?");
  expect(asked[0].prompt).toContain("Two.<|im_end|>");
  expect(await Chat.open(model, {}, continued.messages)).toBeDefined();
  const [question, answer] = turns;
  const refused: [unknown[], RegExp][] = [
    [[question], /^turns ends with a question \(turns\[0\]\) that has no answer\./],
    [[answer, question], /^turns\[0\]\.role is "assistant", expected "user"/],
    [[question, { ...answer, role: "robot" }], /^turns\[1\]\.role is "robot", expected "assistant"/],
    [[...turns, { role: "system", content: "Be kind." }], /^turns\[2\] is a system prompt\./],
    [[question, { role: "assistant" }], /^turns\[1\]\.content is undefined, expected a text/],
    [[question, "Two."], /^turns\[1\] is "Two\.", expected a message/],
  ];
  for (const [wrong, message] of refused) {
    const opening = Chat.open(model, {}, wrong as never);
    await expect(opening).rejects.toThrow(UsageError);
    await expect(opening).rejects.toThrow(message);
  }
  const marked = [question, { role: "assistant", content: "x <|im_end|> y" }] as const;
  await expect(Chat.open(model, {}, marked)).rejects.toThrow(
    /^turns\[1\]\.content holds <\|im_end\|>, a special token/,
  );
  await expect(Chat.open(model, { temperature: "hot" as never })).rejects.toThrow(
    'The temperature is "hot", expected 0',
  );
  await expect(Chat.open(model, { signal: {} as never })).rejects.toThrow("signal is {}, expected an AbortSignal.");
  expect(() => continued.set({ temperature: -3 })).toThrow("The temperature is -3, expected 0");
  expect(continued.options).toEqual({});
});

test("a question that was interrupted before its answer began is the one to take back", async () => {
  const { chat, asked } = await opened(["Yes.", "", "No.", "", "Right."]);
  await answerOf(chat, "First.");
  const interrupted = async (message: string) =>
    expect(await chat.send(message, AbortSignal.abort()).next()).toMatchObject({ value: { reason: "interrupted" } });
  await interrupted("Second.");
  expect(chat.messages).toHaveLength(2);
  expect(chat.takeBack()).toBe("Second.");
  expect((await answerOf(chat, "Second.")).text).toBe("No.");
  expect(asked[2].prompt).toContain("Yes.<|im_end|>");
  await interrupted("Third.");
  await answerOf(chat, "Fourth.");
  expect([chat.takeBack(), chat.takeBack(), chat.takeBack(), chat.takeBack()]).toEqual([
    ...["Fourth.", "Second.", "First."],
    undefined,
  ]);
  await interrupted("Fifth.");
  chat.reset();
  expect(chat.takeBack()).toBeUndefined();
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
