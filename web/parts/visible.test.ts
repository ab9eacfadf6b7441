import { expect, test } from "vitest";
import { visible } from "./visible.ts";

test.each([
  [" the", "·the"],
  ["a\n\n", "a⏎⏎"],
  ["\t", "⇥"],
  ["", "∅"],
  ["\u0000\u001b\u007f\u0085", "␀␛␡\ufffd"],
  ["\\xE2", "\\xE2"],
  ["漢", "漢"],
])("%j is shown as %s", (text, seen) => {
  expect(visible(text)).toBe(seen);
});
