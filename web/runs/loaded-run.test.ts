import { expect, test } from "vitest";
import { GrowingColumns } from "../../src/runs/columns.ts";
import type { RunDetail } from "../engine/protocol.ts";
import { LoadedRun } from "./loaded-run.ts";
import { keyOf } from "./selection.ts";
import type { RunSource } from "./source.ts";

const stepLine = (step: number) => JSON.stringify({ event: "step", step, loss: 3 - step / 1000, lr: 1e-3, norm: 1 });
const sampleLine = (step: number) => JSON.stringify({ event: "sample", step, text: `after ${step}` });
const detail: RunDetail = {
  summary: { folder: "one", status: "running" },
  config: undefined,
  samples: [],
  broken: 0,
};

/** A run whose log has `lines` when it is loaded, and a function that ends the loading. */
function open(lines: readonly string[]) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const readings: number[] = [];
  const log = [...lines];
  const source: RunSource = {
    name: "tab",
    async columns() {
      const growing = new GrowingColumns();
      growing.append({ from: 0, to: log.join("\n").length + 1, lines: log });
      readings.push(log.length);
      await promise;
      return growing.columns;
    },
    detail: async () => detail,
    listen: () => () => {},
  };
  return { run: new LoadedRun(keyOf("tab", "one"), source), log, readings, goOn: resolve };
}

const stepsOf = (run: LoadedRun) => [...(run.data?.columns.step ?? [])];

test("lines that arrive during a load are neither lost nor doubled", async () => {
  const { run, readings, goOn } = open([0, 1, 2, 3].map(stepLine));
  // The first two of these are in the loaded log.
  run.append([2, 3, 4].map(stepLine), undefined);
  run.append([stepLine(5), sampleLine(6)], undefined);
  expect(run.data).toBeUndefined();
  goOn();
  await expect.poll(() => run.version.value).toBe(1);
  expect(stepsOf(run)).toEqual([0, 1, 2, 3, 4, 5]);
  expect(run.samples).toEqual([{ step: 6, text: "after 6" }]);
  run.append([stepLine(6)], undefined);
  expect(stepsOf(run)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  expect(readings).toEqual([4]);
});

test("a run is loaded again if lines between the load and those that arrived are missing", async () => {
  const { run, log, readings, goOn } = open([0, 1].map(stepLine));
  const behind = (lines: readonly string[]) => lines.join("\n").length + 1;
  const from = behind([0, 1, 2].map(stepLine));
  run.append([stepLine(3)], { from, to: from + behind([stepLine(3)]) });
  log.push(stepLine(2), stepLine(3));
  goOn();
  await expect.poll(() => stepsOf(run)).toEqual([0, 1, 2, 3]);
  expect(readings).toEqual([2, 4]);
});
