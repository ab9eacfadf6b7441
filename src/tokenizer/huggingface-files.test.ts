import { createHash } from "node:crypto";
import { Tokenizer } from "@huggingface/tokenizers";
import { beforeAll, expect, test } from "vitest";
import { gpt2Tokenizer } from "./gpt2.ts";
import { huggingFaceTokenizer } from "./huggingface.ts";
import { gpt2HuggingFaceFiles } from "./huggingface-files.ts";

let files: Readonly<Record<string, string>>;
beforeAll(async () => {
  files = await gpt2HuggingFaceFiles(1024);
});

// The hashes of encoder.json and vocab.bpe that OpenAI's tiktoken demands (tiktoken_ext/openai_public.py).
test.each([
  ["vocab.json", "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783"],
  ["merges.txt", "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5"],
])("%s is OpenAI's, byte for byte", (name, sha256) => {
  expect(createHash("sha256").update(files[name]).digest("hex")).toBe(sha256);
});

test("Hugging Face's tokenizer gives our ids from tokenizer.json, and it is recognised as GPT-2's", async () => {
  const [json, settings] = [JSON.parse(files["tokenizer.json"]), JSON.parse(files["tokenizer_config.json"])];
  const theirs = new Tokenizer(json, settings);
  const ours = await gpt2Tokenizer();
  for (const text of ["Hello world", "  two\n\nlines 🦙 naïve 你好", "It's 3.14<|endoftext|>Once", "\t\u0000\u007f"]) {
    const { ids } = theirs.encode(text, { add_special_tokens: false });
    expect(ids, text).toEqual(ours.encode(text));
    expect(theirs.decode(ids, { skip_special_tokens: false, clean_up_tokenization_spaces: false })).toBe(text);
  }
  expect(await huggingFaceTokenizer(new Map(Object.entries(files)))).toBe(ours);
});
