import { appendFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { platform } from "#platform";
import { InputError } from "../errors.ts";
import { type DoneEvent, type TrainEvent, toJsonLine, toLogLine } from "../train/events.ts";
import { readCurves, readRun } from "./read-run.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "llm-ts-read-run-"));
});
afterAll(() => rm(root, { recursive: true }));

/** Makes a folder of files; undefined stands for a folder. */
async function folder(name: string, files: Readonly<Record<string, string | undefined>>): Promise<string> {
  const path = join(root, name);
  await mkdir(path);
  for (const [file, text] of Object.entries(files))
    await (text === undefined ? mkdir(join(path, file)) : writeFile(join(path, file), text));
  return path;
}

const config = JSON.stringify({
  version: 1,
  created: "2026-01-02T03:04:05.000Z",
  model: { name: "small", L: 1, NH: 2, C: 8, V: 256, Vp: 256, maxT: 12 },
  run: { steps: 100 },
});
const step = (n: number, loss = 5 - n / 100): TrainEvent => {
  return { type: "step", step: n, loss, learningRate: 1e-3, norm: 1 + n, ms: 10, tokensPerSecond: 1000 + n };
};
const val = (n: number, loss: number): TrainEvent => ({ type: "val", step: n, loss });
const done = (n: number, how: Partial<DoneEvent> = {}): TrainEvent => {
  return { type: "done", step: n, steps: 100, ms: 1234, skipped: 2, interrupted: false, ...how };
};
const metrics = (events: readonly TrainEvent[]) => events.map(toJsonLine).join("");
const steps = (from: number, to: number) => Array.from({ length: to - from }, (_, at) => step(from + at));

test("a run is summed up", async () => {
  const events = [val(0, 5.5), ...steps(0, 50), val(50, 4.2), ...steps(50, 100), val(100, 4.4), done(100)];
  const path = await folder("whole", { "config.json": config, "metrics.jsonl": metrics(events) });
  expect(await readRun(path)).toEqual({
    folder: path,
    status: "done",
    model: "small",
    // wte, wpe, and of the layer: two layernorms, qkv, projection, MLP; the last layernorm.
    parameters: 256 * 8 + 12 * 8 + (16 + 16 + 24 * 9 + 8 * 9 + 32 * 9 + 8 * 33) + 16,
    step: 100,
    steps: 100,
    loss: 5 - 99 / 100,
    valLoss: 4.4,
    bestValLoss: 4.2,
    skipped: 2,
    // The last fifty: 1050 to 1099.
    tokensPerSecond: 1074.5,
    ms: 1234,
    created: "2026-01-02T03:04:05.000Z",
  });
});

test("how a run ended: as planned, interrupted, or without a word, in the middle of a line", async () => {
  const status = async (name: string, text: string | undefined) =>
    (await readRun(await folder(name, { "config.json": config, ...(text && { "metrics.jsonl": text }) }))).status;
  expect(await status("interrupted", metrics([...steps(0, 3), done(3, { interrupted: true })]))).toBe("interrupted");
  expect(await status("early", metrics([...steps(0, 3), done(3, { stopped: "early" })]))).toBe("stopped");
  expect(await status("resumed", metrics([...steps(0, 3), done(3, { interrupted: true }), ...steps(3, 5)]))).toBe(
    "cut off",
  );
  expect(await status("not-begun", undefined)).toBe("cut off");
  const torn = metrics(steps(0, 3)).slice(0, -20);
  expect(await readRun(await folder("torn", { "config.json": config, "metrics.jsonl": torn }))).toMatchObject({
    status: "cut off",
    step: 2,
    steps: 100,
    loss: 4.99,
  });
});

test("a run is running while a process holds its lock, and its summary has its newest checkpoint", async () => {
  const files = { DONE_00000002: "", DONE_00000003: "", "model_00000004.bin": "" };
  const path = await folder("running", { "config.json": config, "metrics.jsonl": metrics(steps(0, 4)), ...files });
  const lock = await platform.lockFile(join(path, "run.lock"));
  expect(await readRun(path)).toMatchObject({ status: "running", step: 4, checkpoint: 3 });
  await lock.release();
  expect(await readRun(path)).toMatchObject({ status: "cut off", step: 4 });
});

