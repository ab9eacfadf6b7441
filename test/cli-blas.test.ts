/** `--blas` as the command sees it: records, resume, verify, what is refused, and the hint at a faster library. */
import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { GPT2 } from "../src/api/gpt2.ts";
import { blasNames } from "../src/backend/registry.ts";
import { makeConfig } from "../src/model/config.ts";
import { installedBlas } from "./blas.ts";
import { fixturePath } from "./fixtures.ts";
import { root } from "./nodes.ts";
import { run, testFolder, writeTokens } from "./run-cli.ts";
import { hasTinyLibraries, writeTinyLibrary } from "./tiny-library.ts";

const folder = testFolder();
const env = { LLM_TS_CACHE: join(folder, "cache"), OMP_NUM_THREADS: "2" };
const llm = (...args: string[]) => run(args, { cwd: folder, env });
const model = ["-e", fixturePath("gpt2_tiny.bin"), "-i", "train.bin", "-v", "0", "-s", "0"];
const config = (name: string) => JSON.parse(readFileSync(join(folder, name, "config.json"), "utf8"));
const losses = (name: string) =>
  readFileSync(join(folder, name, "metrics.jsonl"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line))
    .filter(({ event }) => event === "step")
    .map(({ loss }) => loss);

beforeAll(() => writeTokens(join(folder, "train.bin"), 3000, 101));

const [blas] = await installedBlas();

describe.runIf(blas)("with a library of this machine", () => {
  const { name, description } = blas ?? {};
  const chosen = ["--blas", name];

  test("a run records it and is resumed with it, bit for bit", async () => {
    expect((await llm("train", ...model, "-x", "4", "-o", "whole", ...chosen)).code).toBe(0);
    expect((await llm("train", ...model, "-x", "2", "-o", "half", ...chosen)).code).toBe(0);
    const resumed = await llm("train", "-o", "half", "-y", "-x", "4", "--force");
    expect(resumed.stderr).toContain(`computing with ${name}, as the run did (--backend, --kernel and --blas choose`);
    expect(resumed.stderr).not.toContain("last bits");
    expect(resumed.code).toBe(0);
    expect(losses("half")).toEqual(losses("whole"));
    expect(losses("half")).toHaveLength(4);
    for (const folder of ["whole", "half"])
      expect(config(folder)).toMatchObject({ given: { blas: name }, backend: { blas: { name, description } } });
  });

  test("what changes a resumed run's bits is said: no library, or other threads with one", async () => {
    const more = (steps: string, ...args: string[]) =>
      llm("train", "-o", "whole", "-y", "-x", steps, "--force", ...args);
    const threads = await more("5", "--threads", "1");
    expect(threads.stderr).toContain(
      "on 2 threads until now, and resumes on 1, with a BLAS: its last bits will differ",
    );
    const without = await more("6", "--blas", "none");
    expect(without.stderr).toContain(
      `computed with ${description} until now, and resumes without a BLAS: its last bits`,
    );
    expect(config("whole").given.blas).toBeUndefined();
    expect(config("whole").backend.blas).toBeUndefined();
  });

  test("verify is okay with it, and names it; eval takes it", async () => {
    const state = ["--model", fixturePath("gpt2_tiny.bin"), "--state", fixturePath("gpt2_tiny_debug_state.bin")];
    const { stdout, code } = await llm("verify", ...state, ...chosen, "--json");
    expect(JSON.parse(stdout)).toMatchObject({ okay: true, blas: { name, description } });
    expect(code).toBe(0);
    expect((await llm("verify", ...state, ...chosen)).stderr).toMatch(new RegExp(`^wasm, \\S+, ${name}, 2 threads`));
    expect((await llm("eval", "train.bin", "--model", "whole", ...chosen)).code).toBe(0);
  });

  test("the library takes it as an option of a model", async () => {
    const made = await GPT2.create(makeConfig({ maxT: 16, V: 10, L: 1, NH: 1, C: 16 }), { blas: name, threads: 1 });
    expect(made.backend.blas).toMatchObject({ name, description });
    await made.dispose();
  });

  test("info --system lists the libraries, and train hints once at one that is faster", async () => {
    const { libraries } = JSON.parse((await llm("info", "--system", "--json")).stdout);
    expect(libraries.map((library: { name: string }) => library.name)).toEqual(blasNames);
    const trial = { library: blas?.library, description, gain: expect.any(Number), ratios: expect.any(Object) };
    expect(libraries).toContainEqual({ name, trial });
    const cache = join(env.LLM_TS_CACHE, "blas.json");
    const faster = readFileSync(cache, "utf8").replace(/(?<=\\"gain\\":)[\d.]+/, "1.5");
    writeFileSync(cache, faster);
    const hint = `hint: --blas ${name} multiplies 1.50 times as fast here, with other last bits (${description})\n`;
    expect((await llm("train", ...model, "-x", "1")).stderr).toContain(hint);
    expect((await llm("train", ...model, "-x", "1")).stderr).not.toContain("hint: --blas");
    const auto = await llm("train", ...model, "-x", "1", "-o", "auto", "--blas", "auto");
    expect(auto.code).toBe(0);
    expect(config("auto").given.blas).toBe(name);
  });

  test("bench does not measure OpenBLAS beside itself", async () => {
    const bench = ["bench", "--quick", "--model", "baby", "--repeats", "1", "--threads", "1"];
    const { stdout } = await llm(...bench, ...chosen, "--against", "openblas");
    expect(stdout).toMatch(/^openblas: missing: .*--blas/m);
  });
});

