import { expect, test } from "vitest";
import { firstLine, firstPrompt, readableBeginningOf } from "./first-prompt.ts";

test("the beginning of the text, up to the end of a word", () => {
  expect(firstPrompt("First Citizen:\nBefore we proceed any further, hear me speak.")).toBe(
    "First Citizen:\nBefore we proceed any",
  );
  expect(firstPrompt("\n short \n")).toBe("short");
  expect(firstPrompt("")).toBe("");
});

test("a text without words is cut between characters", () => {
  expect(firstPrompt("漢".repeat(100))).toBe("漢".repeat(40));
  // The 41st unit is the first half of a character.
  expect(firstPrompt("🎭".repeat(100))).toBe("🎭".repeat(20));
});

test("its first line", () => {
  expect(firstLine("First Citizen:\nBefore we proceed")).toBe("First Citizen:");
  expect(firstLine("\n滚滚长江东逝水，浪花淘尽英雄。\n是非成败转头空")).toBe("滚滚长江东逝水，浪花淘尽英雄。");
  expect(firstLine("")).toBe("");
});

test("a beginning is empty if the model cannot encode all its characters", () => {
  expect(readableBeginningOf("0123456789", "abcdefghij")).toBe("");
  expect(readableBeginningOf("学而时习之😀", "之习学时而😀")).toBe("学而时习之😀");
  expect(readableBeginningOf("any", undefined)).toBe("any");
});
