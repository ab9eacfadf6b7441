import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { InputError } from "../errors.ts";
import { gpt2Tokenizer } from "./gpt2.ts";
import { findHuggingFaceTokenizer, huggingFaceTokenizer } from "./huggingface.ts";
import { gpt2HuggingFaceFiles } from "./huggingface-files.ts";
import type { Tokenizer } from "./tokenizer.ts";

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

/** The tokenizer of tokenizer.json, and of what else lies beside it. */
async function tokenizerOf(json: object, beside: Readonly<Record<string, object>> = {}): Promise<Tokenizer> {
  const files = Object.entries({ "tokenizer.json": json, ...beside });
  const tokenizer = await huggingFaceTokenizer(
    new Map(files.map(([name, content]) => [name, JSON.stringify(content)])),
  );
  if (!tokenizer) throw new Error("there is no tokenizer");
  return tokenizer;
}

/** The ids of a text that arrives in pieces of 1 to 7 code units. */
function encodeInPieces(tokenizer: Tokenizer, text: string): number[] {
  const stream = tokenizer.encodeStream();
  const ids: number[] = [];
  for (let i = 0, n = 1; i < text.length; i += n, n = (n % 7) + 1) ids.push(...stream.push(text.slice(i, i + n)));
  return [...ids, ...stream.end()];
}

interface Oracle {
  readonly base: object;
  readonly texts: readonly string[];
  readonly variants: readonly {
    readonly name: string;
    readonly patch: object;
    readonly ids: readonly number[][];
    readonly prompts: readonly number[][];
  }[];
}

const oracle: Oracle = JSON.parse(
  readFileSync(new URL("../../test/fixtures/tokenizers.json", import.meta.url), "utf8"),
);

test.each(oracle.variants)("Hugging Face's tokenizers give the same ids: $name", async ({ patch, ids, prompts }) => {
  const tokenizer = await tokenizerOf({ ...oracle.base, ...patch });
  expect(tokenizer.kind).toBe("huggingface");
  for (const [i, text] of oracle.texts.entries()) {
    expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(ids[i]);
    expect(tokenizer.encode(text, { prompt: true }), JSON.stringify(text)).toEqual(prompts[i]);
    expect(encodeInPieces(tokenizer, text), JSON.stringify(text)).toEqual(ids[i]);
  }
});

test("a long text in pieces gives the ids of the whole", async () => {
  for (const patch of [{}, { pre_tokenizer: { type: "ByteLevel", add_prefix_space: true } }]) {
    const tokenizer = await tokenizerOf({ ...oracle.base, ...patch });
    const text = oracle.texts.join("<|endoftext|>").repeat(20);
    expect(encodeInPieces(tokenizer, text)).toEqual(tokenizer.encode(text));
    const spaces = `${" ".repeat(500)}<|endoftext|>\n\n${" ".repeat(300)}the`;
    expect(encodeInPieces(tokenizer, spaces)).toEqual(tokenizer.encode(spaces));
  }
});

