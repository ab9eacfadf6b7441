/** Bits per byte of a model whose weights are all zero, to which every token is as likely: log2 V bits a token. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { localGroup } from "../../test/local-group.ts";
import { GPT2 } from "../api/gpt2.ts";
import { ReferenceBackend } from "../backend/reference/reference.ts";
import { trainTokenizer } from "../data/train-tokenizer.ts";
import { makeConfig } from "../model/config.ts";
import { byteTokenizer } from "../tokenizer/byte.ts";
import { charTokenizerOf } from "../tokenizer/char.ts";
import { gpt2Tokenizer } from "../tokenizer/gpt2.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { BatchSource } from "./options.ts";
import { Trainer } from "./trainer.ts";

const shakespeare = readFileSync(new URL("../../data/tinyshakespeare.txt", import.meta.url), "utf8").slice(0, 1000);
const text = `${shakespeare}\n什么叫词元？ naïve 🙂\n`;
const bpe = await trainTokenizer([new Blob([text])], { vocabSize: 300, special: ["<|endoftext|>", "<|user|>"] });
const tokenizers: Record<string, Tokenizer> = {
  gpt2: await gpt2Tokenizer(),
  char: charTokenizerOf(text),
  byte: byteTokenizer(),
  "bpe:300": bpe.tokenizer,
};

/** All of `ids` but the first as the targets of one batch. */
function batchOf(ids: readonly number[]): BatchSource {
  const [inputs, targets] = [Int32Array.from(ids.slice(0, -1)), Int32Array.from(ids.slice(1))];
  return { B: 1, T: inputs.length, next: async () => ({ inputs, targets }), reset: () => {} };
}

/** The validation of a model of zeros, before any update. */
async function validate(ids: readonly number[], tokenizer?: Tokenizer, V = tokenizer?.vocabSize ?? 300) {
  const config = makeConfig({ maxT: ids.length, V, L: 1, NH: 1, C: 2 });
  await using model = await GPT2.zeros(config, { backend: new ReferenceBackend(), tokenizer });
  await using trainer = new Trainer(model);
  const valLoader = batchOf(ids);
  for await (const event of trainer.run(valLoader, { steps: 0, valLoader, valBatches: 2 }))
    if (event.type === "val") return event;
  throw new Error("no validation was made");
}

test.each(Object.entries(tokenizers))("the targets of %s are the text's bytes", async (_, tokenizer) => {
  const ids = tokenizer.encode(text);
  const bytes = Buffer.byteLength(text) - tokenizer.decodeBytes(ids.slice(0, 1)).length;
  const { loss, bitsPerByte } = await validate(ids, tokenizer);
  const bits = Math.log2(tokenizer.vocabSize);
  // A loss has the 24 bits of single precision.
  expect(Math.abs(loss / (bits * Math.LN2) - 1)).toBeLessThan(2 ** -22);
  expect(Math.abs((bitsPerByte ?? 0) / ((bits * (ids.length - 1)) / bytes) - 1)).toBeLessThan(2 ** -22);
});

test("special tokens count nothing, whichever they are", async () => {
  const { tokenizer } = bpe;
  const ids = tokenizer.encode("\n<|user|>abc<|endoftext|>de<|endoftext|>");
  const marks = ids.filter((id) => tokenizer.specialIds?.includes(id)).length;
  expect(marks).toBe(3);
  const { bitsPerByte = 0 } = await validate(ids, tokenizer);
  const expected = (Math.log2(tokenizer.vocabSize) * (ids.length - 1 - marks)) / 5;
  expect(Math.abs(bitsPerByte / expected - 1)).toBeLessThan(2 ** -22);
});

test("without a tokenizer, or without text, there is no such figure", async () => {
  expect(await validate([1, 2, 3, 4])).not.toHaveProperty("bitsPerByte", expect.anything());
  const end = tokenizers.gpt2.endOfText ?? 0;
  expect(await validate([end, end, end], tokenizers.gpt2)).not.toHaveProperty("bitsPerByte", expect.anything());
});

test("the bytes of all processes count", async () => {
  const { tokenizer } = bpe;
  const shares = [tokenizer.encode("One reads this,"), tokenizer.encode("and another one reads that text.")];
  const T = Math.min(...shares.map((ids) => ids.length));
  const members = localGroup(2).map(async (group) => {
    const config = makeConfig({ maxT: T, V: tokenizer.vocabSize, L: 1, NH: 1, C: 2 });
    await using model = await GPT2.zeros(config, { backend: new ReferenceBackend(), tokenizer });
    await using trainer = new Trainer(model, {}, group);
    const valLoader = batchOf(shares[group.rank].slice(0, T));
    for await (const event of trainer.run(valLoader, { steps: 0, valLoader, valBatches: 1 }))
      if (event.type === "val") return event.bitsPerByte;
    return undefined;
  });
  const targets = shares.flatMap((ids) => ids.slice(1, T));
  const expected = (Math.log2(tokenizer.vocabSize) * targets.length) / tokenizer.decodeBytes(targets).length;
  const [first = 0, second] = await Promise.all(members);
  expect(second).toBe(first);
  expect(Math.abs(first / expected - 1)).toBeLessThan(2 ** -22);
});
