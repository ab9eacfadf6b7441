import { expect, test } from "vitest";
import { commandIn, textIn } from "./line-loop.ts";

test.each([
  ["/exit", "exit"],
  [" /exit ", "exit"],
  ["\t/top-k 3", "top-k 3"],
  ["/ exit", "exit"],
  ["/", ""],
])("%j is a command", (line, command) => {
  expect(commandIn(line)).toBe(command);
});

test.each([
  ["", ""],
  [" a/b", " a/b"],
  ["//exit", "/exit"],
  ["  //exit", "  /exit"],
  ["///", "//"],
  ["http://a//b", "http://a//b"],
])("%j is a text", (line, text) => {
  expect(commandIn(line)).toBeUndefined();
  expect(textIn(line)).toBe(text);
});