describe("GPT-2's own", () => {
  let files: Readonly<Record<string, string>>;
  beforeAll(async () => {
    files = await gpt2HuggingFaceFiles(1024);
  });
  const with_ = (changes: object, beside: Readonly<Record<string, object>> = {}) =>
    tokenizerOf({ ...JSON.parse(files["tokenizer.json"]), ...changes }, beside);

  test("is recognised, in both forms, and ours is used", async () => {
    const gpt2 = await gpt2Tokenizer();
    expect(await huggingFaceTokenizer(new Map(Object.entries(files)))).toBe(gpt2);
    writeFileSync(join(folder, "vocab.json"), files["vocab.json"]);
    expect(await findHuggingFaceTokenizer(folder)).toBeUndefined();
    writeFileSync(join(folder, "merges.txt"), files["merges.txt"]);
    expect(await findHuggingFaceTokenizer(folder)).toBe(gpt2);
  });

  // The ids are those of transformers.
  test("with other settings is not ours: they count", async () => {
    const byteLevel = { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true };
    expect((await with_({ pre_tokenizer: byteLevel })).encode("Hello")).toEqual([18435]);
    expect((await with_({}, { "tokenizer_config.json": { add_prefix_space: true } })).encode("Hello")).toEqual([18435]);
    expect((await with_({ normalizer: { type: "Lowercase" } })).encode("Hello")).toEqual([31373]);
    const template = {
      type: "TemplateProcessing",
      single: [{ SpecialToken: { id: "<|endoftext|>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
      special_tokens: { "<|endoftext|>": { id: "<|endoftext|>", ids: [50256], tokens: ["<|endoftext|>"] } },
    };
    const templated = await with_({ post_processor: template });
    expect(templated.encode("Hello")).toEqual([15496]);
    expect(templated.encode("Hello", { prompt: true })).toEqual([50256, 15496]);
    for (const parts of [["Hello"], ["He", "llo"], []]) {
      const stream = templated.encodeStream({ prompt: true });
      for (const round of [1, 2]) {
        const ids = parts.flatMap((part) => [...stream.push(part)]);
        expect([...ids, ...stream.end()], `${parts}, ${round}`).toEqual(
          templated.encode(parts.join(""), { prompt: true }),
        );
      }
    }
    const { model } = JSON.parse(files["tokenizer.json"]);
    const bytesOnly = await with_({ model: { ...model, merges: model.merges.slice(0, 1) } });
    expect(bytesOnly.encode("Hello")).toEqual([39, 68, 75, 75, 78]);
    expect((await with_({}, { "tokenizer_config.json": { eos_token: "Hello" } })).kind).toBe("huggingface");
  });

  test("has the tokens of added_tokens.json and tokenizer_config.json", async () => {
    const added = { "<|user|>": 50257 };
    const { "tokenizer.json": _, ...older } = files;
    for (const beside of [older, files])
      for (const [name, content] of [
        ["added_tokens.json", added],
        ["tokenizer_config.json", { added_tokens_decoder: { 50257: { content: "<|user|>", special: true } } }],
      ] as const) {
        const all = new Map(Object.entries({ ...beside, [name]: JSON.stringify(content) }));
        const tokenizer = await huggingFaceTokenizer(all);
        expect(tokenizer?.encode("Hello<|user|> x")).toEqual([15496, 50257, 2124]);
        expect([tokenizer?.vocabSize, tokenizer?.baseSize, tokenizer?.endOfText]).toEqual([50258, 50257, 50256]);
        expect(tokenizer?.files?.get(name)).toBe(JSON.stringify(content));
      }
  });
});

test("another byte-level BPE cuts text as its merges say, and gives it back", async () => {
  const tokenizer = await tokenizerOf(small());
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
  const tokenizer = await tokenizerOf({ ...json, added_tokens: added });
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
  expect(found?.encode(text)).toEqual((await tokenizerOf(small())).encode(text));
});

test("other models than byte-level BPE are refused by name, and so are damaged files", async () => {
  const refused: [object, RegExp][] = [
    [{ model: { type: "WordPiece" }, decoder: { type: "WordPiece" } }, /not bytes \(WordPiece, WordPiece\)/],
    [{ ...small(), decoder: { type: "Metaspace" } }, /not bytes \(BPE, Metaspace\)/],
    [{}, /no model, no decoder/],
    [{ ...small(), model: { type: "BPE", vocab: { a: -1 }, merges: [] } }, /-1 is not a token id/],
    [{ ...small(), model: { type: "BPE", vocab: { a: 1e9 }, merges: [] } }, /is not a token id/],
    [{ ...small(), pre_tokenizer: { type: "Nonsense" } }, /cannot be read/],
    [{ ...small(), model: { ...small().model, merges: ["t hh"] } }, /merge 0, "t hh", makes no token/],
  ];
  for (const [json, message] of refused) {
    const error = await tokenizerOf(json).catch((error: unknown) => error);
    expect(error).toBeInstanceOf(InputError);
    expect(String(error)).toMatch(message);
  }
  writeFileSync(join(folder, "tokenizer.json"), "{");
  await expect(findHuggingFaceTokenizer(folder)).rejects.toThrow(InputError);
});
