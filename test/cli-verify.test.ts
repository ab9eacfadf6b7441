/** `llm-ts verify` and `llm-ts debug-state` as programs. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { tensorNames } from "../src/model/parameters.ts";
import { fixturePath } from "./fixtures.ts";
import { run, testFolder, writeTokens } from "./run-cli.ts";

const folder = testFolder();
const model = fixturePath("gpt2_tiny.bin");
const state = fixturePath("gpt2_tiny_debug_state.bin");
const inFolder = (name: string) => join(folder, name);
writeTokens(inFolder("few_tokens.bin"), 1000, 101);
const verify = (...args: string[]) => run(["verify", ...args]);

test("reports every tensor and ten steps, and is okay", async () => {
  const { code, stdout } = await verify("--model", model, "--state", state);
  for (const name of ["logits", "loss", ...tensorNames.map((name) => `d${name}`)])
    expect(stdout).toMatch(new RegExp(`^OK +${name} +\\d\\.\\d\\de-?\\d+ `, "m"));
  expect(stdout).toMatch(/^\[State\]\nbatch_size: 2\nseq_len: 12\n/);
  expect(stdout.match(/^step \d: loss \d\.\d{6} \(took \d+\.\d{6} ms\)$/gm)).toHaveLength(10);
  expect(stdout).toMatch(/\noverall okay: 1\n$/);
  expect(code).toBe(0);
});

test("--json gives all differences, the same at any number of threads", async () => {
  const outputs = [];
  for (const threads of ["1", "2", "3"])
    outputs.push(await verify("--model", model, "--state", state, "--threads", threads, "--json"));
  expect(new Set(outputs.map(({ stdout }) => stdout)).size).toBe(1);
  const report = JSON.parse(outputs[0].stdout);
  expect(Object.keys(report)).toEqual(["logitsMaxDiff", "loss", "lossDiff", "gradients", "losses", "okay"]);
  expect(Object.keys(report.gradients)).toEqual(tensorNames);
  expect(report.okay).toBe(true);
  expect(report.loss).toBeCloseTo(6.6026268, 5);
  for (const { maxDiff, maxAbs } of Object.values<{ maxDiff: number; maxAbs: number }>(report.gradients))
    expect(maxDiff).toBeLessThan(1e-4 * maxAbs);
});

test("--losses are compared with those of the ten steps", async () => {
  const { losses } = JSON.parse((await verify("--model", model, "--state", state, "--json")).stdout);
  const right = await verify("--model", model, "--state", state, "--losses", losses.join(","));
  expect([right.code, right.stdout.match(/OK = 1/g)?.length]).toEqual([0, 10]);
  const wrong = await verify("--model", model, "--state", state, "--losses", [losses[0], losses[1] + 0.01].join(","));
  expect(wrong.stdout).toMatch(/step 1: .*OK = 0\n[\s\S]*overall okay: 0\n$/);
  expect(wrong.code).toBe(1);
});

test.each([
  ["logits", 1024 + 4 * (2 * 24 + 500), 0.001],
  ["loss", 1024 + 4 * (2 * 24 + 24 * 101), 0.0001],
  ["dlnfb", -4, 0.0001],
  ["dlnfb", -4, Number.NaN],
])("a difference in %s is found", async (name, offset, by) => {
  const bytes = readFileSync(state);
  const at = offset < 0 ? bytes.length + offset : offset;
  bytes.writeFloatLE(bytes.readFloatLE(at) + by, at);
  writeFileSync(inFolder("wrong_state.bin"), bytes);
  const { code, stdout } = await verify("--model", model, "--state", inFolder("wrong_state.bin"));
  expect(stdout.match(/^NOT OK +(\w+)/gm)).toEqual([expect.stringContaining(name)]);
  expect(stdout).toMatch(/overall okay: 0\n$/);
  expect(code).toBe(1);
});

test("debug-state writes what verify accepts, at odd sizes", async () => {
  writeTokens(inFolder("tokens.bin"), 1000, 211);
  const sizes = ["--layers", "3", "--heads", "5", "--channels", "80", "--context", "40", "--vocab", "211"];
  const batch = ["-b", "5", "-t", "29"];
  const train = ["train", "-e", "custom", ...sizes, "-i", "tokens.bin", ...batch, "-x", "2", "-s", "0", "-o", "odd"];
  expect((await run(train, { cwd: folder })).code).toBe(0);
  const made = await run(["debug-state", "--model", "odd", "--train", "tokens.bin", ...batch, "--out", "odd.bin"], {
    cwd: folder,
  });
  expect(made.stdout).toMatch(/^loss \d\.\d{6}\n$/);
  expect(made.stderr).toBe("computing logits and gradients: 100%\nwrote odd.bin\n");
  expect(made.code).toBe(0);
  for (const backend of ["wasm", "reference"]) {
    const args = ["verify", "--model", "odd", "--state", "odd.bin", "--backend", backend, "--json"];
    const { stdout } = await run(args, { cwd: folder });
    expect(JSON.parse(stdout).okay).toBe(true);
  }
});

test.each<[code: number, message: RegExp, ...args: string[]]>([
  [1, /nowhere\.bin does not exist/, "verify", "--model", model, "--state", "nowhere.bin"],
  [1, /this is a model checkpoint/, "verify", "--model", model, "--state", model],
  [
    1,
    /expected \d+ \(a version 2 debug state|\[3\] \(T/,
    "verify",
    "--model",
    fixturePath("gpt2_odd.bin"),
    "--state",
    state,
  ],
  [2, /one of --state/, "verify", "--model", model],
  [2, /--losses <list>' argument '1,x' is invalid/, "verify", "--model", model, "--state", state, "--losses", "1,x"],
  [2, /--block 17 is longer/, "debug-state", "--model", model, "--train", "tokens.bin", "-t", "17", "--out", "x.bin"],
  [
    1,
    /folder .*missing does not exist/,
    "debug-state",
    "--model",
    model,
    "--train",
    "few_tokens.bin",
    "-b",
    "1",
    "-t",
    "8",
    "--out",
    "missing/x.bin",
  ],
])("exit code %i and %s", async (code, message, ...args) => {
  const found = await run(args, { cwd: folder });
  expect(found.stderr).toMatch(message);
  expect(found.stderr).not.toMatch(/^ {4}at /m);
  expect(found.code).toBe(code);
});
