import { expect, test } from "vitest";
import type { RunSummary } from "../../src/runs/read-run.ts";
import { filterAndSort, newestFirst, sortedBy } from "./sorting.ts";

const runs: RunSummary[] = [
  { folder: "baby-10", status: "done", model: "baby", valLoss: 1.5, created: "2026-01-02T00:00:00.000Z" },
  { folder: "baby-9", status: "running", model: "baby", valLoss: 1.4, created: "2026-01-03T00:00:00.000Z" },
  { folder: "d12-1", status: "unreadable", reason: "no" },
];
const names = (list: readonly RunSummary[]) => list.map(({ folder }) => folder);

test("runs are sorted by any column, unknown values last", () => {
  expect(names(filterAndSort(runs, "", newestFirst))).toEqual(["baby-9", "baby-10", "d12-1"]);
  expect(names(filterAndSort(runs, "", { by: "created", descending: false }))).toEqual(["baby-10", "baby-9", "d12-1"]);
  expect(names(filterAndSort(runs, "", { by: "valLoss", descending: false }))).toEqual(["baby-9", "baby-10", "d12-1"]);
  expect(names(filterAndSort(runs, "", { by: "folder", descending: false }))).toEqual(["baby-9", "baby-10", "d12-1"]);
});

test("every word of the filter must be in name, model or status", () => {
  expect(names(filterAndSort(runs, " BABY run", newestFirst))).toEqual(["baby-9"]);
  expect(filterAndSort(runs, "baby gone", newestFirst)).toEqual([]);
});

test("a column's header sorts by it, and pressed again in the other direction", () => {
  const byLoss = sortedBy(newestFirst, "loss");
  expect(byLoss).toEqual({ by: "loss", descending: false });
  expect(sortedBy(byLoss, "loss").descending).toBe(true);
  expect(sortedBy(byLoss, "step").descending).toBe(true);
});
