import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { fixturePath } from "../../test/fixtures.ts";
import { InputError } from "../errors.ts";
import { byteTokenizer } from "./byte.ts";
import { ChatFormat, withChat } from "./chat.ts";
import { ChatTemplate, chatMl, type Message, marksIn } from "./chat-template.ts";
import { gpt2Tokenizer } from "./gpt2.ts";
import { huggingFaceTokenizer } from "./huggingface.ts";
import type { Tokenizer } from "./tokenizer.ts";

interface Result {
  readonly template: string;
  readonly messages: readonly Message[];
  readonly prompt: boolean;
  readonly text: string;
  readonly ids: readonly number[] | null;
}

const fixture = JSON.parse(readFileSync(fixturePath("chat_template.json"), "utf8"));
const results: readonly Result[] = fixture.results;

const talk: readonly Message[] = [
  { role: "user", content: "Hi" },
  { role: "assistant", content: "Hello you." },
  { role: "user", content: "Bye" },
  { role: "assistant", content: "See you." },
];

describe("as transformers has it", () => {
  let tokenizer: Tokenizer;
  let format: ChatFormat | undefined;
  beforeAll(async () => {
    tokenizer = await withChat(await gpt2Tokenizer());
    format = await ChatFormat.of(tokenizer);
  });

  test("the template, the special tokens and the vocabulary", () => {
    expect(fixture.templates.folder).toBe(chatMl);
    expect([tokenizer.endOfText, tokenizer.turnEnd, tokenizer.vocabSize]).toEqual(fixture.ends);
  });

  test.each(results.map((result) => ({ result, name: `${result.template}, ${result.messages.length} turns` })))(
    "text of $name",
    async ({ result: { template, messages, prompt, text } }) => {
      const parsed = await ChatTemplate.parse(fixture.templates[template], template);
      expect(parsed.render(messages, { bos_token: "<|endoftext|>", eos_token: "<|im_end|>" }, prompt)).toBe(text);
    },
  );

  test("ids of prompts and conversations", () => {
    const own = results.filter(({ ids, prompt }) => ids !== null && prompt);
    expect(own).toHaveLength(3);
    for (const { messages, ids } of own) expect(format?.prompt(messages)).toEqual(ids);
    const [whole] = results.filter(({ ids, prompt }) => ids !== null && !prompt);
    expect(format?.encode(whole.messages).tokens).toEqual(whole.ids);
  });

  test("files read again are the same tokenizer", async () => {
    const again = await huggingFaceTokenizer(tokenizer.files ?? new Map());
    expect(again?.tokens()).toEqual(tokenizer.tokens());
    expect([again?.endOfText, again?.turnEnd]).toEqual([50256, 50258]);
  });
});

test("an answer and the end of its turn are learned, and nothing else", async () => {
  const tokenizer = await withChat(await gpt2Tokenizer());
  const format = await ChatFormat.of(tokenizer);
  const { tokens = [], mask } = format?.encode(talk, (i) => i !== 1) ?? {};
  const learned = tokens.filter((_, i) => mask?.[i] === 1);
  expect(tokenizer.decode(learned)).toBe("See you.<|im_end|>");
  expect(tokenizer.decode(format?.encode(talk).tokens.filter((_, i) => format.encode(talk).mask[i] === 1) ?? [])).toBe(
    "Hello you.<|im_end|>See you.<|im_end|>",
  );
  // What is learned follows the tokens that a chat gives as its prompt.
  const start = (mask ?? new Uint8Array()).indexOf(1);
  expect(tokens.slice(0, start)).toEqual(format?.prompt(talk.slice(0, 3)));
});

test("a template of one's own brings its tokens and its end of a turn", async () => {
  const source = fixture.templates.lines;
  expect(marksIn(source)).toEqual(["<|bot|>", "<|end|>"]);
  const tokenizer = await withChat(await gpt2Tokenizer(), source, "own.jinja");
  expect(tokenizer.vocabSize).toBe(50259);
  expect(tokenizer.decode([tokenizer.turnEnd ?? 0])).toBe("<|end|>");
  const format = await ChatFormat.of(tokenizer);
  const { tokens = [], mask } = format?.encode(talk) ?? {};
  expect(tokenizer.decode(tokens.filter((_, i) => mask?.[i] === 1))).toBe("Hello you.<|end|>See you.<|end|>");
  expect(format?.markIn("an <|end|> in a text")).toBe("<|end|>");
  expect(format?.markIn("an <|other|> in a text")).toBeUndefined();
});

test("a template's eos_token is the end of a text, where it names no token of its own", async () => {
  const source =
    "{% for m in messages %}{{ m.role + ': ' + m.content + eos_token }}{% endfor %}" +
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}";
  const tokenizer = await withChat(await gpt2Tokenizer(), source, "own.jinja");
  expect([tokenizer.vocabSize, tokenizer.endOfText, tokenizer.turnEnd]).toEqual([50257, 50256, 50256]);
  const format = await ChatFormat.of(tokenizer);
  const { tokens = [], mask } = format?.encode(talk) ?? {};
  expect(tokenizer.decode(tokens.filter((_, i) => mask?.[i] === 1))).toBe(
    "Hello you.<|endoftext|>See you.<|endoftext|>",
  );
});

test.each([
  ["a{% for m in messages %}b", "line 1, column 2"],
  ["line\n{{ 'abc }}", "line 2, column 1"],
  ["{% if x %}\n {{ 1 + }} {% endif %}", "line 2, column 2"],
  ["ok {% foo %}", "line 1, column 4"],
  ["{% if a %}{% endfor %}", "line 1, column 11"],
  ["{{ a }}\n\n  {{ b", "line 3, column 3"],
])("%j does not parse, at %s", async (source, place) => {
  const parsed = ChatTemplate.parse(source, "own.jinja");
  await expect(parsed).rejects.toThrow(InputError);
  await expect(parsed).rejects.toThrow(`own.jinja is no Jinja template`);
  await expect(parsed).rejects.toThrow(place);
});

test("templates that cannot be learned with, and tokenizers without special tokens, are refused", async () => {
  const plain = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}";
  await expect(withChat(await gpt2Tokenizer(), plain, "own.jinja")).rejects.toThrow(
    /own\.jinja ends an assistant's turn with no/,
  );
  await expect(withChat(byteTokenizer())).rejects.toThrow(/byte tokenizer has no special tokens/);
  const last =
    "{% for m in messages %}{% if loop.last %}<|last|>{% endif %}{{ m.content }}<|end|>{% endfor %}" +
    "{% if add_generation_prompt %}<|bot|>{% endif %}";
  const format = await ChatFormat.of(await withChat(await gpt2Tokenizer(), last, "own.jinja"));
  expect(() => format?.encode(talk)).toThrow(/changes earlier turns/);
  const prompt =
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}{% if add_generation_prompt %}<|bot|>{% endif %}";
  const other = await ChatFormat.of(await withChat(await gpt2Tokenizer(), prompt, "own.jinja"), "own.jinja");
  expect(() => other?.encode(talk)).toThrow(
    /own\.jinja begins an assistant's turn with "<\|assistant\|>Hello you\..*add_generation_prompt it writes "<\|bot\|>"/,
  );
  const strict =
    "{% if messages[0].role != 'system' %}{{ raise_exception('a system prompt is needed') }}{% endif %}<|end|>";
  const parsed = await ChatTemplate.parse(strict, "own.jinja");
  expect(() => parsed.render(talk, {}, false)).toThrow(/own\.jinja refuses .*a system prompt is needed/);
});
