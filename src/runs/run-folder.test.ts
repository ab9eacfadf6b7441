import { chmod, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { collect, loadFixture, sameBatch } from "../../test/fixtures.ts";
import { GPT2 } from "../api/gpt2.ts";
import { InputError, LlmError } from "../errors.ts";
import { makeConfig } from "../model/config.ts";
import { byteTokenizer } from "../tokenizer/byte.ts";
import { type TrainEvent, toJsonLine, toLogLine } from "../train/events.ts";
import { Trainer } from "../train/trainer.ts";
import { RunFolder } from "./run-folder.ts";
import { RunSaver } from "./run-saver.ts";

let folder: string;
let model: GPT2;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "llm-ts-run-"));
  const config = makeConfig({ maxT: 12, V: 256, L: 1, NH: 2, C: 8 });
  model = await GPT2.create(config, { backend: "reference", tokenizer: byteTokenizer() });
});
afterAll(async () => {
  await model.dispose();
  await rm(folder, { recursive: true });
});

const read = (...path: string[]) => readFile(join(folder, ...path), "utf8");

test("a run leaves its settings, events, llm.c's log, the tokenizer and the model", async () => {
  const run = await RunFolder.create(join(folder, "one"), model, "small", { steps: 3, learningRate: 1e-4 });
  const trainer = new Trainer(model);
  const options = {
    steps: 3,
    valLoader: sameBatch(await loadFixture("gpt2_tiny")),
    sampleEvery: 0,
    checkpoint: () => run.checkpoint(trainer),
  };
  const events = await collect(trainer.run(sameBatch(await loadFixture("gpt2_tiny")), options));
  for (const event of events) await run.record(event);
  expect(await readdir(join(folder, "one"))).toContain("run.lock");
  await run.close();

  expect((await readdir(join(folder, "one"))).sort()).toEqual([
    "DONE_00000003",
    "checkpoint_00000003.json",
    "config.json",
    "main.log",
    "metrics.jsonl",
    "model_00000003.bin",
    "state_00000003_00000.bin",
    "tokenizer.bin",
  ]);
  expect(JSON.parse(await read("one", "config.json"))).toMatchObject({
    version: 1,
    model: { name: "small", L: 1, NH: 2, C: 8, V: 256, maxT: 12, tokenizer: "byte" },
    backend: { name: "reference", threads: 1, fma: false },
    steps: 3,
    learningRate: 1e-4,
  });
  const lines = (await read("one", "metrics.jsonl")).trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line).event)).toEqual(events.map(({ type }) => type));
  expect(await read("one", "main.log")).toMatch(
    /^s:0 tel:\d\.\d{4}\n(s:\d trl:\d\.\d{4} lr:0\.000100 norm:\d\.\d\d\n){3}s:3 tel:\d\.\d{4}\n$/,
  );
  const again = await GPT2.load(join(folder, "one", "model_00000003.bin"), { backend: "reference" });
  expect(again.tokenizer?.kind).toBe("byte");
  await again.dispose();
});

test("a folder that holds a run is refused, an empty one and one with other files are not", async () => {
  const taken = await RunFolder.create(join(folder, "taken"), model, "small");
  await expect(RunFolder.create(join(folder, "taken"), model, "small")).rejects.toThrow(
    `which process ${process.pid} on `,
  );
  await expect(RunFolder.open(join(folder, "taken"))).rejects.toThrow(/run\.lock is held by process/);
  await taken.close();
  const before = await read("taken", "config.json");
  const again = RunFolder.create(join(folder, "taken"), model, "small");
  await expect(again).rejects.toThrow(InputError);
  await expect(again).rejects.toThrow(/taken already holds a run \(config.json is there\)/);
  expect(await read("taken", "config.json")).toBe(before);

  await mkdir(join(folder, "mine"));
  await writeFile(join(folder, "mine", "notes.txt"), "x");
  await RunFolder.create(join(folder, "mine"), model, "small");
  expect(await read("mine", "notes.txt")).toBe("x");
});

test("a config.json of another program is no run: it is neither replaced nor removed", async () => {
  const other = join(folder, "transformers");
  await mkdir(other);
  await writeFile(join(other, "config.json"), '{"model_type": "gpt2"}');
  expect(await RunFolder.holdsRun(other)).toBe(false);
  await expect(RunFolder.remove(other)).rejects.toThrow(/transformers holds no run/);
  await expect(RunFolder.create(other, model, "small")).rejects.toThrow(
    /transformers holds a config.json that no run wrote, and a run would replace it/,
  );
  expect(await read("transformers", "config.json")).toBe('{"model_type": "gpt2"}');
});

