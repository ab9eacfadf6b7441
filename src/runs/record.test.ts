import { expect, test } from "vitest";
import { settingsOf } from "../train/resolve.ts";
import { dividedAmong, type RunRecord } from "./record.ts";

const record = (batch: number, processes?: number): RunRecord => ({
  cwd: "/",
  given: { batch },
  data: { name: "data", train: [] },
  run: settingsOf({ batch }, 64),
  processes,
});

test("a resume with other processes keeps the rows of a batch, and divides them again", () => {
  const four = dividedAmong({ rank: 0, size: 4 }, "runs/a", record(6, 2));
  expect(four).toMatchObject({ processes: 4, run: { batch: 3 }, given: { batch: 6 } });
  expect(dividedAmong({ rank: 0, size: 1 }, "runs/a", four)).toMatchObject({ processes: 1, run: { batch: 12 } });
  const one = record(5);
  expect(dividedAmong({ rank: 0, size: 1 }, "runs/a", one)).toBe(one);
});

test("one process that resumes a run of several shares no moments out", () => {
  const shared = { ...record(6, 2), given: { batch: 6, zeroStage: 1 }, run: { ...record(6).run, zeroStage: 1 } };
  const alone = dividedAmong({ rank: 0, size: 1 }, "runs/a", shared);
  expect(alone).toMatchObject({ processes: 1, run: { batch: 12, zeroStage: 0 } });
  expect(alone.given).toEqual({ batch: 6 });
  expect(dividedAmong({ rank: 0, size: 4 }, "runs/a", shared).run.zeroStage).toBe(1);
});

test("rows that cannot be divided are refused, with the numbers that can", () => {
  expect(() => dividedAmong({ rank: 0, size: 5 }, "runs/a", record(6, 2))).toThrow(
    "A batch of the run in runs/a has 12 rows, which 5 processes cannot share equally. Resume it with 1, 2, 3, 4, 6 or 12 " +
      "processes.",
  );
});
