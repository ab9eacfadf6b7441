/** `llm-ts bench` as a program: its output, never its speed. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import type { BenchReport, Row } from "../src/bench/report.ts";
import { type Result, run, testFolder } from "./run-cli.ts";

const folder = testFolder();
const small = ["bench", "--quick", "--model", "baby", "--repeats", "1"];

const notThere = ["llmc:nowhere/train_gpt2", "openblas:nowhere.so", "torch:nowhere-python", "jax"];

let done: Result;
let report: BenchReport;
beforeAll(async () => {
  writeFileSync(join(folder, "package.json"), "{}");
  const files = ["--json", "bench.json", "--svg", "roofline.svg"];
  done = await run([...small, "--threads", "2", "--profile", "--contention", "--against", ...notThere, ...files], {
    cwd: folder,
  });
  expect(done.stderr).not.toContain("error:");
  report = JSON.parse(readFileSync(join(folder, "bench.json"), "utf8"));
});

const ofKind = (kind: Row["kind"]) => report.rows.filter((row) => row.kind === kind);

test("says what was measured, where and with what", () => {
  expect(done.code).toBe(0);
  expect(report).toMatchObject({ format: "llm-ts bench", version: 1, threads: 2, repeats: 1, node: process.version });
  expect(Number.isNaN(Date.parse(report.date))).toBe(false);
  expect(report.machine.cores).toBeGreaterThan(0);
  expect(report.machine.memoryGiB).toBeGreaterThan(0);
  expect(report.kernels).toMatch(/^wasm, .* 2 threads$/);
});

test("measures the limits, the three matmuls at one and all threads, a step and a token", () => {
  expect(report.limits.map(({ threads }) => threads)).toEqual([1, 2]);
  for (const { gflops, copy, triad, read } of report.limits)
    for (const value of [gflops, copy, triad, read]) expect(value).toBeGreaterThan(0);
  const products = ofKind("product").map(({ name, threads }) => `${name}, ${threads}`);
  expect(new Set(products).size).toBe(2 * 4 * 3);
  expect(products).toContain("baby MLP up TN 512x128x768, 2");
  expect(ofKind("step").map(({ name }) => name)).toEqual([
    "baby training step, B=12 T=64",
    "baby training step, B=12 T=64, beside a busy core",
  ]);
  expect(ofKind("generation").map(({ name }) => name)).toEqual([
    "baby one token written",
    "baby one token written, weights in bfloat16",
    "baby one token written, weights in int8",
  ]);
  for (const { ours, floorMs } of report.rows) {
    expect(ours.samples).toHaveLength(1);
    expect(ours.ms).toBeGreaterThan(0);
    expect(floorMs).toBeGreaterThan(0);
  }
});

test("counts the operations of a step: six for each weight and token, and attention's", () => {
  const [{ flops, tokens }] = ofKind("step");
  const weights = 4 * 12 * 128 * 128 + 128 * 128;
  const attention = 4 * 6 * 2 * (12 * ((64 * 65) / 2)) * 128;
  expect(tokens).toBe(12 * 64);
  expect(flops).toBeCloseTo(6 * weights * 12 * 64 + attention + 15 * (weights + 64 * 128 + 4 * 13 * 128 + 2 * 128), -3);
});

test("times every operation of a step", () => {
  const [profile] = report.profiles;
  const names = profile.rows.map(({ operation }) => operation);
  for (const part of ["attention backward", "gelu forward", "head, loss and gradients", "adamw", "layernorm backward"])
    expect(names.some((name) => name.startsWith(part))).toBe(true);
  expect(profile.rows.reduce((sum, { share }) => sum + share, 0)).toBeCloseTo(1, 9);
  expect(profile.rows.reduce((sum, { calls }) => sum + calls, 0)).toBeGreaterThan(100);
});

test("says how to install a missing peer, and continues", () => {
  expect(report.peers.map(({ name, missing }) => [name, missing])).toEqual([
    ["llmc", true],
    ["openblas", true],
    ["torch", true],
    ["jax", true],
  ]);
  expect(done.stdout).toMatch(/^jax: missing: .*npm install @jax-js\/jax$/m);
  expect(done.stdout).toMatch(/^llmc: missing: .*make train_gpt2/m);
  expect(done.stdout).toMatch(/^openblas: missing: /m);
  expect(done.stdout).toMatch(/^matmuls, GFLOP\/s, 2 threads .*openblas/m);
  expect(done.stdout).toMatch(/^baby MLP up TN 512x128x768 .* missing +missing$/m);
  expect(done.stdout).toMatch(/^models .*llmc ms .*torch ms/m);
  expect(done.stdout).toMatch(/^baby training step, .* missing +missing$/m);
  expect(done.stdout).toMatch(/^torch: missing: nowhere-python .*ENOENT.*pip install torch/m);
});

// The fake peers are scripts with a first line that names their interpreter.
test.skipIf(process.platform === "win32")("sets peers beside us, and says which of them failed", async () => {
  const standIn = (name: string, answer: string) => {
    const path = join(folder, name);
    const hello = JSON.stringify({ version: "9.9", threads: 1 });
    writeFileSync(path, `#!/bin/sh\necho '${hello}'\nwhile read -r job; do echo '${answer}'; done\n`, { mode: 0o755 });
    return path;
  };
  const works = standIn("works", JSON.stringify({ times: [9, 4, 6, 5] }));
  const fails = standIn("fails", JSON.stringify({ error: "out of luck" }));
  const { stdout, code } = await run(
    [...small, "--threads", "1", "--against", `torch:${works}`, `torch-tuned:${fails}`, "--json", "peers.json"],
    { cwd: folder },
  );
  expect(code).toBe(0);
  expect(stdout).toMatch(/^torch: PyTorch 9\.9, 1 thread$/m);
  expect(stdout).toMatch(/^torch-tuned failed in "baby training step, B=12 T=64": out of luck$/m);
  expect(stdout).toMatch(/^baby training step, .* 5\.00 +5\.00 to 5\.00 +(\d+\.\d\dx) +\1 +failed$/m);
  const { rows }: BenchReport = JSON.parse(readFileSync(join(folder, "peers.json"), "utf8"));
  const [{ peers }] = rows.filter(({ kind }) => kind === "step");
  expect(peers).toEqual({ torch: { ms: 5, samples: [5] }, "torch-tuned": { problem: "out of luck" } });
});

test("prints tables, and progress beside them", () => {
  for (const head of ["limits", "matmuls, GFLOP/s, 1 thread", "matmuls, GFLOP/s, 2 threads", "models", "operations of"])
    expect(done.stdout).toContain(`\n${head}`);
  expect(done.stdout).not.toMatch(/NaN|undefined|Infinity/);
  expect(done.stderr).toMatch(/^ 50% {2}/m);
});

test("draws a roofline that is well-formed", () => {
  const svg = readFileSync(join(folder, "roofline.svg"), "utf8");
  expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" viewBox="0 0 \d+ \d+"/);
  const open: string[] = [];
  for (const [, close, name, self] of svg.matchAll(/<(\/?)(\w+)[^<>]*?(\/?)>/g)) {
    if (close) expect(open.pop()).toBe(name);
    else if (!self) open.push(name);
  }
  expect(open).toEqual([]);
  expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  // Some may take no longer than a call's round trip: they have no place.
  const timed = report.profiles[0].rows.filter(({ flops, ms }) => flops > 0 && ms > 0);
  expect(timed.length).toBeGreaterThan(0);
  expect(svg.match(/<circle/g)?.length).toBe(timed.length);
});

test.each<[code: number, message: RegExp, ...args: string[]]>([
  [2, /no peer "mkl".*openblas, openblas-avx2, llmc, jax, torch/, "--against", "mkl"],
  [2, /Expected a whole number from 1 to 100/, "--repeats", "0"],
  [2, /Allowed choices are d12, baby/, "--model", "gpt5"],
  [1, /missing/, "--json", "missing/bench.json"],
  [1, /package\.json exists already, and is no report of bench/, "--json", "package.json"],
  [1, /package\.json exists already, and is no picture/, "--svg", "package.json"],
])("exit code %i and %s", async (code, message, ...args) => {
  const found = await run([...small, ...args], { cwd: folder });
  expect(found.stderr).toMatch(message);
  expect(found.code).toBe(code);
});
