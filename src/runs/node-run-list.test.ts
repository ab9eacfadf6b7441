import { mkdir, mkdtemp, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runFolders, runsIn, withTimes } from "./node-run-list.ts";
import { readRun } from "./read-run.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "llm-ts-run-list-"));
});
afterAll(() => rm(folder, { recursive: true }));

test("links to runs are followed, and what is there under its own name is listed once", async () => {
  const runs = join(folder, "runs");
  for (const run of ["runs/one", "elsewhere/two"]) {
    await mkdir(join(folder, run), { recursive: true });
    await writeFile(join(folder, run, "metrics.jsonl"), "");
  }
  const links = { two: "elsewhere/two", latest: "runs/one", broken: "gone", circle: "runs/circle", up: "runs" };
  for (const [name, target] of Object.entries(links)) await symlink(join(folder, target), join(runs, name));
  expect(await runFolders(runs)).toEqual([join(runs, "one"), join(runs, "two")]);
  expect((await runsIn(runs)).map((run) => run.folder).sort()).toEqual([join(runs, "one"), join(runs, "two")]);
  expect(await runFolders(join(runs, "up"))).toEqual([join(runs, "up/one"), join(runs, "up/two")]);
});

test("a run that has not ended took the time of its starts, without the pauses between them", async () => {
  const metrics = join(folder, "metrics.jsonl");
  await writeFile(metrics, '{"event":"step","step":7,"loss":4}\n');
  await utimes(metrics, new Date("2026-01-03T00:00:10Z"), new Date("2026-01-03T00:00:10Z"));
  const begun = {
    version: 1,
    created: "2026-01-03T00:00:00.000Z",
    model: { name: "small", L: 1, NH: 2, C: 8, V: 256, maxT: 12 },
  };
  const took = async (config: object) => {
    await writeFile(join(folder, "config.json"), JSON.stringify(config));
    return (await withTimes(await readRun(folder))).ms;
  };
  expect(await took(begun)).toBe(10_000);
  const continued = [{ step: 3, changes: [], started: "2026-01-03T00:00:08.000Z", ms: 500 }];
  expect(await took({ ...begun, created: "2025-12-01T00:00:00.000Z", continued })).toBe(2500);
});
