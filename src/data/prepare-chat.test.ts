import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { InputError } from "../errors.ts";
import { ChatFormat } from "../tokenizer/chat.ts";
import { gpt2Tokenizer } from "../tokenizer/gpt2.ts";
import { findTokenizer, readDataset } from "./dataset.ts";
import { TokenLoader } from "./loader.ts";
import { prepareText } from "./prepare.ts";
import { prepareChat } from "./prepare-chat.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "llm-ts-chat-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Writes a file of lines: objects, or text as it is. */
function write(name: string, ...lines: readonly (object | string)[]): string {
  const path = join(folder, name);
  writeFileSync(path, lines.map((line) => `${typeof line === "string" ? line : JSON.stringify(line)}\n`).join(""));
  return path;
}

const messages = (...turns: readonly (readonly [string, unknown])[]) => ({
  messages: turns.map(([role, content]) => ({ role, content })),
});
const shareGpt = (...turns: readonly (readonly [string, unknown])[]) => ({
  conversations: turns.map(([from, value]) => ({ from, value })),
});
const hello = messages(["user", "Hello"], ["assistant", "Hello to you."]);

/** The text of a token file as it is, and of what is learned. */
async function contents(out: string) {
  const tokenizer = await findTokenizer(out);
  const { train } = (await readDataset(out)) ?? { train: { tokens: 0 } };
  const loader = await TokenLoader.open(join(out, "train.bin"), { B: 1, T: train.tokens - 1 });
  const { inputs, targets } = await loader.next();
  await loader.close();
  return {
    first: tokenizer?.decode([inputs[0]]),
    text: tokenizer?.decode([...inputs, ...targets.slice(-1)].filter((id) => id >= 0)),
    learned: tokenizer?.decode(targets.filter((id) => id >= 0)),
  };
}

test("both layouts, of several files, become turns of which the assistant's are learned", async () => {
  const one = write(
    "one.jsonl",
    messages(
      ["system", "Be kind."],
      ["user", "Hello"],
      ["assistant", "Hello to you."],
      ["user", "Fine"],
      ["assistant", "Good."],
    ),
    "",
    {
      messages: [
        {
          role: "user",
          content: [
            { type: "text", text: "In " },
            { type: "text", text: "parts" },
          ],
        },
        { role: "assistant", content: "Yes." },
      ],
    },
  );
  const two = write("two.jsonl", shareGpt(["system", "Be brief."], ["human", "Two and two?"], ["gpt", "Four."]));
  const out = join(folder, "out");
  const dataset = await prepareChat([one, two], out, { tokenizer: await gpt2Tokenizer(), valFraction: 0 });
  expect(dataset).toMatchObject({ documents: 3, tokenizer: "huggingface", vocabSize: 50259 });
  expect(await contents(out)).toMatchObject({
    first: "<|endoftext|>",
    learned: "Hello to you.<|im_end|>Good.<|im_end|>Yes.<|im_end|>Four.<|im_end|>",
  });
  // Each token that is learned is one of the mask.
  expect(dataset.train.learned).toBe(4 + 1 + 2 + 1 + 2 + 1 + 2 + 1);
});

test("messages of weight 0 are not learned", async () => {
  const turns = hello.messages.map((message) => ({ ...message, weight: message.role === "assistant" ? 0 : undefined }));
  const path = write("weights.jsonl", {
    messages: [...turns, ...messages(["user", "More"], ["assistant", "More."]).messages],
  });
  await prepareChat([path], join(folder, "out"), { tokenizer: await gpt2Tokenizer(), valFraction: 0 });
  expect((await contents(join(folder, "out"))).learned).toBe("More.<|im_end|>");
});

test("data of which nothing is learned are refused", async () => {
  const unlearned = {
    messages: hello.messages.map((message) => (message.role === "assistant" ? { ...message, weight: 0 } : message)),
  };
  const tokenizer = await gpt2Tokenizer();
  const none = prepareChat([write("none.jsonl", unlearned, unlearned)], folder, { tokenizer, valFraction: 0 });
  await expect(none).rejects.toThrow(InputError);
  await expect(none).rejects.toThrow(/train\.bin would hold no token that is learned.*"weight": 0/);
  // Every second one is for validation.
  const val = prepareChat([write("half.jsonl", hello, unlearned)], folder, { tokenizer, valFraction: 0.5 });
  await expect(val).rejects.toThrow(/val\.bin would hold no token that is learned.*--val-fraction 0/);
  expect(await readDataset(folder)).toBeUndefined();
});

test("users may write twice, and anyone begin or end", async () => {
  const path = write(
    "orders.jsonl",
    messages(["developer", "Be kind."], ["assistant", "First."], ["user", "a"], ["user", "b"], ["assistant", "Two."]),
    messages(["assistant", "Alone."], ["user", "End"]),
  );
  await prepareChat([path], join(folder, "out"), { tokenizer: await gpt2Tokenizer(), valFraction: 0 });
  const { learned, text } = await contents(join(folder, "out"));
  expect(learned).toBe("First.<|im_end|>Two.<|im_end|>Alone.<|im_end|>");
  expect(text).toContain("Alone.<|im_end|>");
});

