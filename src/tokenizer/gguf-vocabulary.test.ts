/** Tokenizers in GGUF's fields: read back, they give the same ids. That llama.cpp does, too, is in test/long/llama-cpp.ts. */
import { describe, expect, test } from "vitest";
import { trainTokenizer } from "../data/train-tokenizer.ts";
import { makeGgufHeader, readGgufHeader } from "../format/gguf-file.ts";
import { openSource } from "../platform/node-files.ts";
import { byteTokenizer } from "./byte.ts";
import { charTokenizerOf } from "./char.ts";
import { ChatFormat, withChat } from "./chat.ts";
import { chatMl } from "./chat-template.ts";
import { endTokensInGguf, ggufRemark, ggufVocabulary, tokenizerInGguf } from "./gguf-vocabulary.ts";
import { gpt2Tokenizer } from "./gpt2.ts";
import { huggingFaceTokenizer } from "./huggingface.ts";
import type { Tokenizer } from "./tokenizer.ts";

const text = "Speak, speak. 12345 don't\n\n  né à 中文\r\n";

async function throughFile(tokenizer: Tokenizer | undefined, V: number, end: readonly number[]) {
  const fields = await ggufVocabulary(tokenizer, V, end);
  const read = (await readGgufHeader(await openSource(makeGgufHeader(fields, [])))).fields;
  return { read, remark: ggufRemark(tokenizer, end), back: await tokenizerInGguf("model.gguf", read) };
}

const trained = async (pattern: "gpt2" | "gpt4") =>
  (await trainTokenizer(["tinyshakespeare"], { vocabSize: 400, pattern, special: ["<|endoftext|>", "<|user|>"] }))
    .tokenizer;

describe("comes back", () => {
  test.each([
    ["GPT-2's", () => gpt2Tokenizer()],
    ["a trained one with GPT-2's split", () => trained("gpt2")],
    ["a trained one with GPT-4's split", () => trained("gpt4")],
    ["bytes", async () => byteTokenizer()],
    ["characters of one to four bytes", async () => charTokenizerOf(`${text}🙂$`)],
  ])("%s", async (_name, make) => {
    const tokenizer = await make();
    const end = tokenizer.endOfText === undefined ? [] : [tokenizer.endOfText];
    const { back, read, remark } = await throughFile(tokenizer, tokenizer.vocabSize, end);
    expect([back?.kind, back?.vocabSize, back?.endOfText]).toEqual([
      tokenizer.kind,
      tokenizer.vocabSize,
      tokenizer.endOfText,
    ]);
    expect(back?.encode(text)).toEqual(tokenizer.encode(text));
    expect(endTokensInGguf(read)).toEqual(end.length > 0 ? end : undefined);
    if (end.length === 0) expect(remark).toMatch(/no token that ends a text, .* there it ends at/);
    else expect(remark).toBeUndefined();
  });
});

test.each([
  ["GPT-2's", () => gpt2Tokenizer()],
  ["a trained one", () => trained("gpt4")],
])("a chat template, the end of a text and the end of a turn come back: %s", async (_name, make) => {
  const tokenizer = await withChat(await make());
  const { endOfText = -1, turnEnd = -1 } = tokenizer;
  const { back, read } = await throughFile(tokenizer, tokenizer.vocabSize, [endOfText, turnEnd]);
  // llama.cpp stops at eos_token_id, and its Jinja finds the template here.
  expect(read["tokenizer.ggml.eos_token_id"]).toBe(turnEnd);
  expect(read["tokenizer.ggml.bos_token_id"]).toBe(endOfText);
  expect(read["tokenizer.chat_template"]).toBe(chatMl);
  expect([back?.endOfText, back?.turnEnd]).toEqual([endOfText, turnEnd]);
  expect(endTokensInGguf(read)).toBeUndefined();
  const talk = [{ role: "user", content: text }] as const;
  const [before, after] = [await ChatFormat.of(tokenizer), await ChatFormat.of(back)];
  expect(after?.prompt(talk)).toEqual(before?.prompt(talk));
});

test("rows that pad a vocabulary are unused tokens, special tokens are control tokens", async () => {
  const tokenizer = await trained("gpt2");
  const { read, back } = await throughFile(tokenizer, 448, [0]);
  const [tokens, types] = [read["tokenizer.ggml.tokens"], read["tokenizer.ggml.token_type"]] as [string[], number[]];
  expect([tokens.length, types.length, tokens[447], types[447], types[0], types[1], types[2]]).toEqual([
    448,
    448,
    "[PAD447]",
    5,
    3,
    3,
    1,
  ]);
  expect(back?.encode("<|user|>Speak")).toEqual(tokenizer.encode("<|user|>Speak"));
});

test("a character's bytes are merged from the left, and those of two characters never", async () => {
  const { read } = await throughFile(charTokenizerOf("a中é"), 3, []);
  expect(read["tokenizer.ggml.tokens"]).toEqual(["a", "Ã©", "ä¸Ń"]);
  expect(read["tokenizer.ggml.merges"]).toEqual(["Ã ©", "ä ¸", "ä¸ Ń"]);
});

test("a model without a tokenizer says so, and one that llama.cpp has no name for is refused", async () => {
  const { read, remark, back } = await throughFile(undefined, 10, []);
  expect([read["tokenizer.ggml.model"], remark, back]).toEqual([
    "none",
    expect.stringContaining("token ids"),
    undefined,
  ]);
  const files = new Map((await trained("gpt2")).files);
  const json = JSON.parse(files.get("tokenizer.json") ?? "");
  const digits = { type: "Sequence", pretokenizers: [{ type: "Digits", individual_digits: true }, json.pre_tokenizer] };
  files.set("tokenizer.json", JSON.stringify({ ...json, pre_tokenizer: digits }));
  const other = await huggingFaceTokenizer(files);
  await expect(ggufVocabulary(other, 400, [0])).rejects.toThrow(/llama\.cpp has no name for its pre_tokenizer/);
});
