import { expect, test } from "vitest";
import { colourRuns, keyOf, parseKey, selectionIn, toggled } from "./selection.ts";

test("a run's key holds its source and its name, whatever the name", () => {
  for (const source of ["disk", "tab"] as const)
    for (const name of ["baby-001", "-", "tab:x", "disk:tab:x", "a/b+c 中"])
      expect(parseKey(keyOf(source, name))).toEqual({ source, name });
  expect(keyOf("disk", "baby-001")).toBe("baby-001");
});

test("the address distinguishes no selection from an empty one, and lists every run once", () => {
  expect(selectionIn([])).toBeUndefined();
  expect(selectionIn(["-"])).toEqual([]);
  expect(selectionIn(["a", "tab:b", "a"])).toEqual(["a", "tab:b"]);
});

test("runs are added at the end, and removed from anywhere", () => {
  expect(toggled(["a", "b"], "c")).toEqual(["a", "b", "c"]);
  expect(toggled(["a", "b", "c"], "b")).toEqual(["a", "c"]);
});

test("a run keeps its colour while it is selected; a new one gets a free colour", () => {
  const first = colourRuns(["a", "b", "c"], new Map());
  expect([...first.values()]).toEqual([0, 1, 2]);
  const second = colourRuns(["b", "c", "d"], first);
  expect(Object.fromEntries(second)).toEqual({ b: 1, c: 2, d: 0 });
  // Eight colours: the ninth run and the tenth share with the first two.
  const many = colourRuns([..."abcdefghij"], new Map());
  expect([...many.values()]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 0, 1]);
});
