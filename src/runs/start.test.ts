import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { CountingBackend } from "../../test/counting-backend.ts";
import { writeTokens } from "../../test/run-cli.ts";
import { TokenLoader } from "../data/loader.ts";
import { InputError, MemoryError, UsageError } from "../errors.ts";
import { makeConfig } from "../model/config.ts";
import { prepareRun, type RunHost, type RunRequest, startRun } from "./start.ts";

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
