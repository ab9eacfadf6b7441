import { expect, test } from "vitest";
import { decodeColumns, encodeColumns, GrowingColumns } from "../../src/runs/columns.ts";
import { progressUntil } from "./stored-progress.ts";

function columnsOf(steps: number) {
  const columns = new GrowingColumns();
  const lines = Array.from({ length: steps }, (_, step) => `{"event":"step","step":${step},"loss":${5 - step / 10}}`);
  columns.append({ from: 0, to: 1, lines: [...lines, `{"event":"val","step":${steps},"loss":3}`] });
  return decodeColumns(encodeColumns(columns.columns));
}

test("nothing is shown of a run without a checkpoint, which starts over", () => {
  const progress = progressUntil(undefined, columnsOf(9), [{ step: 5, text: "gone" }]);
  expect([progress.step, progress.valLoss, progress.samples]).toEqual([0, undefined, []]);
  expect(progress.curves.x).toHaveLength(0);
});

test("a run is shown up to its checkpoint", () => {
  const progress = progressUntil(6, columnsOf(9), [{ step: 5, text: "kept" }]);
  expect([progress.step, progress.savedStep, progress.valLoss]).toEqual([6, 6, undefined]);
  expect(progress.samples).toHaveLength(1);
  expect([...progress.curves.x]).toEqual([0, 1, 2, 3, 4, 5]);
});
