/** `llm-ts train --resume` as a program: its messages, its refusals, and the resumed run. */
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { fixturePath } from "./fixtures.ts";
import { result, run, start, testFolder, writeTokens, written } from "./run-cli.ts";

const folder = testFolder();
const tiny = ["-e", fixturePath("gpt2_tiny.bin"), "-i", "train.bin", "-j", "val.bin", "-b", "2", "-t", "8"];
const train = (...args: string[]) => run(["train", ...args], { cwd: folder });
const config = (name: string) => JSON.parse(readFileSync(join(folder, name, "config.json"), "utf8"));
const losses = (name: string) =>
  [...readFileSync(join(folder, name, "metrics.jsonl"), "utf8").matchAll(/"step","step":(\d+),"loss":([^,]+),/g)].map(
    ([, step, loss]) => [Number(step), Number(loss)],
  );

beforeAll(async () => {
  writeTokens(join(folder, "train.bin"), 300, 101);
  writeTokens(join(folder, "val.bin"), 100, 101);
  await train(...tiny, "-x", "8", "--order", "shuffle", "-n", "2", "-o", "whole");
  await train(...tiny, "-x", "4", "--order", "shuffle", "-n", "2", "-o", "half");
});

test("the same line begins a run, and says when it is complete", async () => {
  const line = [...tiny, "-x", "3", "-o", "again", "-y", "1"];
  const [first, second, third] = [await train(...line), await train(...line), await train(...line, "--json")];
  expect(first.stderr).toContain("there is no run in again to resume: starting one");
  expect(second.stderr).toContain("The run in again is complete: 3 updates were made. For more, give a larger --steps");
  expect(second.stdout).toBe("");
  expect(third).toEqual(second);
  expect([first.code, second.code]).toEqual([0, 0]);
});

