import { expect, test } from "vitest";
import { tokenText } from "./inspect.ts";

const encoder = new TextEncoder();

test.each(["", "a b\n", "é", "漢字", "🎭", "\ufeffx", "x\u0000"])("whole characters stay: %j", (text) => {
  expect(tokenText(encoder.encode(text))).toBe(text);
});

test.each([
  [[0xe2], "\\xE2"],
  [[0x20, 0xe2, 0x80], " \\xE2\\x80"],
  [[0x99, 0x73], "\\x99s"],
  [[0xc3, 0x41], "\\xC3A"],
  [[0xff, 0xc3, 0xa9, 0x0a], "\\xFFé\n"],
  // A surrogate, and a character written longer than it has to be.
  [[0xed, 0xa0, 0x80], "\\xED\\xA0\\x80"],
  [[0xc0, 0x80], "\\xC0\\x80"],
])("bytes that are no whole character are shown as what they are: %j", (bytes, text) => {
  expect(tokenText(Uint8Array.from(bytes))).toBe(text);
});
