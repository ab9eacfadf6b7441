import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test, vi } from "vitest";
import { platform } from "#platform";
import { fixturePath } from "../../test/fixtures.ts";
import { findTokenizer } from "./dataset.ts";
import { trainTokenizer, writeTokenizer } from "./train-tokenizer.ts";

const folder = mkdtempSync(join(tmpdir(), "llm-ts-bpe-"));
const fixture = (name: string) => JSON.parse(readFileSync(fixturePath(`bpe/${name}.json`), "utf8"));
const texts = {
  shakespeare: { path: new URL("../../data/tinyshakespeare.txt", import.meta.url), vocabSize: 1024, minFrequency: 1 },
  chinese: { path: fixturePath("bpe/chinese.txt"), vocabSize: 700, minFrequency: 2 },
  code: { path: fixturePath("bpe/code.txt"), vocabSize: 700, minFrequency: 2 },
} as const;

describe.each(["shakespeare", "chinese", "code"] as const)("of %s", (name) => {
  const { path, vocabSize, minFrequency } = texts[name];
  const text = readFileSync(path, "utf8");

  test.each(["gpt2", "gpt4"] as const)(
    "with %s's pattern, vocabulary, merges and ids are Hugging Face's",
    async (pattern) => {
      const expected = fixture(`${name}_${pattern}`);
      const { tokenizer, bytes, tokens } = await trainTokenizer([new Blob([text])], {
        vocabSize,
        minFrequency,
        pattern,
      });
      const { model } = JSON.parse(tokenizer.files?.get("tokenizer.json") ?? "");
      expect(model.merges).toEqual(expected.merges);
      expect(Object.keys(model.vocab).sort((a, b) => model.vocab[a] - model.vocab[b])).toEqual(expected.vocab);
      // By code points, as Python cuts it.
      expect(tokenizer.encode([...text].slice(-2000).join(""))).toEqual(expected.ids);
      expect([bytes, tokens]).toEqual([Buffer.byteLength(text), tokenizer.encode(text).length]);
    },
  );
});

test("a text that comes in parts gives the same tokens, as does one of a file, and of documents", async () => {
  const text = "one two  three\n\n   four's 1234567 don't…\r\n \n end   ";
  const options = { vocabSize: 262, minFrequency: 1, pattern: "gpt4" } as const;
  const parts = [...text].map((character) => new Blob([character]));
  const whole = await trainTokenizer([new Blob([text.repeat(5)])], options);
  const inParts = new Blob(Array.from({ length: 5 }, () => parts).flat());
  expect((await trainTokenizer([inParts], options)).tokenizer.files).toEqual(whole.tokenizer.files);
  const file = join(folder, "text.txt");
  writeFileSync(file, text.repeat(5));
  const documents = async function* () {
    yield text.repeat(5);
  };
  expect((await trainTokenizer([file], options)).tokenizer.files).toEqual(whole.tokenizer.files);
  expect((await trainTokenizer(documents(), options)).tokenizer.files).toEqual(whole.tokenizer.files);
  expect((await trainTokenizer(["tinyshakespeare"], options)).tokens).toBeGreaterThan(500_000);
});

test("ids of a stream are those of the whole text, also where white space is cut", async () => {
  const text = "a\n   \n b  \r\n\r\n  c's 12345 ".repeat(20);
  const { tokenizer } = await trainTokenizer([new Blob([text])], { vocabSize: 265, pattern: "gpt4" });
  for (const size of [1, 2, 3, 7]) {
    const stream = tokenizer.encodeStream();
    const ids: number[] = [];
    for (let at = 0; at < text.length; at += size) ids.push(...stream.push(text.slice(at, at + size)));
    ids.push(...stream.end());
    expect(ids).toEqual(tokenizer.encode(text));
  }
  expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
});

test("is written as the hub's files and llm.c's, and found again", async () => {
  const { tokenizer } = await trainTokenizer(["tinyshakespeare"], {
    vocabSize: 300,
    special: ["<|endoftext|>", "<|user|>"],
  });
  const out = join(folder, "written");
  expect([...(await writeTokenizer(out, tokenizer))].sort()).toEqual([
    "merges.txt",
    "tokenizer.bin",
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
  ]);
  const found = await findTokenizer(out);
  const text = "<|user|>Speak, speak.<|endoftext|>";
  expect([found?.kind, found?.vocabSize, found?.endOfText]).toEqual(["huggingface", 300, 0]);
  expect(found?.encode(text)).toEqual(tokenizer.encode(text));
  expect(tokenizer.encode(text)[0]).toBe(1);
  const other = await trainTokenizer(["tinyshakespeare"], { vocabSize: 290 });
  await expect(writeTokenizer(out, other.tokenizer)).rejects.toThrow(/holds another tokenizer/);
});

test("a folder that was made for a tokenizer goes where the tokenizer cannot be written", async () => {
  const { tokenizer } = await trainTokenizer(["tinyshakespeare"], { vocabSize: 270 });
  const out = join(folder, "full/disk");
  vi.spyOn(platform, "createSink").mockRejectedValueOnce(new Error("the disk is full"));
  await expect(writeTokenizer(out, tokenizer)).rejects.toThrow("the disk is full");
  expect(existsSync(join(folder, "full"))).toBe(false);
});

test("a special token may be one character that is no byte's", async () => {
  const { tokenizer } = await trainTokenizer(["tinyshakespeare"], { vocabSize: 270, special: ["中"] });
  expect(tokenizer.encode("a中b")[1]).toBe(0);
});

test("a text may give fewer tokens than the most", async () => {
  const some = [new Blob(["so little text"])];
  const { tokenizer } = await trainTokenizer(some, { vocabSize: 300, minFrequency: 5, orFewer: true });
  expect(tokenizer.vocabSize).toBe(257);
  expect(tokenizer.decode(tokenizer.encode("so little"))).toBe("so little");
});

describe("complaints", () => {
  const some = [new Blob(["so little text"])];
  test.each([
    [/vocabulary is 256, expected a whole number from 257/, some, { vocabSize: 256 }],
    [/vocabulary is NaN/, some, { vocabSize: Number.NaN }],
    [
      /gives 257 tokens, and 300 were asked for: no other pair occurs 5 times\. Ask for 257/,
      some,
      { vocabSize: 300, minFrequency: 5 },
    ],
    [/special token "<a>" is there twice/, some, { vocabSize: 300, special: ["<a>", "<a>"] }],
    [/special token "" is empty/, some, { vocabSize: 300, special: [""] }],
    [
      /special token "¶" is also what vocab\.json calls another token.*like <\|¶\|>/,
      some,
      { vocabSize: 300, special: ["¶"] },
    ],
    [/special token "Ġ" is also/, some, { vocabSize: 300, special: ["<a>", "Ġ"] }],
    [/special token "tex" is also/, some, { vocabSize: 265, special: ["tex"], minFrequency: 1 }],
    [/least frequency is 0/, some, { vocabSize: 300, minFrequency: 0 }],
    [/texts are empty/, [new Blob([""])], { vocabSize: 300 }],
    [/No encoding is called "klingon"/, some, { vocabSize: 300, encoding: "klingon" }],
    [/nothere\.txt does not exist/, ["nothere.txt"], { vocabSize: 300 }],
  ])("%s", async (message, inputs, options) => {
    await expect(trainTokenizer(inputs, options)).rejects.toThrow(message);
  });
});
