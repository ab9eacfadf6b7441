import { describe, expect, test } from "vitest";
import { UsageError } from "../errors.ts";
import { StopFilter } from "./stop.ts";

/** Output of a filter, piece by piece, and at the end. */
function passed(strings: readonly string[], pieces: readonly string[]): string[] {
  const filter = new StopFilter(strings);
  return [...pieces.map((piece) => filter.push(piece)), filter.end()];
}

describe("text passes up to a stop string", () => {
  test.each([
    ["none given", [], ["a", "b"], ["a", "b", ""]],
    ["inside one piece", ["x"], ["abxcd", "e"], ["ab", "", ""]],
    ["across pieces", ["stop"], ["a s", "to", "p b"], ["a ", "", "", ""]],
    ["what only began like one comes later", ["stop"], ["a st", "ay"], ["a ", "stay", ""]],
    ["what only began like one comes at the end", ["stop"], ["a st"], ["a ", "st"]],
    ["the first of several", ["cd", "b"], ["abcd"], ["a", ""]],
    ["one that overlaps with itself", ["aab"], ["aa", "ab", "c"], ["", "a", "", ""]],
    ["at the very beginning", ["a"], ["abc"], ["", ""]],
  ] as const)("%s", (_, strings, pieces, expected) => {
    expect(passed(strings, pieces)).toEqual(expected);
  });
});

test("the same text passes however it is cut", () => {
  const text = "one two\n\nthree";
  for (let at = 0; at <= text.length; at++)
    expect(passed(["\n\n", "wot"], [text.slice(0, at), text.slice(at)]).join("")).toBe("one two");
});

test("an empty string is refused", () => {
  expect(() => new StopFilter(["a", ""])).toThrow(UsageError);
});
