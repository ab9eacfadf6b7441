import fc from "fast-check";
import { expect, test } from "vitest";
import { InputError } from "../errors.ts";
import { parseDataset } from "./dataset.ts";
import { readText } from "./text.ts";

/** Result of reading bytes that come in chunks of the given sizes. */
async function readInChunks(bytes: Uint8Array, sizes: readonly number[]): Promise<string> {
  async function* chunks() {
    let start = 0;
    for (let i = 0; start < bytes.length; i++) {
      const size = sizes[i % sizes.length] ?? 1;
      yield bytes.subarray(start, start + size);
      start += size;
    }
  }
  let text = "";
  for await (const piece of readText({ name: "text", size: bytes.length, [Symbol.asyncIterator]: chunks }))
    text += piece;
  return text;
}

/** Undefined for what is not text: no UTF-8, or with a zero. */
function decodeWhole(bytes: Uint8Array): string | undefined {
  if (bytes.includes(0)) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

test("text in chunks is the text in one piece, valid or not", async () => {
  const piece = fc.oneof(
    { weight: 4, arbitrary: fc.nat(0x10ffff).map((code) => new TextEncoder().encode(String.fromCodePoint(code))) },
    fc.constantFrom("\ufeff", "é\n", "🙂").map((text) => new TextEncoder().encode(text)),
    fc.uint8Array({ maxLength: 2 }),
  );
  const sizes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 12 }), sizes, async (pieces, chunkSizes) => {
      const bytes = Uint8Array.from(pieces.flatMap((part) => [...part]));
      const whole = decodeWhole(bytes);
      if (whole !== undefined) {
        expect(await readInChunks(bytes, chunkSizes)).toBe(whole);
        return;
      }
      const error = await readInChunks(bytes, chunkSizes).catch((error: unknown) => error);
      expect(error).toBeInstanceOf(InputError);
      // The reported offset is right: the text is valid up to it, and invalid there.
      const at = Number(/byte (\d+)/.exec(String(error))?.[1]);
      expect(decodeWhole(bytes.subarray(0, at))).toBeDefined();
      const line = decodeWhole(bytes.subarray(0, at))?.split("\n").length;
      expect(String(error)).toContain(`(line ${line})`);
    }),
    { seed: 7, numRuns: 500 },
  );
});

test("a damaged dataset.json is an InputError", () => {
  const whole = JSON.stringify({ tokenizer: "char", vocabSize: 65, train: { file: "train.bin", tokens: 10 } });
  expect(parseDataset("dataset.json", whole)).toMatchObject({ tokenizer: "char" });
  const damage = fc.record({ at: fc.nat(whole.length), cut: fc.nat(3), insert: fc.string({ maxLength: 2 }) });
  fc.assert(
    fc.property(damage, ({ at, cut, insert }) => {
      try {
        parseDataset("dataset.json", whole.slice(0, at) + insert + whole.slice(at + cut));
      } catch (error) {
        expect(error).toBeInstanceOf(InputError);
      }
    }),
    { seed: 7, numRuns: 1000 },
  );
});
