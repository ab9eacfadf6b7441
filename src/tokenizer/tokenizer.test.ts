import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { MemorySink } from "../../test/memory-sink.ts";
import { InputError } from "../errors.ts";
import { writeVocabulary } from "../format/tokenizer.ts";
import { byteTokenizer } from "./byte.ts";
import { charTokenizer, charTokenizerOf } from "./char.ts";
import { gpt2Tokenizer } from "./gpt2.ts";
import { loadTokenizer } from "./load.ts";
import { type EncodeOptions, TextStream, type Tokenizer, type TokenizerKind } from "./tokenizer.ts";

const shakespeare = readFileSync(new URL("../../data/tinyshakespeare.txt", import.meta.url), "utf8");
const gpt2 = await gpt2Tokenizer();

/** The ids of a text that arrives in pieces of 1 to 7 code units. */
function encodeInPieces(tokenizer: Tokenizer, text: string, options?: EncodeOptions): number[] {
  const stream = tokenizer.encodeStream(options);
  const ids: number[] = [];
  for (let i = 0, n = 1; i < text.length; i += n, n = (n % 7) + 1) ids.push(...stream.push(text.slice(i, i + n)));
  return [...ids, ...stream.end()];
}

/** The expected ids are tiktoken's. */
test.each([
  ["Hello world", [15496, 995]],
  ["<|endoftext|>", [50256]],
  ["a<|endoftext|>\n\nb<|endoftext|>", [64, 50256, 198, 198, 65, 50256]],
  ["I'll say 'tis  they've\n\n  done", [40, 1183, 910, 705, 48010, 220, 484, 1053, 628, 220, 1760]],
  ["", []],
] as const)("gpt2 encodes %j", (text, ids) => {
  expect(gpt2.encode(text)).toEqual(ids);
  expect(encodeInPieces(gpt2, text)).toEqual(ids);
  expect(gpt2.decode(ids)).toBe(text);
});

/** The expected ids are those of tiktoken's encode_ordinary. */
test.each([
  ["a <|endoftext|> b", [64, 1279, 91, 437, 1659, 5239, 91, 29, 275]],
  ["Hello world", [15496, 995]],
] as const)("gpt2 encodes the ordinary text %j", (text, ids) => {
  expect(gpt2.encode(text, { ordinary: true })).toEqual(ids);
  expect(encodeInPieces(gpt2, text, { ordinary: true })).toEqual(ids);
  expect(gpt2.decode(ids)).toBe(text);
});

test("gpt2 cuts at Unicode's white space, not JavaScript's, and keeps byte order marks", () => {
  // tiktoken: U+FEFF is no white space, U+0085 is.
  expect(gpt2.encode("\ufeff(x")).toEqual([171, 119, 123, 7, 87]);
  expect(gpt2.encode("a\u0085 b")).toEqual([64, 126, 227, 275]);
  expect(gpt2.decode([171, 119, 123, 7, 87])).toBe("\ufeff(x");
});

test("gpt2 gives tiktoken's tokens for tiny Shakespeare", () => {
  const ids = gpt2.encode(shakespeare);
  expect(ids.length).toBe(338025);
  expect(createHash("sha256").update(Uint16Array.from(ids)).digest("hex")).toBe(
    "25c01b32b32f41897a6359dd222ec114992dc30c357bcafbfe6c56672f76cd31",
  );
  expect(encodeInPieces(gpt2, shakespeare.slice(0, 20000))).toEqual(gpt2.encode(shakespeare.slice(0, 20000)));
  expect(gpt2.decode(ids)).toBe(shakespeare);
});

test("gpt2 takes a megabyte without spaces in its stride", () => {
  for (const text of ["a".repeat(1e6), "ab".repeat(5e5), " ".repeat(1e6), "好".repeat(3e5)])
    expect(gpt2.decode(gpt2.encode(text))).toBe(text);
  // In pieces, a word without end is cut after a megabyte; it still decodes to the same text.
  const endless = "x🙂".repeat(1e6);
  const stream = gpt2.encodeStream();
  const ids: number[] = [];
  for (let i = 0; i < endless.length; i += 65537)
    for (const id of stream.push(endless.slice(i, i + 65537))) ids.push(id);
  expect(gpt2.decode([...ids, ...stream.end()])).toBe(endless);
});

test("char has one token for each character, in code-point order", () => {
  const tokenizer = charTokenizerOf("b🙂a\nbé");
  expect(tokenizer.vocabSize).toBe(5);
  expect(tokenizer.encode("\nabé🙂")).toEqual([0, 1, 2, 3, 4]);
  expect(tokenizer.decode([4, 0])).toBe("🙂\n");
  expect(charTokenizerOf(shakespeare).vocabSize).toBe(65);
  expect(() => tokenizer.encode("abx")).toThrow(/character "x" \(U\+0078\) at position 2 is not among the 5/);
});

test("byte takes any text", () => {
  const tokenizer = byteTokenizer();
  expect(tokenizer.encode("aé")).toEqual([97, 0xc3, 0xa9]);
  expect(tokenizer.decode([97, 0xc3, 0xa9, 0xff])).toBe("aé\ufffd");
});

test("ids outside the vocabulary are refused", () => {
  for (const id of [50257, -1, 1.5, Number.NaN]) expect(() => gpt2.decode([0, id])).toThrow(InputError);
  expect(() => gpt2.decode([0, 50257])).toThrow(/Token 50257 at position 1 .* expected 0 to 50256/);
});

test("a stream of ids never gives half a character", () => {
  const stream = new TextStream(byteTokenizer());
  const pieces = [...new TextEncoder().encode("a🙂é\ufeff")].map((byte) => stream.push(byte));
  expect(pieces).toEqual(["a", "", "", "", "🙂", "", "é", "", "", "\ufeff"]);
  expect(stream.push(0xc3) + stream.end()).toBe("\ufffd");
});

async function throughFile(tokens: readonly Uint8Array[], endOfText?: number, kind?: TokenizerKind) {
  const sink = new MemorySink();
  await writeVocabulary(sink, tokens, endOfText);
  return loadTokenizer(await sink.source(), kind);
}

test("tokenizer files identify their tokenizer", async () => {
  const char = charTokenizer(["\n", "a", "é"]);
  for (const tokenizer of [gpt2, char, byteTokenizer()]) {
    const again = await throughFile(tokenizer.tokens(), tokenizer.endOfText);
    expect(again.kind).toBe(tokenizer.kind);
    expect(again.endOfText).toBe(tokenizer.endOfText);
    expect(again.tokens()).toEqual(tokenizer.tokens());
  }
  await expect(throughFile(char.tokens(), undefined, "byte")).rejects.toThrow(/not those of the byte tokenizer/);
  // 256 single bytes and 128 characters: where both fit, dataset.json decides.
  expect((await throughFile(char.tokens(), undefined, "char")).kind).toBe("char");
});

test("an unknown vocabulary decodes and says that it cannot encode", async () => {
  const tokens = ["the", " cat", "<end>"].map((token) => new TextEncoder().encode(token));
  const tokenizer = await throughFile(tokens, 2);
  expect(tokenizer.kind).toBe("unknown");
  expect(tokenizer.endOfText).toBe(2);
  expect(tokenizer.decode([0, 1])).toBe("the cat");
  expect(() => tokenizer.encode("the")).toThrow(/can decode, but not encode/);
});
