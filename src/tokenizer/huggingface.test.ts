import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { InputError } from "../errors.ts";
import { gpt2Tokenizer } from "./gpt2.ts";
import { findHuggingFaceTokenizer, huggingFaceTokenizer } from "./huggingface.ts";

const folder = mkdtempSync(join(tmpdir(), "llm-ts-tokenizer-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** transformers' bytes_to_unicode (models/gpt2/tokenization_gpt2.py). */
function bytesToUnicode(): string[] {
  const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
  const visible = [...range(33, 126), ...range(161, 172), ...range(174, 255)];
  let more = 0;
  return range(0, 255).map((byte) => String.fromCodePoint(visible.includes(byte) ? byte : 256 + more++));
}
const alphabet = bytesToUnicode();
const written = (bytes: Uint8Array) => Array.from(bytes, (byte) => alphabet[byte]).join("");

/** All bytes, three merges and an end of text, which is not the last token. */
function small() {
  const tokens = ["<|endoftext|>", ...alphabet, "th", "the", "Ġthe"];
  return {
    added_tokens: [{ id: 0, content: "<|endoftext|>", special: true }],
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    post_processor: null,
    decoder: { type: "ByteLevel" },
    model: {
      type: "BPE",
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: ["t h", "th e", "Ġ the"],
    },
  };
}

test("GPT-2's own is recognised, in both forms, and ours is used", async () => {
  const gpt2 = await gpt2Tokenizer();
  const vocab = Object.fromEntries(
    gpt2.tokens().map((bytes, id) => [id === gpt2.endOfText ? "<|endoftext|>" : written(bytes), id]),
  );
  const json = { model: { type: "BPE", vocab, merges: [] }, decoder: { type: "ByteLevel" }, added_tokens: [] };
  expect(await huggingFaceTokenizer("tokenizer.json", json)).toBe(gpt2);
  writeFileSync(join(folder, "vocab.json"), JSON.stringify(vocab));
  expect(await findHuggingFaceTokenizer(folder)).toBeUndefined();
  writeFileSync(join(folder, "merges.txt"), "#version: 0.2\n");
  expect(await findHuggingFaceTokenizer(folder)).toBe(gpt2);
});

test("another byte-level BPE cuts text as its merges say, and gives it back", async () => {
  const tokenizer = await huggingFaceTokenizer("tokenizer.json", small());
  expect([tokenizer.kind, tokenizer.vocabSize, tokenizer.endOfText]).toEqual(["huggingface", 260, 0]);
  const text = "the other the naïve 日本 🙂\n\n  end";
  const ids = tokenizer.encode(text);
  expect(ids.slice(0, 2)).toEqual([258, 1 + 32]);
  expect(ids).toContain(259);
  expect(tokenizer.decode(ids)).toBe(text);
  expect(tokenizer.encode("the<|endoftext|>the")).toEqual([258, 0, 258]);
  const stream = tokenizer.encodeStream();
  const pieces = [...text].flatMap((character) => [...stream.push(character)]);
  expect([...pieces, ...stream.end()]).toEqual(ids);
});

test("in ordinary text, names of special tokens are text, and other added tokens stay words", async () => {
  const json = small();
  const added = [...json.added_tokens, { id: 260, content: "<word>", special: false, normalized: false }];
  const tokenizer = await huggingFaceTokenizer("tokenizer.json", { ...json, added_tokens: added });
  const text = "the<|endoftext|>the<word>";
  expect(tokenizer.encode(text)).toEqual([258, 0, 258, 260]);
  const ids = tokenizer.encode(text, { ordinary: true });
  expect([ids.includes(0), ids.at(-1), tokenizer.decode(ids)]).toEqual([false, 260, text]);
  const stream = tokenizer.encodeStream({ ordinary: true });
  expect([...stream.push(text), ...stream.end()]).toEqual(ids);
});

test("vocab.json with merges.txt gives the same ids as tokenizer.json", async () => {
  const { model } = small();
  writeFileSync(join(folder, "vocab.json"), JSON.stringify(model.vocab));
  writeFileSync(join(folder, "merges.txt"), `#version: 0.2\n${model.merges.join("\n")}\n`);
  const found = await findHuggingFaceTokenizer(folder);
  const text = "the other the\tnaïve<|endoftext|>the";
  expect(found?.encode(text)).toEqual((await huggingFaceTokenizer("", small())).encode(text));
});

test("what is no byte-level BPE is refused by its name, and damage is told", async () => {
  const refused: [object, RegExp][] = [
    [{ model: { type: "WordPiece" }, decoder: { type: "WordPiece" } }, /not bytes \(WordPiece, WordPiece\)/],
    [{ ...small(), decoder: { type: "Metaspace" } }, /not bytes \(BPE, Metaspace\)/],
    [{}, /no model, no decoder/],
    [{ ...small(), model: { type: "BPE", vocab: { a: -1 }, merges: [] } }, /-1 is no token id/],
    [{ ...small(), model: { type: "BPE", vocab: { a: 1e9 }, merges: [] } }, /is no token id/],
    [{ ...small(), pre_tokenizer: { type: "Nonsense" } }, /cannot be read/],
  ];
  for (const [json, message] of refused) {
    const error = await huggingFaceTokenizer("tokenizer.json", { ...json }).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(InputError);
    expect(String(error)).toMatch(message);
  }
  writeFileSync(join(folder, "tokenizer.json"), "{");
  await expect(findHuggingFaceTokenizer(folder)).rejects.toThrow(InputError);
});