test("more updates with --force are those of a longer run, and config.json records it", async () => {
  const refused = await train("-o", "half", "-y", "-x", "8");
  expect(refused.stderr).toContain("The run in half has other settings. --steps: 4, now 8. Leave it out");
  expect(refused.code).toBe(2);
  const { code, stderr } = await train("-o", "half/", "-y", "-x", "8", "--force");
  expect(stderr).toContain("resuming half after 4 updates");
  expect(code).toBe(0);
  expect(losses("half")).toEqual(losses("whole"));
  expect(config("half")).toMatchObject({ run: { steps: 8 }, continued: [{ step: 4, changes: ["--steps: 4, now 8"] }] });
  // The time of all eight updates includes that of the first four.
  const [done] = readFileSync(join(folder, "half", "metrics.jsonl"), "utf8").match(/\{"event":"done".*/) ?? [""];
  expect(config("half").continued[0].ms).toBeGreaterThan(0);
  expect(JSON.parse(done).ms).toBeGreaterThan(config("half").continued[0].ms);
  expect(readFileSync(join(folder, "half/model_00000008.bin"))).toEqual(
    readFileSync(join(folder, "whole/model_00000008.bin")),
  );
});

/** The events of a run but for checkpoints and times: those of its end, too. */
const eventsOf = (name: string) =>
  readFileSync(join(folder, name, "metrics.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .filter((line) => !line.includes('"event":"checkpoint"'))
    .map((line) => ({ ...JSON.parse(line), ms: 0, tokensPerSecond: 0 }));

const isWindows = process.platform === "win32";

test.skipIf(isWindows).each([
  ["the first validation", "num_activations", "-x 20 -l 0 --early-stop 1 -v 1 -m 3000 -s 0"],
  ["the last validation", "step 1:", "-x 2 -v 10 -m 2 --final-val-batches 3000 -s 0"],
  ["the validation of an early stop", "step 0:", "-x 20 -l 0 --early-stop 1 -v 1 -m 3000 -s 0"],
  ["the last sample", "step 3:", "-x 4 -v 0 -s 4 -g 4000"],
])("interrupted in %s, a run makes it when it resumes", async (what, seen, options) => {
  const names = [`${what}, whole`, `${what}, cut`];
  const [whole, cut] = names.map((out) => ["train", ...tiny, ...options.split(" "), "-o", out]);
  expect((await run(whole, { cwd: folder })).code).toBe(0);
  const child = start(cut, { cwd: folder });
  const ended = result(child);
  await written(child.stdout, seen);
  child.kill("SIGINT");
  const { code, stderr } = await ended;
  expect(stderr).toContain("finishing this step");
  expect(code).toBe(130);
  expect(eventsOf(names[1]).at(-1)).toMatchObject({ event: "done", interrupted: true });
  expect((await train("-o", names[1], "-y")).code).toBe(0);
  expect(eventsOf(names[1])).toEqual(eventsOf(names[0]));
  expect((await train("-o", names[1], "-y")).stderr).toContain("is complete");
});

test("killed between its last checkpoint and its last line, a run says that it is done when it resumes", async () => {
  await train(...tiny, "-x", "3", "-o", "ended");
  const [before, log] = [eventsOf("ended"), join(folder, "ended", "metrics.jsonl")];
  writeFileSync(log, readFileSync(log, "utf8").replace(/\{"event":"done".*\n/, ""));
  const status = async () => JSON.parse((await run(["runs", "ended", "--json"], { cwd: folder })).stdout)[0].status;
  expect(await status()).toBe("cut off");
  expect((await train("-o", "ended", "-y")).code).toBe(0);
  expect(await status()).toBe("done");
  expect(eventsOf("ended")).toEqual(before);
});

test("from another folder, the paths still start where they were typed", async () => {
  await train(...tiny, "-x", "2", "-o", "moved");
  mkdirSync(join(folder, "elsewhere"));
  const { code, stderr } = await run(["train", "-o", "../moved", "-y", "-x", "3", "--force"], {
    cwd: join(folder, "elsewhere"),
  });
  expect(stderr).toContain("resuming ../moved after 2 updates");
  expect(code).toBe(0);
});

test("another backend is spoken of, and used; the one that was chosen is kept", async () => {
  await train(...tiny, "-x", "2", "-v", "0", "-o", "rounding");
  const more = (steps: string, ...others: string[]) =>
    train("-o", "rounding", "-y", "-x", steps, "--force", "--json", ...others);
  const { code, stderr } = await more("3", "--backend", "reference");
  expect(stderr).toContain("the run computed with the wasm backend until now, and resumes with reference");
  expect(code).toBe(0);
  expect(config("rounding")).toMatchObject({ given: { backend: "reference" }, backend: { name: "reference" } });
  const kept = await more("4");
  expect(kept.stderr).toContain(
    "computing with reference, as the run did (--backend, --kernel and --blas choose otherwise)",
  );
  expect(config("rounding").backend.name).toBe("reference");
  const back = await more("5", "--backend", "wasm");
  expect(back.stderr).not.toContain("as the run did");
  expect(back.stderr).toContain("with the reference backend until now, and resumes with wasm");
  expect(config("rounding").given.backend).toBeUndefined();
});

test("a change of precision needs --force, is said and recorded, and files are float32 either way", async () => {
  const mixed = ["-i", "train.bin", "-j", "val.bin", "-b", "2", "-t", "8", "--precision", "bf16"];
  const custom = ["-e", "custom", "--layers", "1", "--heads", "2", "--channels", "16"];
  const first = await train(...custom, ...mixed, "--backend", "reference", "-x", "2", "-o", "mixed");
  expect([first.code, config("mixed").run.precision]).toEqual([0, "bf16"]);
  const wasm = ["-o", "mixed", "-y", "-x", "4", "--backend", "wasm"];
  const lacking = await train(...wasm, "--force");
  expect(lacking.stderr).toContain(
    "The wasm backend trains in fp32, not in bf16. Leave --precision out, or choose a backend that has it: webgpu, reference",
  );
  const refused = await train(...wasm, "--precision", "fp32");
  expect(refused.stderr).toContain("--precision: bf16, now fp32");
  expect([lacking.code, refused.code]).toEqual([2, 2]);
  const { code, stderr } = await train(...wasm, "--precision", "fp32", "--force");
  expect([code, stderr]).toEqual([0, expect.stringContaining("resuming mixed after 2 updates")]);
  expect(config("mixed")).toMatchObject({
    run: { precision: "fp32" },
    continued: [{ changes: expect.arrayContaining(["--precision: bf16, now fp32"]) }],
  });
  expect(losses("mixed")).toHaveLength(4);
});

test("a kernel that was chosen is kept, and its bits", async () => {
  const plain = [...tiny, "-v", "0", "-s", "0", "--kernel", "plain-6x8"];
  await train(...plain, "-x", "4", "-o", "plain whole");
  await train(...plain, "-x", "2", "-o", "plain half");
  const { stderr, code } = await train("-o", "plain half", "-y", "-x", "4", "--force");
  expect(stderr).toContain("computing with plain-6x8, as the run did");
  expect(code).toBe(0);
  expect(losses("plain half")).toEqual(losses("plain whole"));
});

describe("a config.json that was edited", () => {
  const edited = (field: string, name: string, value: unknown) => {
    const path = join(folder, "edited", "config.json");
    const whole = JSON.parse(readFileSync(path, "utf8"));
    writeFileSync(path, JSON.stringify({ ...whole, [field]: { ...whole[field], [name]: value } }));
    return () => writeFileSync(path, JSON.stringify(whole));
  };
  beforeAll(() => train(...tiny, "-x", "4", "-n", "2", "-o", "edited"));

  test.each<[field: string, name: string, value: unknown, complaint: string]>([
    ["run", "keep", -1, '"run.keep" is -1, expected a whole number of checkpoints, 0 or more'],
    ["run", "steps", -5, '"run.steps" is -5, expected a whole number of updates, 0 or more'],
    ["run", "accumulate", 0, '"run.accumulate" is 0, expected a whole number of batches from 1 to 65536'],
    ["run", "seed", 1.5, '"run.seed" is 1.5, expected a whole number from 0 to 4294967295'],
    ["run", "order", "any", '"run.order" is "any", expected one of file, shuffle, random'],
    ["run", "overfit", 1, '"run.overfit" is 1, expected true or false'],
    ["run", "weightDecay", undefined, '"run.weightDecay" is missing, expected a number, 0 or more'],
    ["given", "batch", "3", '"given.batch" is "3", expected a whole number of sequences from 1 to 65536'],
    ["given", "bacth", 3, '"given.bacth" is not a setting'],
    ["given", "backend", "gpu", '"given.backend" is "gpu", expected one of wasm, webgpu, reference'],
    ["run", "batch", 3, '"run.batch" is 3, and the checkpoint has 2. Put back what the checkpoint has'],
    ["run", "order", "shuffle", '"run.order" is "shuffle", and the checkpoint has "file"'],
    ["run", "steps", 50, '"run.steps" is 50, and the checkpoint has 4'],
    ["run", "learningRate", 1, '"run.learningRate" (formerly "lr") is 1, and the checkpoint has 0.0001'],
    ["run", "dataSeed", 7, '"run.dataSeed" is 7, and the checkpoint has 42'],
    ["given", "headerless", true, '"given.headerless" is true, and the checkpoint has nothing'],
    ["model", "C", 64, '"model.C" is 64, and the checkpoint has 32'],
  ])("%s.%s: %j", async (field, name, value, complaint) => {
    const putBack = edited(field, name, value);
    const before = readdirSync(join(folder, "edited"));
    const { stderr, stdout, code } = await train("-o", "edited", "-y", "-x", "6", "--force");
    expect(stderr).toContain("error: edited/config.json");
    expect(stderr).toContain(complaint);
    expect([stdout, code]).toEqual(["", 1]);
    expect(readdirSync(join(folder, "edited"))).toEqual(before);
    putBack();
  });

  test("what no result depends on may be edited, and options change the rest, also without a checkpoint after them", async () => {
    edited("run", "keep", 1);
    expect((await train("-o", "edited", "-y", "-x", "6", "--force")).code).toBe(0);
    expect(readdirSync(join(folder, "edited")).filter((name) => name.startsWith("DONE"))).toEqual(["DONE_00000006"]);
    // Killed after config.json had its new settings, and before a checkpoint.
    const child = start(["train", "-o", "edited", "-y", "-x", "9000000", "-l", "1e-3", "--force", "--json"], {
      cwd: folder,
    });
    const ended = result(child);
    await written(child.stdout, '"step":6');
    child.kill("SIGKILL");
    await ended;
    expect(config("edited").continued.at(-1).set).toEqual({ steps: 9_000_000, learningRate: 1e-3 });
    const { code, stderr } = await train("-o", "edited", "-y", "-x", "8", "--force");
    expect(stderr).toContain("resuming edited after 6 updates");
    expect(code).toBe(0);
  });
});

test("a run folder of llm.c's resumes with the given options", async () => {
  await train(...tiny, "-x", "4", "--order", "shuffle", "-o", "llmc");
  for (const file of ["config.json", "metrics.jsonl", "checkpoint_00000004.json"]) rmSync(join(folder, "llmc", file));
  const { code, stderr } = await train(...tiny, "-x", "8", "-o", "llmc", "-y");
  expect(stderr).toMatch(
    /llmc has no config\.json: its files are llm\.c's\. Neither their checksums .* can be checked/,
  );
  expect(code).toBe(0);
  expect(losses("llmc")).toEqual(losses("whole").slice(4));
  expect(config("llmc").run.order).toBe("shuffle");
});

test("of a run folder of llm.c's all checkpoints are kept, unless --keep says how many", async () => {
  await train(...tiny, "-x", "4", "-n", "1", "--keep", "0", "-s", "0", "-o", "llmc-kept");
  const path = join(folder, "llmc-kept");
  for (const file of readdirSync(path)) if (/^(config|metrics|checkpoint)/.test(file)) rmSync(join(path, file));
  const done = () => readdirSync(path).filter((name) => name.startsWith("DONE_")).length;
  const { stderr } = await train(...tiny, "-x", "6", "-n", "1", "-s", "0", "-o", "llmc-kept", "-y");
  expect(stderr).toContain("all of its checkpoints are kept, and those to come: --keep 2 keeps the last two");
  expect([done(), config("llmc-kept").run.keep]).toEqual([6, 0]);
  await train("-x", "7", "-o", "llmc-kept", "-y", "--force");
  expect(done()).toBe(7);
  await train("-x", "8", "--keep", "2", "-o", "llmc-kept", "-y", "--force");
  expect(done()).toBe(2);
});

test("a run that only its time ends does not become endless", async () => {
  await train(...tiny, "-s", "0", "-v", "0", "--minutes", "0.02", "-o", "timed");
  const before = readFileSync(join(folder, "timed", "config.json"), "utf8");
  const endless = await train("-o", "timed", "-y", "--minutes", "0", "--force");
  expect([endless.code, endless.stderr]).toEqual([
    2,
    expect.stringContaining("Only --minutes ends the run in timed, and it is turned off. Say after how many updates"),
  ]);
  expect(readFileSync(join(folder, "timed", "config.json"), "utf8")).toBe(before);
  const steps = losses("timed").length + 2;
  const { code, stderr } = await train("-o", "timed", "-y", "--minutes", "0", "-x", `${steps}`, "--force");
  expect(code, stderr).toBe(0);
  expect(losses("timed")).toHaveLength(steps);
});

test("a run of several processes of llm.c's resumes with as many times the rows, and says so", async () => {
  await train(...tiny, "-x", "4", "-o", "llmc-8");
  for (const file of ["config.json", "metrics.jsonl", "checkpoint_00000004.json"]) rmSync(join(folder, "llmc-8", file));
  const path = join(folder, "llmc-8", "state_00000004_00000.bin");
  const state = readFileSync(path);
  state.writeInt32LE(8, 8);
  writeFileSync(path, state);
  const { code, stderr } = await train(...tiny, "-x", "8", "-o", "llmc-8", "-y");
  expect(stderr).toContain("8 processes wrote it: its position in the data is one of batches of 8 x -b rows");
  expect(code).toBe(0);
  expect(losses("llmc-8")).toHaveLength(4);
});

test("a folder of ours without its config.json resumes with the settings that its checkpoint recorded", async () => {
  const options = [...tiny, "--kernel", "plain-6x8", "-l", "1e-2", "-k", "cosine", "-s", "0"];
  await train(...options, "-x", "8", "-n", "4", "-o", "recorded whole");
  await train(...options, "-x", "8", "-n", "4", "-o", "recorded");
  // As if killed after the checkpoint of step 4.
  for (const file of ["config.json", "DONE_00000008"]) rmSync(join(folder, "recorded", file));
  const { code, stderr } = await train("-o", "recorded", "-y");
  expect(stderr).toContain(
    "recorded has no config.json: its settings are those that the checkpoint of step 4 recorded",
  );
  expect(stderr).toContain("computing with plain-6x8, as the run did");
  expect(code).toBe(0);
  expect(losses("recorded")).toEqual(losses("recorded whole"));
  const [was, is] = [config("recorded whole"), config("recorded")];
  expect(is).toMatchObject({ given: { ...was.given }, run: was.run, continued: [{ step: 4, changes: [] }] });
});

test("a folder of runs is refused with their names, with or without a slash", async () => {
  await train(...tiny, "-x", "1", "-o", "numbered/");
  for (const out of ["numbered", "numbered/"]) {
    const { code, stderr } = await train(...tiny, "-o", out, "-y");
    expect(stderr).toContain(
      `${out} is a folder of runs: give the one to resume to --out (the newest first): ${join("numbered", "gpt2_tiny-001")}`,
    );
    expect(code).toBe(2);
  }
  expect(readdirSync(join(folder, "numbered"))).toEqual(["gpt2_tiny-001"]);
});

test("a numbered folder has the name of its model's folder, however that was written", async () => {
  for (const model of ["whole/", "./whole/."])
    expect((await train("-e", model, ...tiny.slice(2), "-x", "1", "-s", "0", "-o", "on/")).code).toBe(0);
  const inside = ["-e", ".", "-i", "../train.bin", "-b", "2", "-t", "8", "-x", "1", "-s", "0", "-o", "../on/"];
  expect((await run(["train", ...inside], { cwd: join(folder, "whole") })).code).toBe(0);
  expect(readdirSync(join(folder, "on"))).toEqual(["whole-001", "whole-002", "whole-003"]);
});

test("a folder of runs becomes no run itself, which would hide them", async () => {
  await train(...tiny, "-x", "1", "-s", "0", "-o", "several/one");
  const { code, stderr } = await train(...tiny, "-x", "1", "-o", "several");
  expect(stderr).toContain(
    `several is a folder of runs: ${join("several", "one")}. End the path in a slash to get a new numbered folder inside it (-o several/)`,
  );
  expect(code).toBe(2);
  expect(readdirSync(join(folder, "several"))).toEqual(["one"]);
});

test("a new run writes nothing among models and checkpoints, and complete ones of them are resumed", async () => {
  const copied = (to: string, pattern: RegExp) => {
    mkdirSync(join(folder, to));
    const names = readdirSync(join(folder, "whole")).filter((name) => pattern.test(name));
    for (const name of names) copyFileSync(join(folder, "whole", name), join(folder, to, name));
    return names;
  };
  const names = copied("models", /^(model_00000006|tokenizer)/);
  for (const resume of [[], ["-y"]]) {
    const refused = await train(
      "-e",
      "models/model_00000006.bin",
      ...tiny.slice(2),
      "-x",
      "2",
      "-o",
      "models",
      ...resume,
    );
    expect([refused.code, refused.stderr]).toEqual([
      1,
      expect.stringMatching(/models holds model_00000006\.bin, and a run would write .* To resume .* and DONE_…\./),
    ]);
  }
  expect(readdirSync(join(folder, "models"))).toEqual(names);
  copied("copies", /_0000000[68]/);
  const refused = await train(...tiny, "-x", "2", "-o", "copies");
  expect(refused.stderr).toMatch(/copies already holds a run \(DONE_0000000\d is there\)\. Continue it with --resume/);
  const summary = await run(["runs", "copies", "--json"], { cwd: folder });
  expect(JSON.parse(summary.stdout)).toMatchObject([{ folder: "copies", status: "cut off", checkpoint: 8 }]);
  const resumed = await train("-o", "copies", "-y", "-x", "10", "--force");
  expect(resumed.code, resumed.stderr).toBe(0);
  expect(resumed.stderr).toMatch(/resuming copies after 8 updates/);
  expect(config("copies").run).toMatchObject({ steps: 10, order: "shuffle" });
});

test("a run that --early-stop ended says how to train on, and does that when pasted", async () => {
  await train(...tiny, "-x", "6", "-l", "0", "--early-stop", "1", "-v", "1", "-s", "0", "-o", "stopped");
  const complete = "The run in stopped is complete: 1 update was made, and --early-stop 1 ended it.";
  expect((await train("-o", "stopped", "-y")).stderr).toContain(complete);
  const vain = await train("-o", "stopped", "-y", "-x", "7", "--force");
  expect(vain.code).toBe(2);
  expect(vain.stderr).toContain(`No update is left to which --steps: 6, now 7 would apply. ${complete}`);
  expect(config("stopped").run.steps).toBe(6);
  const args = /^ {2}.* train (.*)$/m.exec(vain.stderr)?.[1]?.split(" ") ?? [];
  expect(args).toEqual(["-o", "stopped", "--resume", "-x", "7", "--early-stop", "0", "--force"]);
  expect((await train(...args)).stdout).toContain("step 6:");
  expect(config("stopped").run).toMatchObject({ steps: 7, earlyStop: 0 });
});

test("fewer updates than a cut-off run made are refused, and nothing changes", async () => {
  await train(...tiny, "-x", "6", "-o", "cut");
  const log = join(folder, "cut", "metrics.jsonl");
  writeFileSync(log, readFileSync(log, "utf8").replace(/\{"event":"done".*\n/, ""));
  const before = readFileSync(join(folder, "cut", "config.json"), "utf8");
  const { code, stderr } = await train("-o", "cut", "-y", "-x", "3", "--force");
  expect([code, stderr]).toEqual([2, expect.stringContaining("6 updates were made already, and --steps (-x) is 3")]);
  expect(readFileSync(join(folder, "cut", "config.json"), "utf8")).toBe(before);
});

test("validation data that no validation reads must still be there", async () => {
  const given = tiny.map((arg) => (arg === "val.bin" ? "nothere" : arg));
  const { code, stderr } = await train(...given, "-x", "1", "-v", "0", "-o", "unread");
  expect([code, stderr]).toEqual([1, expect.stringContaining("nothere does not exist")]);
  expect(readdirSync(folder)).not.toContain("unread");
});

test("an occupied folder is refused before the model is looked for, and a missing model makes no folder", async () => {
  const occupied = await train("-e", "no/model.bin", "-o", "whole");
  expect([occupied.code, occupied.stderr]).toEqual([1, expect.stringContaining("whole already holds a run")]);
  const missing = await train("-e", "no/model.bin", "-o", "without model");
  expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining("no/model.bin")]);
  expect(readdirSync(folder)).not.toContain("without model");
});

test("sizes that the model has by default are no change, and what follows a changed setting changes with it", async () => {
  const line = [...tiny, "--order", "shuffle", "-n", "2", "-o", "sizes"];
  await train(...line, "-x", "2", "-m", "4");
  const { V, L } = config("sizes").model;
  const same = await train("-o", "sizes", "-y", "--vocab", String(V), "--layers", String(L));
  expect([same.code, same.stderr]).toEqual([0, expect.stringContaining("The run in sizes is complete")]);
  const changed = await train("-o", "sizes", "-y", "-x", "4", "-m", "2", "--force");
  expect(changed.code).toBe(0);
  expect(config("sizes").run).toMatchObject({ valBatches: 2, finalValBatches: 2 });
  const chosen = await train("-o", "sizes", "-y", "-x", "6", "-m", "3", "--final-val-batches", "1", "--force");
  expect(chosen.code).toBe(0);
  expect(config("sizes").run).toMatchObject({ valBatches: 3, finalValBatches: 1 });
  await train("-o", "sizes", "-y", "-x", "8", "-m", "2", "--force");
  expect(config("sizes").run).toMatchObject({ valBatches: 2, finalValBatches: 1 });
});

test("the same setting in other words is no change", async () => {
  copyFileSync(fixturePath("gpt2_tiny.bin"), join(folder, "base.bin"));
  mkdirSync(join(folder, "inside"));
  copyFileSync(fixturePath("gpt2_tiny.bin"), join(folder, "inside", "base.bin"));
  await train("-e", "base.bin", ...tiny.slice(2), "-x", "1", "-o", "words");
  const again = (...args: string[]) => train("-o", "words", "-y", ...args);
  for (const args of [
    ["-d", "16"],
    ["-e", "./base.bin"],
    ["-e", join(folder, "base.bin")],
  ])
    expect(await again(...args)).toMatchObject({
      code: 0,
      stderr: expect.stringContaining("The run in words is complete"),
    });
  const there = await run(["train", "-o", "../words", "-y", "-e", "../base.bin"], { cwd: join(folder, "inside") });
  expect(there.stderr).toContain("The run in ../words is complete");
  expect((await again("-d", "32")).stderr).toContain("--total-batch: 0, now 32");
  expect((await again("-e", "inside/base.bin")).stderr).toContain("--model: base.bin, now inside/base.bin");
});

test("an older model, where that of the last checkpoint was removed, is named", async () => {
  await train(...tiny, "-x", "4", "-n", "2", "-s", "0", "-o", "removed");
  rmSync(join(folder, "removed", "model_00000004.bin"));
  const note = "removed has no model_00000004.bin, of its last checkpoint after 4 updates: this is the model after 2";
  for (const args of [
    ["generate", "5", "-g", "1", "--model", "removed"],
    ["info", "removed"],
  ]) {
    const { code, stderr } = await run(args, { cwd: folder });
    expect([code, stderr]).toEqual([0, expect.stringContaining(note)]);
  }
});

test("of checkpoints that cannot be used it is said what is missing and what is damaged, and nothing is lost with --force", async () => {
  await train(...tiny, "-x", "4", "-n", "2", "-s", "0", "-o", "gone");
  const last = join("gone", "model_00000004.bin");
  rmSync(join(folder, last));
  rmSync(join(folder, "gone", "state_00000004_00000.bin"));
  const older = await train("-o", "gone", "-y");
  expect(older.code, older.stderr).toBe(0);
  expect(older.stderr).toMatch(
    /checkpoint of step 4 cannot be used: gone.state_00000004_00000\.bin and gone.model_00000004\.bin are missing\./,
  );
  writeFileSync(join(folder, "gone", "model_00000002.bin"), "damaged");
  rmSync(join(folder, last));
  const content = () =>
    readdirSync(join(folder, "gone")).map((name) => [name, readFileSync(join(folder, "gone", name), "utf8")]);
  const before = content();
  for (const force of [[], ["-x", "6", "--force"]]) {
    const none = await train("-o", "gone", "-y", ...force);
    expect([none.code, none.stderr]).toEqual([
      1,
      expect.stringMatching(
        /error: gone: none of its 2 checkpoints can be used\. Step 4: gone.model_00000004\.bin is missing\. Step 2: gone.model_00000002\.bin has 7 bytes.* Put the files back/,
      ),
    ]);
    expect(none.stderr).toMatch(/^ {2}(mv|move) gone gone\.kept$/m);
    expect(content()).toEqual(before);
  }
  rmSync(join(folder, "gone", "DONE_00000002"));
  mkdirSync(join(folder, "gone.kept"));
  const only = await train("-o", "gone", "-y", "--force");
  expect(only.stderr).toMatch(
    /gone: its only checkpoint cannot be used\. Step 4: gone.model_00000004\.bin is missing\. Put.* gone gone\.kept-2$/ms,
  );
});

test("a run that its data ends saves its updates first, and resumes from there", async () => {
  const bad = readFileSync(join(folder, "train.bin"));
  // In the sixth batch of 2 * 8 tokens, which is read during the fifth update; behind a header of 1024 bytes.
  bad.writeUInt16LE(999, 1024 + 2 * (5 * 16 + 3));
  writeFileSync(join(folder, "bad.bin"), bad);
  const line = [...tiny.map((arg) => (arg === "train.bin" ? "bad.bin" : arg)), "-v", "0", "-s", "0", "-o", "bad-data"];
  const { code, stderr } = await train(...line, "-x", "8");
  expect(code).toBe(1);
  expect(stderr).toMatch(/step 4 was saved before the run ended\. .* train -o bad-data --resume\n.*error: .*999/s);
  copyFileSync(join(folder, "train.bin"), join(folder, "bad.bin"));
  const resumed = await train("-o", "bad-data", "-y", "--force");
  expect(resumed.code, resumed.stderr).toBe(0);
  expect(resumed.stderr).toContain("resuming bad-data after 4 updates");
  expect(losses("bad-data").map(([step]) => step)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  await train(...line.slice(0, -1), "good-data", "-x", "8");
  expect(losses("bad-data")).toEqual(losses("good-data"));

  // A folder stands where the model belongs.
  mkdirSync(join(folder, "unsaved", "model_00000004.bin"), { recursive: true });
  writeFileSync(join(folder, "bad.bin"), bad);
  const unsaved = await train(...line.slice(0, -1), "unsaved", "-x", "8");
  expect(unsaved.code).toBe(1);
  expect(unsaved.stderr).toMatch(/step 4 could not be saved: .*model_00000004.*error: .*999/s);
});

test("a run without a checkpoint begins again, and its logs are kept", async () => {
  await train(...tiny, "-x", "2", "-s", "0", "-o", "early");
  const at = (name: string) => join(folder, "early", name);
  for (const name of readdirSync(join(folder, "early"))) if (/00000002/.test(name)) rmSync(at(name));
  const logs = ["metrics.jsonl", "main.log"];
  const before = logs.map((name) => readFileSync(at(name), "utf8"));
  const { code, stderr } = await train("-o", "early", "-y", "-x", "3", "--force");
  expect(code, stderr).toBe(0);
  expect(stderr).toContain("early has no checkpoint to resume from: the run begins again");
  expect(logs.map((name) => readFileSync(at(`${name}.earlier`), "utf8"))).toEqual(before);
  expect(losses("early").map(([step]) => step)).toEqual([0, 1, 2]);
});

test("an option without effect is refused, unless the run was begun with it", async () => {
  const line = [...tiny, "-x", "2", "-k", "constant", "-u", "1", "-s", "0", "-g", "8", "-o", "idle"];
  const begun = await train(...line);
  expect(begun.stderr).toMatch(
    /^--sample-tokens has no effect here: --sample-every \(-s\) is 0, and no text is written$/m,
  );
  expect((await train(...line, "-y")).code).toBe(0);
  const refused = await train("-o", "idle", "-y", "-u", "2", "--force");
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringMatching(/--warmup has no effect.*Choose another/)]);
  const effective = await train("-o", "idle", "-y", "-x", "4", "-k", "cosine", "-u", "2", "--force");
  expect(effective.code, effective.stderr).toBe(0);
});

describe("complaints", () => {
  test.each<[code: number, message: RegExp, ...args: string[]]>([
    [2, /--resume resumes the run in a folder: name it with --out/],
    [2, /nothing\/ holds no run to resume, and the slash .* such as nothing\/mine/, "-o", "nothing/"],
    [2, /No update is left to which --lr: 0\.0001, now 1 would apply/, "-o", "whole", "-l", "1", "--force"],
    [2, /--batch: 2, now 3\. --batch cannot change within a run, not even with --force/, "-o", "whole", "-b", "3"],
    [2, /--batch: 2, now 3\. --batch cannot change/, "-o", "whole", "-b", "3", "--force"],
    [
      2,
      /--order: shuffle, now file; --seed: 42, now 7\. --order, --seed cannot/,
      "-o",
      "whole",
      "--order",
      "file",
      "--seed",
      "7",
    ],
    [
      2,
      /--lr: 0\.0001, now 0\.1; --schedule: constant, now cosine\. Leave/,
      "-o",
      "whole",
      "-l",
      "0.1",
      "-k",
      "cosine",
    ],
    [2, /--model: .*gpt2_tiny\.bin, now baby\. --model cannot/, "-o", "whole", "-e", "baby"],
    [2, /--layers: 2, now 3/, "-o", "whole", "--layers", "3"],
    [
      1,
      /not what the run in whole was trained on: val\.bin has 1224 bytes, and train\.bin had/,
      "-o",
      "whole",
      "-i",
      "val.bin",
    ],
    [2, /argument '2' is invalid.*0 \(off\) or 1/, "-o", "whole", "-y", "2"],
  ])("exit code %i and %s", async (code, message, ...args) => {
    const before = readdirSync(join(folder, "whole"));
    const found = await train("-y", ...args);
    expect(found.stderr).toMatch(message);
    expect(found.stderr).not.toMatch(/^ {4}at /m);
    expect(found.code).toBe(code);
    expect(readdirSync(join(folder, "whole"))).toEqual(before);
  });
});