test("a vocabulary trained on the conversations has their special tokens", async () => {
  const path = write(
    "many.jsonl",
    ...Array.from({ length: 30 }, (_, i) => messages(["user", `Say ${i}`], ["assistant", `It is ${i}.`])),
  );
  const out = join(folder, "out");
  const dataset = await prepareChat([path], out, { tokenizer: 300 });
  expect(dataset).toMatchObject({ documents: 30, vocabSize: 300 });
  const tokenizer = await findTokenizer(out);
  expect(["<|endoftext|>", "<|im_start|>", "<|im_end|>"].flatMap((mark) => tokenizer?.encode(mark))).toEqual([0, 1, 2]);
  expect((await ChatFormat.of(tokenizer))?.turnEnd).toBe(2);
  // Every tenth conversation is for validation.
  expect(readdirSync(out)).toEqual(expect.arrayContaining(["train.bin", "train.mask", "val.bin", "val.mask"]));
  const loader = await TokenLoader.open(out, { B: 1, T: 8, split: "val" });
  expect(loader.numTokens).toBe(dataset.val?.tokens);
  await loader.close();
  // More data in the same tokens keeps them.
  const more = await prepareChat([path], join(folder, "more"), { tokenizer: tokenizer ?? 300, valFraction: 0 });
  expect(more.vocabSize).toBe(300);
});

test("what stands in the way is found before a vocabulary is trained", async () => {
  const path = write("few.jsonl", hello);
  const file = write("out", hello);
  // Of so many tokens there are none in it: training would say so.
  await expect(prepareChat([path], file, { tokenizer: 5000, valFraction: 0 })).rejects.toThrow(/out is a file/);
  const foreign = join(folder, "foreign");
  mkdirSync(foreign);
  writeFileSync(join(foreign, "train.bin"), "someone else's");
  await expect(prepareChat([path], foreign, { tokenizer: 5000, valFraction: 0 })).rejects.toThrow(/would be replaced/);
});

test("data without masks in their place leaves none behind", async () => {
  const out = join(folder, "out");
  await prepareChat([write("one.jsonl", hello)], out, { tokenizer: await gpt2Tokenizer(), valFraction: 0 });
  const text = join(folder, "plain.txt");
  writeFileSync(text, "Some plain text.\n".repeat(20));
  await prepareText([text], out, { tokenizer: (await findTokenizer(out)) ?? "gpt2" });
  expect(readdirSync(out).filter((name) => name.endsWith(".mask"))).toEqual([]);
});

describe("refused, with the line:", () => {
  const cases: readonly (readonly [string, object | string, RegExp])[] = [
    ["no assistant", messages(["user", "Hello"]), /bad\.jsonl, line 2: no message is the assistant's/],
    [
      "an unknown role",
      messages(["user", "a"], ["tool", "b"]),
      /line 2: message 2 has the role "tool", expected system, user or assistant/,
    ],
    ["no role", { messages: [{ content: "a" }] }, /line 2: message 1 has the role missing/],
    ["an empty content", messages(["user", " \n"], ["assistant", "b"]), /line 2: message 1 \(user\) is empty/],
    [
      "no text",
      messages(["user", "a"], ["assistant", null]),
      /line 2: message 2 \(assistant\) has the content null, expected text/,
    ],
    ["an image", messages(["user", [{ type: "image_url" }]]), /line 2: message 1 \(user\) has the content/],
    ["a late system prompt", messages(["user", "a"], ["system", "b"], ["assistant", "c"]), /message 2 is the system's/],
    [
      "another layout",
      { text: "a", id: 3 },
      /line 2: there is neither "messages".* nor "conversations".*fields are: text, id/,
    ],
    [
      "a weight of one half",
      { messages: [...hello.messages, { role: "assistant", content: "b", weight: 0.5 }] },
      /line 2: message 3 has the weight 0\.5, expected 1 .* or 0/,
    ],
    [
      "a user's weight of true",
      { messages: [{ role: "user", content: "b", weight: true }, ...hello.messages] },
      /line 2: message 1 has the weight true/,
    ],
    ["no list", { messages: {} }, /line 2: "messages" is \{\}, expected a list/],
    ["a string for a message", { messages: ["hello"] }, /line 2: message 1 is "hello", expected an object/],
    ["no JSON", "{messages: 1}", /line 2 is not JSON/],
    [
      "a special token as text",
      messages(["user", "<|im_end|>"], ["assistant", "b"]),
      /line 2: message 1 holds <\|im_end\|>, a special token/,
    ],
    ["half a character", messages(["user", "\ud800"], ["assistant", "b"]), /line 2: message 1 is not valid text/],
  ];
  test.each(cases)("%s", async (_, line, message) => {
    const out = join(folder, "out");
    const prepared = prepareChat([write("bad.jsonl", hello, line)], out, { tokenizer: await gpt2Tokenizer() });
    await expect(prepared).rejects.toThrow(InputError);
    await expect(prepared).rejects.toThrow(message);
    await expect(readDataset(out)).resolves.toBeUndefined();
  });

  test("an empty file, and one that is no .jsonl", async () => {
    const options = { tokenizer: await gpt2Tokenizer() };
    await expect(prepareChat([write("no.jsonl")], folder, options)).rejects.toThrow(/there are no conversations/);
    await expect(prepareChat([write("no.txt", "text")], folder, options)).rejects.toThrow(/no\.txt is no \.jsonl file/);
  });
});
