import { expect, test } from "vitest";
import { AddedTokens, addedToken } from "./added-tokens.ts";

const mask = { ...addedToken({ id: 7, content: "<mask>", special: true }), lstrip: true };

test("white space before a token belongs to it, but not what another token has already", () => {
  const tokens = new AddedTokens([mask, addedToken({ id: 8, content: " .", special: true })]);
  expect(tokens.sections("a \n\u0085<mask> .\u3000<mask>b")).toEqual([
    { start: 0, end: 1 },
    { start: 1, end: 10, id: 7 },
    { start: 10, end: 12, id: 8 },
    { start: 12, end: 19, id: 7 },
    { start: 19, end: 20 },
  ]);
});

test("looks at white space before a token once, however much there is", () => {
  // A search for the beginning of the run from each of its characters would take minutes.
  const text = ` .${" ".repeat(1 << 20)}<mask>`;
  expect(new AddedTokens([mask]).sections(text)).toEqual([
    { start: 0, end: 2 },
    { start: 2, end: text.length, id: 7 },
  ]);
  expect(new AddedTokens([mask]).sections(`${text.slice(0, -6)}.<mask>`)).toHaveLength(2);
});
