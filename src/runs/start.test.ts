import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { CountingBackend } from "../../test/counting-backend.ts";
import { writeTokens } from "../../test/run-cli.ts";
import { TokenLoader } from "../data/loader.ts";
import { InputError, MemoryError, UsageError } from "../errors.ts";
import { makeConfig } from "../model/config.ts";
import { closeLoaders } from "../train/loaders.ts";
import { unlimitedSteps } from "../train/settings.ts";
import { readRun } from "./read-run.ts";
import { RunSaver } from "./run-saver.ts";
import {
  type Continuation,
  openResumable,
  prepareRun,
  type RunHost,
  type RunRequest,
  runEvents,
  startRun,
} from "./start.ts";

const folder = mkdtempSync(join(tmpdir(), "llm-ts-"));
const [train, val, file] = ["train.bin", "val.bin", "file"].map((name) => join(folder, name));
beforeAll(async () => {
  await writeTokens(train, 500, 50);
  await writeTokens(val, 500, 50);
  writeFileSync(file, "");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => vi.restoreAllMocks());

const given = { batch: 2, block: 8, steps: 3 };
const request: RunRequest = {
  model: { name: "tiny", config: makeConfig({ maxT: 16, V: 50, L: 1, NH: 2, C: 8 }) },
  data: { name: "tokens", train, val },
  given,
  choices: given,
  isKept: true,
};

const host = (backend: CountingBackend, out?: string): RunHost => ({
  backend,
  out,
  cwd: folder,
  onProgress: () => {},
  remark: () => {},
});

test.each([
  ["validation data that does not exist", { data: { ...request.data, val: "nothere" } }, InputError, 1],
  ["options that do not fit together", { choices: { ...given, schedule: "linear", warmupSteps: 9 } }, UsageError, 2],
] as const)("%s: every loader is closed", async (_, change, problem, opened) => {
  const close = vi.spyOn(TokenLoader.prototype, "close");
  await expect(prepareRun({ ...request, ...change })).rejects.toThrow(problem);
  expect(close).toHaveBeenCalledTimes(opened);
});

test("a run that does not start closes its loaders, and leaves no gradients and moments", async () => {
  const close = vi.spyOn(TokenLoader.prototype, "close");
  const backend = new CountingBackend();
  const run = await prepareRun(request);
  await expect(startRun(run, host(backend, file))).rejects.toThrow(InputError);
  expect(close).toHaveBeenCalledTimes(2);
  backend.memoryLimit = 1000;
  await expect(startRun(await prepareRun(request), host(backend))).rejects.toThrow(MemoryError);
  expect(close).toHaveBeenCalledTimes(4);
});

test("it starts without a folder where its host accepts that", async () => {
  const onUnkept = vi.fn();
  const started = await startRun(await prepareRun(request), { ...host(new CountingBackend(), file), onUnkept });
  expect(started.folder).toBeUndefined();
  expect(onUnkept).toHaveBeenCalledOnce();
});

describe("a run with a time budget", () => {
  const out = join(folder, "timed");
  let now = 0;
  beforeEach(() => {
    vi.spyOn(performance, "now").mockImplementation(() => now);
    const { next } = TokenLoader.prototype;
    vi.spyOn(TokenLoader.prototype, "next").mockImplementation(function (this: TokenLoader) {
      now += 100;
      return next.call(this);
    });
  });

  /** Runs to its end, in its folder; the updates that were made in all. */
  async function runFor(seconds: number, resumed?: Continuation): Promise<number> {
    const timed = { ...given, steps: undefined, minutes: seconds / 60, valBatches: 1, sampleEvery: 0 };
    const run = await prepareRun({ ...request, given: timed, choices: timed, resumed });
    expect(run.settings.steps).toBe(unlimitedSteps);
    const source = { ...run, model: { ...run.model, file: resumed?.checkpoint?.model } };
    const started = await startRun(source, host(new CountingBackend(), out));
    const { folder, trainer, settings } = started;
    if (!folder) throw new Error("the run has no folder");
    const saver = new RunSaver(folder, trainer, settings, () => {});
    for await (const event of runEvents(started, { checkpoint: () => saver.save() })) await saver.record(event);
    await folder.close();
    await closeLoaders(started.loaders);
    return trainer.step;
  }

  const reopened = async (): Promise<Continuation> => ({
    ...(await openResumable(out, () => {}, "")),
    changes: [],
    otherData: "",
  });

  test("is complete when the time is over, and continues where it gets more", async () => {
    const made = await runFor(3);
    expect(made).toBeGreaterThan(10);
    expect(await readRun(out)).toMatchObject({ status: "done", step: made, steps: undefined });
    const isCompleteAfter = async (seconds: number) => {
      const resumed = await reopened();
      const choices = { ...given, steps: unlimitedSteps, minutes: seconds / 60 };
      const run = await prepareRun({ ...request, choices, resumed });
      await Promise.all([resumed.folder.close(), closeLoaders(run.loaders)]);
      return run.isComplete;
    };
    expect(await isCompleteAfter(3)).toBe(true);
    expect(await isCompleteAfter(5)).toBe(false);
    now += 1e6;
    const before = now;
    const later = await runFor(5, await reopened());
    expect(later).toBeGreaterThan(made + 10);
    expect(now - before).toBeLessThanOrEqual(2200);
  });
});
