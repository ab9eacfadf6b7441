import { expect, test } from "vitest";
import { storableTextBytes, tooLarge } from "./storage-space.ts";

const storage = { kind: "best-effort", used: 20, quota: 120 } as const;

test("a text needs twice its size", () => {
  expect(storableTextBytes(storage)).toBe(50);
  expect(storableTextBytes({ ...storage, used: 130 })).toBe(0);
});

test("without a known quota nothing is refused", () => {
  expect(storableTextBytes({ kind: "kept" })).toBeUndefined();
  expect(tooLarge([{ name: "a", size: 1e15 }], { kind: "kept" })).toBeUndefined();
  expect(tooLarge([{ name: "a", size: 1e15 }], undefined)).toBeUndefined();
});

test("sizes are added up, and the largest file is named", () => {
  const a = { name: "a.txt", size: 20 };
  const b = { name: "b.txt", size: 31 };
  expect(tooLarge([a], storage)).toBeUndefined();
  expect(tooLarge([a, b], storage)).toEqual({ name: "b.txt", bytes: 31, most: 50 });
});
