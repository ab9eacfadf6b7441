import fc from "fast-check";
import { expect, test } from "vitest";
import { IdBuffer } from "./id-buffer.ts";
import { PieceCache } from "./piece-cache.ts";
import { type PiecePattern, piecePatterns } from "./pieces.ts";

/** The patterns for JavaScript, with `\s` as Python and Rust have it, and without modifiers of a group. */
function patternOf(name: PiecePattern): RegExp {
  const source = piecePatterns[name].regex
    .replace(/\(\?i:(.*?)\)/, (_, group: string) =>
      group.replace(/[a-z]/g, (letter) => `[${letter}${letter.toUpperCase()}${letter === "s" ? "ſ" : ""}]`),
    )
    .replaceAll("\\s", "\\p{White_Space}")
    .replaceAll("\\S", "\\P{White_Space}");
  return new RegExp(source, "gu");
}

const unitsOf = (text: string) => Uint16Array.from({ length: text.length }, (_, i) => text.charCodeAt(i));

function pieces(text: string, pattern: PiecePattern): string[] {
  const units = unitsOf(text);
  const found: string[] = [];
  for (let start = 0, end = 0; start < text.length; start = end) {
    end = piecePatterns[pattern].endOf(units, start);
    found.push(text.slice(start, end));
  }
  return found;
}

test.each(["gpt2", "gpt4"] as const)("cuts any text as the pattern of %s does", (name) => {
  const pattern = patternOf(name);
  const characters = [
    "'",
    "s",
    "S",
    "ſ",
    "l",
    "L",
    "r",
    "e",
    "v",
    " ",
    "  ",
    "\n",
    "\r",
    "1",
    "23",
    "\t",
    "\u0085",
    "\u3000",
    "\ufeff",
    "7",
    "٣",
    "é",
  ];
  const text = fc.array(
    fc.oneof(
      fc.constantFrom(...characters, "🙂", "𝐀", "𝟘", "ŉ", "\ud800", "\udc00", "…", "_"),
      fc.nat(0x10ffff).map((code) => String.fromCodePoint(code)),
    ),
    { maxLength: 30 },
  );
  const check = (parts: string[]) => {
    const joined = parts.join("");
    expect(pieces(joined, name)).toEqual(joined.match(pattern) ?? []);
  };
  fc.assert(fc.property(text, check), { seed: 42, numRuns: 5000 });
});

test("the cache keeps pieces, and is cleared when it is full", () => {
  const cache = new PieceCache();
  const remember = (text: string, ...ids: number[]) => {
    const out = new IdBuffer();
    for (const id of [99, ...ids]) out.push(id);
    cache.remember(unitsOf(text), 0, text.length, out, 1);
  };
  const recall = (text: string) => {
    const out = new IdBuffer();
    return cache.recall(unitsOf(`<${text}>`), 1, text.length + 1, out) ? out.toArray() : undefined;
  };
  remember("hello", 7, 8);
  expect(recall("hello")).toEqual([7, 8]);
  expect(recall("hell")).toBeUndefined();
  remember("a".repeat(100), 1);
  expect(recall("a".repeat(100))).toBeUndefined();
  for (let i = 0; i < 100_000; i++) remember(`${i}`, i, i + 1);
  const wrong = Array.from({ length: 100_000 }, (_, i) => [i, recall(`${i}`)?.[0]]).filter(
    ([i, found]) => found !== undefined && found !== i,
  );
  expect(wrong).toEqual([]);
  expect(recall("99999")).toEqual([99999, 100000]);
  expect(recall("hello")).toBeUndefined();
});
