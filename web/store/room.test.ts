import { expect, test } from "vitest";
import { roomFor, tooLarge } from "./room.ts";

const storage = { kind: "best-effort", used: 20, quota: 120 } as const;

test("a text needs twice its size", () => {
  expect(roomFor(storage)).toBe(50);
  expect(roomFor({ ...storage, used: 130 })).toBe(0);
});

test("where the browser does not tell, nothing is refused", () => {
  expect(roomFor({ kind: "kept" })).toBeUndefined();
  expect(tooLarge([{ name: "a", size: 1e15 }], { kind: "kept" })).toBeUndefined();
  expect(tooLarge([{ name: "a", size: 1e15 }], undefined)).toBeUndefined();
});

test("files count together, and the largest is named", () => {
  const a = { name: "a.txt", size: 20 };
  const b = { name: "b.txt", size: 31 };
  expect(tooLarge([a], storage)).toBeUndefined();
  expect(tooLarge([a, b], storage)).toEqual({ name: "b.txt", bytes: 31, most: 50 });
});
