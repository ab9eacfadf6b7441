/** `llm-ts train --resume` as a program: what it says, what it refuses, and what it goes on with. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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
  const [first, second] = [await train(...line), await train(...line)];
  expect(first.stderr).toContain("there is no run in again to continue: it begins");
  expect(second.stderr).toContain("The run in again is complete: 3 updates were made. For more, give a larger --steps");
  expect(second.stdout).toBe("");
  expect([first.code, second.code]).toEqual([0, 0]);
});

test("more updates with --force are those of a longer run, and config.json knows", async () => {
  const refused = await train("-o", "half", "-y", "-x", "8");
  expect(refused.stderr).toContain("The run in half was told otherwise. --steps: 4, now 8. Leave it out");
  expect(refused.code).toBe(2);
  const { code, stderr } = await train("-o", "half/", "-y", "-x", "8", "--force");
  expect(stderr).toContain("continuing half after 4 updates");
  expect(code).toBe(0);
  expect(losses("half")).toEqual(losses("whole"));
  expect(config("half")).toMatchObject({ run: { steps: 8 }, continued: [{ step: 4, changes: ["--steps: 4, now 8"] }] });
  // The time of the first four updates is part of what all eight took.
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
])("interrupted in %s, a run makes it when it goes on", async (what, seen, options) => {
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

test("killed between its last checkpoint and its last line, a run says that it is done when it goes on", async () => {
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
  expect(stderr).toContain("continuing ../moved after 2 updates");
  expect(code).toBe(0);
});

test("kernels that round otherwise are spoken of, and used", async () => {
  await train(...tiny, "-x", "2", "-v", "0", "-o", "rounding");
  const { fma } = config("rounding").backend;
  const { code, stderr } = await train("-o", "rounding", "-y", "-x", "3", "--force", "--backend", "reference");
  expect(stderr.includes("with fused multiply-add until now, and goes on without")).toBe(fma);
  expect(code).toBe(0);
});

test("a run folder of llm.c's goes on with what is given", async () => {
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

describe("complaints", () => {
  test.each<[code: number, message: RegExp, ...args: string[]]>([
    [2, /--resume continues the run in a folder: name it with --out/],
    [2, /runs\/ holds runs in numbered folders: name the one to continue, such as runs\/baby-001/, "-o", "runs/"],
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
    [2, /--layers: none, now 3/, "-o", "whole", "--layers", "3"],
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
