import fc from "fast-check";
import { expect, test } from "vitest";
import { PieceCache } from "./piece-cache.ts";
import { pieceEnd } from "./pieces.ts";

/** GPT-2's own pattern, with `\s` as Python and Rust have it. */
const pattern =
  /'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\p{White_Space}\p{L}\p{N}]+|\p{White_Space}+(?!\P{White_Space})|\p{White_Space}+/gu;

const unitsOf = (text: string) => Uint16Array.from({ length: text.length }, (_, i) => text.charCodeAt(i));

function pieces(text: string): string[] {
  const units = unitsOf(text);
  const found: string[] = [];
  for (let start = 0, end = 0; start < text.length; start = end) {
    end = pieceEnd(units, start);
    found.push(text.slice(start, end));
  }
  return found;
}

test("cuts any text as GPT-2's pattern does", () => {
  const characters = ["'", "s", "l", "r", "e", "v", " ", "  ", "\n", "\t", "\u0085", "\u3000", "\ufeff", "7", "٣", "é"];
  const text = fc.array(
    fc.oneof(
      fc.constantFrom(...characters, "🙂", "𝐀", "𝟘", "ŉ", "\ud800", "\udc00", "…", "_"),
      fc.string({ unit: "binary", maxLength: 2 }),
    ),
    { maxLength: 30 },
  );
  const check = (parts: string[]) => {
    const joined = parts.join("");
    expect(pieces(joined)).toEqual(joined.match(pattern) ?? []);
  };
  fc.assert(fc.property(text, check), { seed: 42, numRuns: 2000 });
});

test("the cache remembers pieces, and forgets when it is full", () => {
  const cache = new PieceCache();
  const piece = unitsOf("xx hello yy");
  cache.set(piece, 3, 8, 7);
  expect(cache.get(piece, 3, 8)).toBe(7);
  expect(cache.get(unitsOf("hello"), 0, 5)).toBe(7);
  expect(cache.get(piece, 3, 7)).toBeUndefined();
  const numbers = Array.from({ length: 100_000 }, (_, i) => unitsOf(`${i}`));
  for (const [i, units] of numbers.entries()) cache.set(units, 0, units.length, i);
  const wrong = numbers.filter((units, i) => ![undefined, i].includes(cache.get(units, 0, units.length) as number));
  expect(wrong).toEqual([]);
  expect(cache.get(unitsOf("99999"), 0, 5)).toBe(99999);
  const long = unitsOf("a".repeat(100));
  cache.set(long, 0, 100, 1);
  expect(cache.get(long, 0, 100)).toBeUndefined();
});
