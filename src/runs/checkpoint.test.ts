import { createHash } from "node:crypto";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { platform } from "#platform";
import { bits, readSet } from "../../test/fixtures.ts";
import { shardsOf } from "../../test/llmc-shards.ts";
import { writeTokens } from "../../test/run-cli.ts";
import { GPT2 } from "../api/gpt2.ts";
import { TokenLoader, type TokenLoaderOptions } from "../data/loader.ts";
import { InputError, UsageError } from "../errors.ts";
import { makeConfig } from "../model/config.ts";
import { tensorNames } from "../model/parameters.ts";
import { explain } from "../platform/node-errors.ts";
import type { TrainEvent } from "../train/events.ts";
import { Trainer } from "../train/trainer.ts";
import { type Checkpoint, openCheckpoint, restoreCheckpoint } from "./checkpoint.ts";
import { checkpointPaths, completeSteps, pruneCheckpoints, stateOfRank } from "./checkpoint-list.ts";
import { RunFolder } from "./run-folder.ts";

const config = makeConfig({ maxT: 8, V: 31, L: 2, NH: 2, C: 8 });
const options = { learningRate: 1e-2, weightDecay: 0.1, gradClip: 1, skipLossZ: 3, skipNormZ: 3, accumulate: 2 };
const sizes = { B: 2, T: 6 };

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "llm-ts-checkpoint-"));
  // Shards of 3, 2 and 4 batches: an epoch is over in five updates of two batches.
  for (const [i, count] of [40, 30, 50].entries()) writeTokens(join(folder, `d_${i}.bin`), count, config.V);
});
afterAll(() => rm(folder, { recursive: true }));

const openLoader = (order: TokenLoaderOptions["order"]) =>
  TokenLoader.open(join(folder, "d_*.bin"), { ...sizes, order });
const freshModel = () => GPT2.create(config, { backend: "reference" });

/** Trains on from where the trainer is to `last`, with a checkpoint every `every` updates, and records all. */
async function train(run: RunFolder, trainer: Trainer, order: TokenLoaderOptions["order"], last: number, every = 0) {
  const loader = await openLoader(order);
  const events = trainer.run(loader, {
    steps: last - trainer.step,
    valLoader: await openLoader("file"),
    valEvery: 2,
    valBatches: 2,
    sampleEvery: 3,
    sampleTokens: 4,
    checkpoint: () => run.checkpoint(trainer, { keep: 0, keepEvery: 0 }),
    checkpointEvery: every,
  });
  for await (const event of events) await run.record(event);
}

/** Events of a run, without times and paths. */
async function metricsOf(run: string) {
  const lines = (await readFile(join(run, "metrics.jsonl"), "utf8")).trimEnd().split("\n");
  return lines
    .map((line): TrainEvent & { event: string } => JSON.parse(line))
    .filter(({ event }) => event !== "checkpoint" && event !== "done")
    .map((event) => ({ ...event, ms: 0, tokensPerSecond: 0 }));
}

const weightsOf = async ({ backend, parameters }: GPT2) => bits(await readSet(backend, parameters.weights));

async function resume(path: string): Promise<{ run: RunFolder; trainer: Trainer; checkpoint: Checkpoint }> {
  const run = await RunFolder.open(path);
  const checkpoint = await run.newestCheckpoint((_, problem) => void problems.push(problem));
  if (!checkpoint) throw new Error("there is no checkpoint");
  const trainer = new Trainer(await GPT2.load(checkpoint.model, { backend: "reference" }), options);
  await restoreCheckpoint(trainer, checkpoint);
  await run.goBackTo(checkpoint, trainer.state());
  return { run, trainer, checkpoint };
}

const problems: string[] = [];

/** A run of `last` updates with checkpoints after each of them. */
async function whole(name: string, order: TokenLoaderOptions["order"], last: number) {
  const path = join(folder, name);
  const trainer = new Trainer(await freshModel(), options);
  const run = await RunFolder.create(path, trainer.model, "tiny", {});
  await train(run, trainer, order, last, 1);
  await run.close();
  return { path, weights: await weightsOf(trainer.model) };
}

/** The folder as it was when the run was killed just after the checkpoint of `step`, having logged a little more. */
async function killedAt(path: string, name: string, step: number): Promise<string> {
  const killed = join(folder, name);
  await rm(killed, { recursive: true, force: true });
  await RunFolder.create(killed, await freshModel(), "tiny", {}).then((run) => run.close());
  const later = (file: string) => Number(/_(\d{8})/.exec(file)?.[1] ?? 0) > step;
  for (const file of await readdir(path)) if (!later(file)) await copyFile(join(path, file), join(killed, file));
  return killed;
}

