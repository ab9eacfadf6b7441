/** Kernels and threads as the command sees them: names, hints, the system's page, and a worker that dies. */
import { spawn } from "node:child_process";
import { cpSync, existsSync, readdirSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { variantNames } from "../src/backend/wasm/variants.ts";
import { fixturePath } from "./fixtures.ts";
import { cli, root } from "./nodes.ts";
import { result, run, testFolder, writeTokens } from "./run-cli.ts";

const folder = testFolder();
const env = { LLM_TS_CACHE: join(folder, "cache"), OMP_NUM_THREADS: "1" };
const train = ["train", "-e", fixturePath("gpt2_tiny.bin"), "-i", "train.bin", "-v", "0", "-s", "0"];

beforeAll(() => writeTokens(join(folder, "train.bin"), 3000, 101));

test("info --system shows every kernel, and which one is taken", async () => {
  const { stdout, code } = await run(["info", "--system", "--json"], { cwd: folder, env });
  const { kernel, kernels, backends } = JSON.parse(stdout);
  expect(code).toBe(0);
  expect(backends).toContainEqual({ name: "wasm", processor: "CPU", available: true });
  expect(kernels.map((one: { kernel: string }) => one.kernel)).toEqual(variantNames);
  expect(variantNames).toContain(kernel);
  expect(existsSync(join(folder, "cache", "kernels.json"))).toBe(true);
  const text = await run(["info", "--system"], { cwd: folder, env });
  expect(text.stdout).toMatch(/^kernels, GFLOP\/s of one thread\n(.*\n)* {2}\S+ +\d+ {2}chosen$/m);
});

test("info --system shows how many threads are used, their speeds, and why", async () => {
  const { stdout } = await run(["info", "--system"], { cwd: folder, env });
  expect(stdout).toMatch(/^threads +1$/m);
  expect(stdout).toMatch(/^threads because +OMP_NUM_THREADS asks for them$/m);
  const measured = await run(["info", "--system"], { cwd: folder, env: { ...env, OMP_NUM_THREADS: "" } });
  expect(measured.stdout).toMatch(/^threads because +\S/m);
  expect(measured.stdout).toMatch(/^threads, GFLOP\/s of all together\n(.*\n)* {2}\d+ +\d+ {2}chosen$/m);
});

test("a kernel that does not exist is wrong usage", async () => {
  const { stderr, code } = await run([...train, "--kernel", "fast"], { cwd: folder, env });
  expect(stderr).toMatch(/no kernel "fast".*plain-4x8/);
  expect(code).toBe(2);
});

test.each([
  ["few", /^hint: OMP_NUM_THREADS is "few", which is not a number of threads/m],
  ["60", /^hint: 60 threads share \d+ cores?/m],
  ["1000", /^hint: OMP_NUM_THREADS is 1000: using 64 threads, the maximum/m],
])("OMP_NUM_THREADS=%s is answered by a hint", async (threads, hint) => {
  const args = ["generate", "--model", "nowhere.bin"];
  const { stderr } = await run(args, { cwd: folder, env: { ...env, OMP_NUM_THREADS: threads } });
  expect(stderr).toMatch(hint);
});

test("a kernel that cannot be had here ends the command with the reason", async () => {
  const hook = join(folder, "other-processor.cjs");
  writeFileSync(hook, 'Object.defineProperty(process, "arch", { value: "arm64" });');
  const args = [...train, "--kernel", "plain-6x8-256"];
  const { stderr, code } = await run(args, { cwd: folder, env: { ...env, NODE_OPTIONS: `--require ${hook}` } });
  expect(stderr).toMatch(/^error: The kernel plain-6x8-256 cannot be used here: .*need V8 13 or later.*info --system/m);
  expect(code).toBe(1);
});

test("an engine without WebAssembly: the reason, what is left, and a list of both", async () => {
  const hook = join(folder, "no-wasm.cjs");
  writeFileSync(hook, "delete globalThis.WebAssembly;");
  const there = { cwd: folder, env: { ...env, NODE_OPTIONS: `--require ${hook}` } };
  const { stderr, code } = await run([...train, "-x", "1"], there);
  expect(stderr).toMatch(
    /^error: The backend wasm is not available here: .*no WebAssembly.*Available: .*reference\.$/m,
  );
  expect(code).toBe(1);
  const reference = await run([...train, "-x", "1", "-b", "1", "-t", "8", "--backend", "reference"], there);
  expect(reference.code).toBe(0);
  const text = await run(["info", "--system"], there);
  expect(text.stdout).toMatch(
    /^backends\n {2}wasm +not available: .*no WebAssembly.*\n(.*\n)* {2}reference +available$/m,
  );
  expect(text.code).toBe(0);
  const { backends, kernels } = JSON.parse((await run(["info", "--system", "--json"], there)).stdout);
  expect(backends.map(({ name }: { name: string }) => name)).toEqual(["wasm", "webgpu", "reference"]);
  expect(backends[0]).toEqual({
    name: "wasm",
    processor: "CPU",
    available: false,
    reason: expect.stringContaining("no WebAssembly"),
  });
  expect(backends[2]).toEqual({ name: "reference", available: true });
  expect(kernels).toEqual([]);
});

test("a kernel that another option refuses is wrong usage", async () => {
  const args = [...train, "--kernel", "plain-6x8-256", "--no-revectorize"];
  const { stderr, code } = await run(args, { cwd: folder, env });
  expect(stderr).toMatch(/needs 256-bit vectors, which --no-revectorize/);
  expect(code).toBe(2);
});

test("the reference backend has no kernels to choose from", async () => {
  const args = [...train, "--backend", "reference", "--kernel", "plain-6x8"];
  const { stderr, code } = await run(args, { cwd: folder, env });
  expect(stderr).toMatch(/reference backend has no kernels/);
  expect(code).toBe(2);
});

test("more threads than cores: a hint, and the same bits", async () => {
  const many = String(availableParallelism() + 3);
  const losses: number[][] = [];
  for (const threads of ["1", many]) {
    const args = [...train, "-b", "2", "-t", "8", "-x", "5", "--json", "--threads", threads];
    const { stdout, stderr, code } = await run(args, { cwd: folder, env });
    expect(code).toBe(0);
    if (threads === many) expect(stderr).toMatch(new RegExp(`^hint: ${many} threads share`, "m"));
    const events = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    losses.push(events.filter(({ event }) => event === "step").map(({ loss }) => loss));
  }
  expect(losses[0]).toHaveLength(5);
  expect(losses[1]).toEqual(losses[0]);
});

test("kernels that are damaged or missing are named", async () => {
  const copy = join(folder, "copy");
  for (const name of ["dist", "kernels", "package.json"])
    cpSync(join(root, name), join(copy, name), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(copy, "node_modules"), "junction");
  const kernels = join(copy, "kernels", "relaxed-shared.wasm");
  const trainThere = () =>
    run([...train, "-x", "1"], { cwd: folder, env, program: join(copy, "dist", "cli", "main.js") });

  truncateSync(kernels, 5000);
  const damaged = await trainThere();
  expect(damaged.stderr).toMatch(
    /^error: relaxed-shared\.wasm, the kernels that compute, cannot be compiled.*damaged.*Install/m,
  );
  expect(damaged.code).toBe(1);

  rmSync(kernels);
  const missing = await trainThere();
  expect(missing.stderr).toMatch(/^error: The kernels that compute cannot be read: .*relaxed-shared\.wasm.*Install/m);
  expect(missing.code).toBe(1);
});

/** Only Linux keeps a process to so much address space. */
test.runIf(process.platform === "linux")("memory that cannot grow: what is missing, and what needs less", async () => {
  const command = 'ulimit -v 3000000; exec "$0" "$@"';
  const args = [process.execPath, cli, "train", "-e", "d12", "-i", "train.bin", "-v", "0", "--threads", "1"];
  const { code, stderr } = await result(
    spawn("bash", ["-c", command, ...args], { cwd: folder, env: { ...process.env, ...env } }),
  );
  expect(stderr).toMatch(
    /^error: .*(MiB more are needed, but the system gives no more memory.*-b|Cannot reserve.*ulimit)/m,
  );
  expect(code).toBe(1);
});

test("a worker that dies ends training with an error; what was saved stays", async () => {
  // Ends every worker once the second checkpoint is there.
  const hook = join(folder, "hook.cjs");
  writeFileSync(
    hook,
    `const threads = require("node:worker_threads");
    const { existsSync } = require("node:fs");
    threads.Worker = class extends threads.Worker {
      constructor(...args) {
        super(...args);
        const look = () => existsSync("dying/model_00000002.bin") && this.terminate();
        setInterval(look, 1).unref();
      }
    };
    require("node:module").syncBuiltinESMExports();`,
  );
  const args = [...train, "-x", "100000", "-o", "dying", "--checkpoint-every", "1", "--threads", "1"];
  const { code, stderr } = await run(args, { cwd: folder, env: { ...env, NODE_OPTIONS: `--require ${hook}` } });
  expect(stderr).toMatch(/error: Worker thread 1 of 1 failed: .*last checkpoint/);
  expect(code).toBe(1);
  const first = readdirSync(join(folder, "dying")).filter((name) => /^model_0000000[12]\.bin$/.test(name));
  expect(first).toHaveLength(2);
  for (const name of first) expect((await run(["info", `dying/${name}`], { cwd: folder })).code).toBe(0);
});