test.each<[code: number, message: RegExp, ...args: string[]]>([
  [1, /^error: The BLAS nope cannot be used: nope: not found\. .* info --system shows/m, "--blas", "nope"],
  [1, /BLAS .*train\.bin cannot be used: .*train\.bin: it is not a library of machine code/, "--blas", "./train.bin"],
  [1, /BLAS .*none\.so cannot be used: .*none\.so: there is no such file/, "--blas", "./none.so"],
  [2, /backend reference uses no BLAS: leave openblas out/, "--blas", "openblas", "--backend", "reference"],
  [2, /--blas.*Expected/, "--blas", ""],
])("exit code %i and %s", async (code, message, ...args) => {
  const found = await llm("train", ...model, "-x", "1", ...args);
  expect(found.stderr).toMatch(message);
  expect(found.code).toBe(code);
});

test.runIf(hasTinyLibraries)("a library that crashes does not take the command along", async () => {
  writeTinyLibrary(join(folder, "crash.so"), "cblas_sgemm", "crashes");
  const { stderr, code } = await llm("train", ...model, "-x", "1", "--blas", "./crash.so");
  expect(stderr).toMatch(/^error: The BLAS .*crash\.so cannot be used: a call of its cblas_sgemm ends the process/m);
  expect(code).toBe(1);
});

test("without koffi it is said what to install", async () => {
  const copy = join(folder, "copy");
  mkdirSync(join(copy, "node_modules"), { recursive: true });
  for (const name of ["dist", "kernels", "package.json"])
    cpSync(join(root, name), join(copy, name), { recursive: true });
  for (const name of readdirSync(join(root, "node_modules")))
    if (name !== "koffi") symlinkSync(join(root, "node_modules", name), join(copy, "node_modules", name), "junction");
  const program = join(copy, "dist", "cli", "main.js");
  const { stderr, code } = await run(["train", ...model, "-x", "1", "--blas", "openblas"], {
    cwd: folder,
    env,
    program,
  });
  expect(stderr).toMatch(/The BLAS openblas cannot be used: it needs the package koffi: npm install koffi\./);
  expect(code).toBe(1);
  const { stdout } = await run(["info", "--system"], { cwd: folder, env, program });
  expect(stdout).toMatch(/^libraries for llm-ts train --blas: none: it needs the package koffi: npm install koffi$/m);
});