test("a file in the way is refused", async () => {
  await writeFile(join(folder, "file"), "x");
  for (const path of ["file", "file/", "file/run"])
    await expect(RunFolder.create(join(folder, "file") + path.slice(4), model, "small")).rejects.toThrow(InputError);
  expect(await read("file")).toBe("x");
});

test("a path that ends in a slash gets numbered folders, named after the model", async () => {
  const runs = join(folder, "deep", "runs");
  const paths = [];
  for (const name of ["baby", "baby", "models/gpt2_124M.bin", "models/small//", "../.."])
    paths.push((await RunFolder.create(`${runs}/`, model, name)).path);
  const names = ["baby-001", "baby-002", "gpt2_124M-001", "small-001", "model-001"];
  expect(paths).toEqual(names.map((name) => `${runs}/${name}`));
});

test.skipIf(process.platform === "win32" || process.getuid?.() === 0)("a read-only folder is refused", async () => {
  await mkdir(join(folder, "locked"));
  await chmod(join(folder, "locked"), 0o555);
  for (const path of ["locked", "locked/", "locked/run"])
    await expect(RunFolder.create(`${folder}/${path}`, model, "small")).rejects.toThrow(/permission denied/);
});

test("events as llm.c logs them, and as JSON", () => {
  const step: TrainEvent = {
    type: "step",
    step: 7,
    loss: 4.25,
    learningRate: 3e-4,
    norm: 1.005,
    ms: 10,
    tokensPerSecond: 100,
  };
  expect(toLogLine(step)).toBe("s:7 trl:4.2500 lr:0.000300 norm:1.00\n");
  expect(toLogLine({ type: "val", step: 7, loss: 5 })).toBe("s:7 tel:5.0000\n");
  expect(toLogLine({ type: "checkpoint", step: 7, path: "x" })).toBeUndefined();
  expect(toJsonLine(step)).toBe(
    '{"event":"step","step":7,"loss":4.25,"lr":0.0003,"norm":1.005,"ms":10,"tokensPerSecond":100}\n',
  );
});

test("a run is removed, unless it still runs; another folder is not", async () => {
  const path = join(folder, "removed");
  const run = await RunFolder.create(path, model, "small");
  await expect(RunFolder.remove(path)).rejects.toThrow(/removed\/run\.lock is held by process/);
  await run.close();
  await RunFolder.remove(path);
  await expect(readdir(path)).rejects.toThrow(/ENOENT/);
  await mkdir(path);
  await writeFile(join(path, "letter.txt"), "dear");
  await expect(RunFolder.remove(path)).rejects.toThrow(InputError);
  expect(await readdir(path)).toEqual(["letter.txt"]);
});

test("a folder that was closed is written to no more, and one that is not there is named", async () => {
  const path = join(folder, "closed");
  const run = await RunFolder.create(path, model, "small");
  const trainer = new Trainer(model);
  await run.close();
  await run.close();
  const before = await readdir(path);
  const other = await RunFolder.open(path);
  const event = { type: "val", step: 0, loss: 5 } as const;
  const writes = [
    () => run.checkpoint(trainer),
    () => run.record(event),
    () => run.flush(),
    () => run.writeConfig(model, "small", {}),
    () => run.changeConfig({}),
    () => run.goBackTo(undefined),
    () => run.discard(),
  ];
  for (const write of writes) await expect(write()).rejects.toThrow(/^The run folder .*closed was closed\. Open it/);
  await other.close();
  expect(await readdir(path)).toEqual(before);
  await expect(RunFolder.open("nope")).rejects.toThrow(/^nope does not exist/);
});

test("a run whose folder another process has taken over writes nothing more, and ends", async () => {
  const path = join(folder, "lost");
  const run = await RunFolder.create(path, model, "small");
  const remarks: string[] = [];
  const saver = new RunSaver(run, new Trainer(model), { keep: 2, keepEvery: 0 }, (text) => remarks.push(text));
  await saver.record({ type: "val", step: 0, loss: 5 });
  const before = await read("lost", "metrics.jsonl");
  await writeFile(join(path, "run.lock"), '{"pid":1,"host":"elsewhere","started":"2024-04-08T10:00:00.000Z"}');
  const event = { type: "val", step: 1, loss: 4 } as const;
  await expect(saver.record(event)).rejects.toThrow(LlmError);
  await expect(saver.save()).rejects.toThrow(/was taken over by process 1 on elsewhere/);
  await expect(run.close()).rejects.toThrow(/was taken over/);
  expect([await read("lost", "metrics.jsonl"), remarks]).toEqual([before, []]);
  expect((await readdir(path)).filter((name) => /^(DONE|model|state|checkpoint)/.test(name))).toEqual([]);
  expect(await read("lost", "run.lock")).toContain("elsewhere");
});