test("moments of another optimizer are refused, whether the checkpoint says whose they are or the run's settings do", async () => {
  const muon = { ...options, optimizer: "muon" } as const;
  const trainer = new Trainer(await freshModel(), muon);
  const run = await RunFolder.create(join(folder, "muon"), trainer.model, "tiny", {});
  await train(run, trainer, "file", 1);
  const found = await run.newestCheckpoint(() => {});
  if (!found?.info) throw new Error("there is no checkpoint");
  await run.close();
  await restoreCheckpoint(new Trainer(await freshModel(), muon), found);
  const { optimizer, ...info } = found.info;
  expect(optimizer).toBe("muon");
  const ofRun = { ...info, config: { ...info.config, run: { optimizer } } };
  const adamw = () => freshModel().then((model) => new Trainer(model, options));
  for (const checkpoint of [found, { ...found, info: ofRun }]) {
    const restoring = restoreCheckpoint(await adamw(), checkpoint);
    await expect(restoring).rejects.toThrow(UsageError);
    await expect(restoring).rejects.toThrow(/holds the moments of muon, and the trainer's optimizer is adamw\./);
  }
  // What is not known is not refused.
  await restoreCheckpoint(await adamw(), { ...found, info });
  const ofLlmc = { ...found, info: undefined };
  await expect(restoreCheckpoint(new Trainer(await freshModel(), muon), ofLlmc)).rejects.toThrow(
    /the moments of adamw/,
  );
});

test("a model that llm.c's format cannot hold is kept as safetensors, and resumes as well", async () => {
  const other = makeConfig({ ...config, hidden: 16, epsilon: 1e-6, gelu: "erf" });
  const begin = async (name: string) => {
    const trainer = new Trainer(await GPT2.create(other, { backend: "reference" }), options);
    return { trainer, run: await RunFolder.create(join(folder, name), trainer.model, "erf", {}) };
  };
  const straight = await begin("erf");
  await train(straight.run, straight.trainer, "file", 4);
  const broken = await begin("erf-broken");
  await train(broken.run, broken.trainer, "file", 2);
  await broken.run.close();

  const { run, trainer, checkpoint } = await resume(broken.run.path);
  expect(checkpoint).toMatchObject({ step: 2, model: join(run.path, "model_00000002.safetensors") });
  expect(trainer.model.config).toEqual(other);
  await train(run, trainer, "file", 4);
  expect(await weightsOf(trainer.model)).toBe(await weightsOf(straight.trainer.model));
  await run.checkpoint(trainer, { keep: 1, keepEvery: 0 });
  expect((await readdir(run.path)).filter((name) => name.startsWith("model_"))).toEqual(["model_00000004.safetensors"]);
});

test("numbers of checkpoints to keep that are none are refused, and none is removed", async () => {
  const { path } = await whole("kept-wrong", "file", 2);
  const { run, trainer } = await resume(path);
  const before = (await readdir(path)).sort();
  const checkpoint = (retention: object) => run.checkpoint(trainer, retention);
  await expect(checkpoint({ keep: -1 })).rejects.toThrow(
    "keep is -1, expected a whole number of checkpoints, 0 or more",
  );
  await expect(checkpoint({ keep: "all" })).rejects.toThrow('keep is "all", expected');
  await expect(checkpoint({ keepEvery: Number.NaN })).rejects.toThrow("keepEvery is NaN, expected");
  await expect(checkpoint({ keepAll: true })).rejects.toThrow('RunFolder.checkpoint has no option "keepAll".');
  expect((await readdir(path)).sort()).toEqual(before);
  await run.close();
});

describe.each(["file", "shuffle", "random"] as const)("a run on data in %s order", (order) => {
  test("resumes from each of its checkpoints bit for bit, and its logs hold each step once", async () => {
    const last = 7;
    const { path, weights } = await whole(`whole-${order}`, order, last);
    const log = await readFile(join(path, "main.log"), "utf8");
    for (let step = 1; step < last; step++) {
      const { run, trainer } = await resume(await killedAt(path, `killed-${order}`, step));
      expect(trainer.step).toBe(step);
      await train(run, trainer, order, last);
      await run.close();
      expect(await weightsOf(trainer.model)).toBe(weights);
      expect(await metricsOf(run.path)).toEqual(await metricsOf(path));
      expect(await readFile(join(run.path, "main.log"), "utf8")).toBe(log);
    }
  });
});

test("a checkpoint that is not awaited is of one step, and its run resumes from there bit for bit", async () => {
  const path = join(folder, "unawaited");
  const trainer = new Trainer(await freshModel(), options);
  const run = await RunFolder.create(path, trainer.model, "tiny", {});
  let isEnded = false;
  const keepSaving = async () => {
    for (let n = 0; !isEnded; n++) {
      await new Promise((resolve) => setTimeout(resolve, n % 4));
      await run.checkpoint(trainer, { keep: 0, keepEvery: 0 });
    }
  };
  const saving = keepSaving();
  const pause = () => new Promise((resolve) => setTimeout(resolve, 2));
  for await (const _ of trainer.run(await openLoader("file"), { steps: 20, sampleEvery: 3, sampleTokens: 4 }))
    await pause();
  isEnded = true;
  await saving;
  const expected = await weightsOf(trainer.model);
  const steps = await completeSteps(path);
  expect(steps.length).toBeGreaterThan(1);
  for (const step of steps) {
    const checkpoint = await openCheckpoint(path, step);
    const resumed = new Trainer(await GPT2.load(checkpoint.model, { backend: "reference" }), options);
    await restoreCheckpoint(resumed, checkpoint);
    expect(resumed.step).toBe(step);
    const rest = { steps: 20 - step, sampleEvery: 3, sampleTokens: 4 };
    for await (const _ of resumed.run(await openLoader("file"), rest));
    expect(await weightsOf(resumed.model), `from ${step}`).toBe(expected);
  }
  await run.close();
});

describe("damage", () => {
  const damages: [what: string, harm: (paths: ReturnType<typeof checkpointPaths>) => Promise<void>, problem: RegExp][] =
    [
      ["a truncated model", ({ model }) => truncate(model, 5000), /has 5000 bytes, and \d+ were written/],
      ["a bit of the model", ({ model }) => flipBit(model, 9001), /model_00000004\.bin: its sha256 is wrong/],
      ["a bit of the state", ({ state }) => flipBit(state, 2077), /state_00000004_00000\.bin: its sha256 is wrong/],
      ["a bit of the JSON", ({ info }) => flipBit(info, 900), /checkpoint_00000004\.json.*damaged/],
      ["a missing state", ({ state }) => rm(state), /state_00000004_00000\.bin is missing\./],
      ["a missing model", ({ model }) => rm(model), /model_00000004\.bin is missing\./],
      ["an empty JSON", ({ info }) => writeFile(info, ""), /not valid JSON/],
    ];

  test.each(damages)("%s is found out, and the checkpoint before is used", async (_, harm, problem) => {
    const { path, weights } = await whole("damaged", "shuffle", 4);
    await harm(checkpointPaths(path, 4));
    problems.length = 0;
    const { run, trainer, checkpoint } = await resume(path);
    expect(problems).toEqual([expect.stringMatching(problem)]);
    expect(checkpoint.step).toBe(3);
    expect(await completeSteps(path)).toEqual([3, 2, 1]);
    await train(run, trainer, "shuffle", 4);
    await run.close();
    expect(await weightsOf(trainer.model)).toBe(weights);
    expect(await completeSteps(path)).toEqual([4, 3, 2, 1]);
    await rm(path, { recursive: true });
  });

  test("a checkpoint of a later version is distinguished from a damaged one", async () => {
    const { path } = await whole("later", "file", 1);
    const { info } = checkpointPaths(path, 1);
    const { sha256, ...content } = JSON.parse(await readFile(info, "utf8"));
    const later = { ...content, version: 2 };
    const hash = createHash("sha256").update(JSON.stringify(later)).digest("hex");
    await writeFile(info, JSON.stringify({ sha256: hash, ...later }));
    expect(hash).not.toBe(sha256);
    const message = /"version" is 2, expected 1.*Another version of llm-ts/;
    await expect(openCheckpoint(path, 1)).rejects.toThrow(message);
    const run = await RunFolder.open(path);
    await expect(run.newestCheckpoint(() => {})).rejects.toThrow(message);
    await run.close();
  });
});

test("a file that the system does not read is no damage: nothing is resumed, and nothing changes", async () => {
  const { path } = await whole("unread", "file", 3);
  await rm(join(path, "config.json"));
  const before = await readdir(path);
  const open = platform.openSource;
  const failing = (pattern: RegExp) =>
    vi.spyOn(platform, "openSource").mockImplementation(async (input) => {
      if (pattern.test(String(input))) throw explain(String(input), Object.assign(new Error(), { code: "EACCES" }));
      return open(input);
    });
  problems.length = 0;
  const ofStates = failing(/state_00000003/);
  await expect(resume(path)).rejects.toThrow(/state_00000003_00000\.bin: permission denied/);
  ofStates.mockRestore();
  // Held by the attempt until its process ends.
  await rm(join(path, "run.lock"));
  const ofRecords = failing(/checkpoint_00000003/);
  await expect(RunFolder.open(path)).rejects.toThrow(/checkpoint_00000003\.json: permission denied/);
  ofRecords.mockRestore();
  expect(problems).toEqual([]);
  expect(await readdir(path)).toEqual(before);
});

async function flipBit(path: string, position: number): Promise<void> {
  const bytes = await readFile(path);
  bytes[position] ^= 4;
  await writeFile(path, bytes);
}

test("a run of llm.c's, which has no JSON, resumes as well as it can", async () => {
  const { path, weights } = await whole("llmc", "shuffle", 5);
  for (const step of [1, 2, 3, 4, 5]) await rm(checkpointPaths(path, step).info);
  for (const file of ["DONE_00000005", "DONE_00000004", "config.json", "metrics.jsonl"]) await rm(join(path, file));
  const { run, trainer, checkpoint } = await resume(path);
  expect(checkpoint.info).toBeUndefined();
  expect(run.config).toBeUndefined();
  await train(run, trainer, "shuffle", 5);
  await run.close();
  // No update was an outlier in so few, so all that llm.c's files lack makes no difference to the weights.
  expect(await weightsOf(trainer.model)).toBe(weights);
});

test("a run of llm.c's whose processes shared the moments out resumes from all their states", async () => {
  const { path, weights } = await whole("llmc-shared", "file", 5);
  for (const step of [1, 2, 3, 4, 5]) await rm(checkpointPaths(path, step).info);
  for (const file of ["DONE_00000005", "DONE_00000004", "config.json", "metrics.jsonl"]) await rm(join(path, file));
  const { state } = checkpointPaths(path, 3);
  const shards = shardsOf(await readFile(state), config, 4);
  for (const [rank, bytes] of shards.entries()) await writeFile(stateOfRank(state, rank), bytes);
  const { run, trainer } = await resume(path);
  await train(run, trainer, "file", 5, 1);
  await run.close();
  expect(await weightsOf(trainer.model)).toBe(weights);
  // They go with the checkpoint that they are a part of.
  await pruneCheckpoints(path, { keep: 1, keepEvery: 0 });
  expect((await readdir(path)).filter((name) => name.startsWith("state_00000003"))).toEqual([]);
});

test("without one of these states the checkpoint cannot be used", async () => {
  const { path } = await whole("llmc-missing", "file", 3);
  await rm(checkpointPaths(path, 3).info);
  const { state } = checkpointPaths(path, 3);
  const shards = shardsOf(await readFile(state), config, 2);
  await writeFile(state, shards[0]);
  await expect(openCheckpoint(path, 3)).rejects.toThrow("state_00000003_00001.bin does not exist");
});

describe("which checkpoints are kept", () => {
  test("the newest, and the major ones for ever; a model without a state stays", async () => {
    const trainer = new Trainer(await freshModel(), options);
    const path = join(folder, "kept");
    const run = await RunFolder.create(path, trainer.model, "tiny", {});
    await writeFile(join(path, "model_00000100.bin"), "mine");
    const events = trainer.run(await openLoader("file"), {
      steps: 9,
      sampleEvery: 0,
      checkpointEvery: 1,
      checkpoint: () => run.checkpoint(trainer, { keep: 2, keepEvery: 4 }),
    });
    for await (const event of events) await run.record(event);
    await run.close();
    expect(await completeSteps(path)).toEqual([9, 8, 4]);
    const names = (step: number) => {
      const { safetensors: _, ...files } = checkpointPaths(path, step);
      return Object.values(files);
    };
    const kept = [9, 8, 4].flatMap(names).map((name) => name.slice(path.length + 1));
    const others = ["config.json", "main.log", "metrics.jsonl", "model_00000100.bin"];
    expect((await readdir(path)).sort()).toEqual([...kept, ...others].sort());
  });

  test("a checkpoint that cannot be written leaves nothing, and those before it stay", async () => {
    const trainer = new Trainer(await freshModel(), options);
    const path = join(folder, "unwritable");
    const run = await RunFolder.create(path, trainer.model, "tiny", {});
    await train(run, trainer, "file", 1);
    const before = await readdir(path);
    // A folder stands where the model of the next checkpoint belongs.
    await mkdir(checkpointPaths(path, 2).model);
    await expect(train(run, trainer, "file", 2)).rejects.toThrow(InputError);
    expect((await readdir(path)).filter((name) => name !== "model_00000002.bin")).toEqual(before);
    await run.close();
  });
});

test("a trainer is what it was, all numbers of it", async () => {
  const { path } = await whole("same", "random", 3);
  const { run, trainer } = await resume(path);
  const again = new Trainer(await GPT2.load(checkpointPaths(path, 3).model, { backend: "reference" }), options);
  await restoreCheckpoint(again, await openCheckpoint(path, 3));
  expect(again.state()).toEqual(trainer.state());
  expect(trainer.state().loader?.order).toBe("random");
  for (const kind of ["m", "v"] as const) {
    const set = again.moments()[kind];
    const values = await readSet(again.model.backend, set);
    expect(values).toEqual(await readSet(trainer.model.backend, trainer.moments()[kind]));
    expect(tensorNames.some((name) => values[name].some((value) => value !== 0))).toBe(true);
  }
  await run.close();
});