test.each<[name: string, reason: RegExp, files: Record<string, string | undefined>]>([
  ["foreign", /foreign holds no run: there is neither config.json nor metrics.jsonl/, { "notes.txt": "x" }],
  ["empty-metrics", /metrics.jsonl has no line that could be read/, { "config.json": config, "metrics.jsonl": "" }],
  ["binary", /metrics.jsonl has no line that could be read/, { "metrics.jsonl": "\0\xff\n{}\n[1]\nnull\n" }],
  ["no-json", /config.json is not valid JSON/, { "config.json": "{", "metrics.jsonl": metrics([step(0)]) }],
  ["other", /"version" is missing, expected 1/, { "config.json": '{"model":"bert"}' }],
  ["undated", /"created" is 3, expected a time/, { "config.json": '{"version":1,"created":3}' }],
  ["timeless", /"created" is "soon", expected a time/, { "config.json": '{"version":1,"created":"soon"}' }],
  ["nameless", /does not say which model/, { "config.json": '{"version":1,"created":"2026","model":"bert"}' }],
  [
    "sizes",
    /divided/,
    { "config.json": '{"version":1,"created":"2026","model":{"name":"x","L":1,"NH":3,"C":8,"V":9,"maxT":4}}' },
  ],
])("a folder that is no run says why: %s", async (name, reason, files) => {
  const path = await folder(name, files);
  expect(await readRun(path)).toEqual({ folder: path, status: "unreadable", reason: expect.stringMatching(reason) });
});

test("of a folder whose settings are damaged the newest checkpoint is known all the same: its model is whole", async () => {
  const path = await folder("damaged-settings", { "config.json": "{", DONE_00000007: "", DONE_00000003: "" });
  expect(await readRun(path)).toMatchObject({ status: "unreadable", checkpoint: 7 });
});

test("lines of no update are passed over: of a negative one, a half, or one beyond all numbers", async () => {
  const broken = [-5, 1.5, 1e308].map((at) => `${toJsonLine(step(at))}${toLogLine(step(at))}`).join("");
  const path = await folder("no-updates", {
    "config.json": config,
    "metrics.jsonl": `${metrics([step(0), step(1)])}${broken}`,
  });
  expect(await readRun(path)).toMatchObject({ status: "cut off", step: 2 });
});

test("curves hold every number there is; after a resume the later ones count", async () => {
  const events = [val(0, 5.5), ...steps(0, 8), val(8, 4), step(5, 2), step(6, 3), val(8, 3)];
  const path = await folder("curves", { "metrics.jsonl": `${metrics(events)}{"event":"step","step":7,"loss":null}\n` });
  await appendFile(join(path, "metrics.jsonl"), '{"event":"st');
  const { train, val: vals } = await readCurves(path, "loss");
  expect(train.map(({ step }) => step)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  expect(train.slice(-2).map(({ value }) => value)).toEqual([2, 3]);
  expect(vals).toEqual([
    { step: 0, value: 5.5 },
    { step: 8, value: 3 },
  ]);
  expect((await readCurves(path, "loss", "bitsPerByte")).val).toEqual([]);
  expect((await readCurves(path, "norm")).train[4]).toEqual({ step: 4, value: 5 });
});

test("llm.c's main.log alone is enough", async () => {
  const log = [val(0, 5.5), ...steps(0, 8), val(8, 4.25)].map(toLogLine).join("");
  const path = await folder("llmc", { "main.log": `${log}s:8 eval:0.25\nnonsense\n` });
  expect(await readRun(path)).toEqual({
    folder: path,
    status: "cut off",
    step: 8,
    loss: 4.93,
    valLoss: 4.25,
    bestValLoss: 4.25,
  });
  const { train, val: vals } = await readCurves(path, "learningRate");
  expect(train).toHaveLength(8);
  expect(train[7]).toEqual({ step: 7, value: 0.001 });
  expect(vals.at(-1)).toEqual({ step: 8, value: 4.25 });
});

test("what is no folder is refused", async () => {
  await writeFile(join(root, "file"), "x");
  await expect(readCurves(join(root, "file"), "loss")).rejects.toThrow(InputError);
  await expect(readCurves(join(root, "missing"), "loss")).rejects.toThrow(/missing does not exist/);
});
