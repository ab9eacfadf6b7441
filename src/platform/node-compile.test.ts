// Each test simulates a process of its own: it imports the module afresh, with a cache folder of its own.
import { spawn } from "node:child_process";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cachedDataVersionTag, setFlagsFromString } from "node:v8";
import { afterAll, afterEach, beforeEach, expect, test, vi } from "vitest";
import { loadKernels } from "./node-workers.ts";

vi.mock("node:child_process", async (original) => {
  const module = await original<typeof import("node:child_process")>();
  return { ...module, spawn: vi.fn(module.spawn) };
});

const bytes = await loadKernels("relaxed-shared");
const home = mkdtempSync(join(tmpdir(), "llm-ts-compile-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

let cache = "";
beforeEach(() => {
  cache = mkdtempSync(join(home, "cache-"));
  vi.stubEnv("LLM_TS_CACHE", cache);
  vi.mocked(spawn).mockClear();
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

async function fresh() {
  vi.resetModules();
  // One after the other: of two imports at once of a module that is mocked, one may get the original.
  const compile = await import("./node-compile.ts");
  const trial = await import("./node-flag-trial.ts");
  const flags = await import("./node-flags.ts");
  return { ...compile, ...trial, ...flags };
}

/** With the two others: what ends the process while V8 13 and 14 compile. It is V8 14's own default. */
const FATAL = "--wasm-deopt";
const EAGER = ["--no-liftoff", "--no-wasm-lazy-compilation"];

function keptNotes(): string[] {
  return Object.values(JSON.parse(readFileSync(join(cache, "flags.json"), "utf8")));
}

test("V8's flags are restored after compiling, also where they were set before", async () => {
  const { compile, problemOfSimd256 } = await fresh();
  for (const given of ["--liftoff", "--no-liftoff"]) {
    setFlagsFromString(given);
    // It changes with every flag that has a part in compiling.
    const before = cachedDataVersionTag();
    for (const simd256 of problemOfSimd256() === undefined ? [true, false] : [false]) {
      expect(await compile(bytes, simd256)).toBeInstanceOf(WebAssembly.Module);
      expect(cachedDataVersionTag()).toBe(before);
    }
    await expect(compile(bytes.slice(0, 100), false)).rejects.toThrow(WebAssembly.CompileError);
    expect(cachedDataVersionTag()).toBe(before);
  }
  setFlagsFromString("--liftoff");
});

test("flags hold while the task runs, and no longer when it throws", async () => {
  const { withFlags } = await fresh();
  const before = cachedDataVersionTag();
  withFlags(EAGER, () => expect(cachedDataVersionTag()).not.toBe(before));
  const failing = () => {
    throw new Error("in the task");
  };
  expect(() => withFlags(EAGER, failing)).toThrow("in the task");
  expect(cachedDataVersionTag()).toBe(before);
});

test("flags that end a process end another one, once; that is kept", async () => {
  const first = await fresh();
  expect(await first.tryFlags(bytes, [...EAGER, FATAL])).toBe("aborts");
  expect(await first.tryFlags(bytes, [...EAGER, FATAL])).toBe("aborts");
  const later = await fresh();
  expect(await later.tryFlags(bytes, [...EAGER, FATAL])).toBe("aborts");
  expect(spawn).toHaveBeenCalledOnce();
  expect(keptNotes()).toEqual([expect.stringMatching(/^aborts \d{4}-\d\d-\d\d$/)]);
});

test("flags that work are tried once for each build of the kernels; those that V8 does not know are left out", async () => {
  const { tryFlags } = await fresh();
  expect(await tryFlags(bytes, [...EAGER, "--no-such-flag"])).toEqual(EAGER);
  const later = await fresh();
  expect(await later.tryFlags(bytes, [...EAGER, "--no-such-flag"])).toEqual(EAGER);
  expect(spawn).toHaveBeenCalledOnce();
  expect(await later.tryFlags(await loadKernels("plain"), [...EAGER, "--no-such-flag"])).toEqual(EAGER);
  expect(spawn).toHaveBeenCalledTimes(2);
});

test("an engine that its flags would end compiles without them, 256-bit code not at all", async () => {
  vi.doMock(import("./node-flag-trial.ts"), async (original) => {
    const module = await original();
    return { ...module, tryFlags: (code, flags) => module.tryFlags(code, [...flags, FATAL]) };
  });
  const { compile } = await fresh();
  vi.doUnmock("./node-flag-trial.ts");
  expect(await compile(bytes, false)).toBeInstanceOf(WebAssembly.Module);
  expect(await compile(bytes, true)).toMatch(/^V8 \S+ ends the process when it compiles them/);
});

test("without child processes flags are left alone, and that is not kept", async () => {
  vi.mocked(spawn).mockImplementationOnce(() => {
    throw new Error("ERR_ACCESS_DENIED");
  });
  const { compile, tryFlags } = await fresh();
  expect(await compile(bytes, false)).toBeInstanceOf(WebAssembly.Module);
  expect(await tryFlags(bytes, EAGER)).toEqual(EAGER);
});

test("a program that is not called node is not started a second time", async () => {
  const { execPath } = process;
  process.execPath = "/opt/application/editor";
  const { compile } = await fresh();
  expect(await compile(bytes, false)).toBeInstanceOf(WebAssembly.Module);
  expect(await compile(bytes, true)).toMatch(/could not be tried/);
  process.execPath = execPath;
  expect(spawn).not.toHaveBeenCalled();
});

test("a trial that is killed, or does not start, decides nothing about the flags", async () => {
  const { spawn: original } = await vi.importActual<typeof import("node:child_process")>("node:child_process");
  for (const code of ["process.kill(process.pid, 'SIGKILL')", "process.exit(9)", "process.exit(0)"]) {
    vi.mocked(spawn).mockImplementationOnce(((command: string, _args: string[], options: object) =>
      original(command, ["-e", code], options)) as unknown as typeof spawn);
    const { tryFlags } = await fresh();
    expect(await tryFlags(bytes, EAGER)).toBe("cannot be tried");
  }
});

test("a cache that cannot be written is done without: one trial in each process", async () => {
  const file = join(cache, "a-file");
  writeFileSync(file, "");
  chmodSync(file, 0o400);
  vi.stubEnv("LLM_TS_CACHE", join(file, "deeper"));
  const { tryFlags } = await fresh();
  expect(await tryFlags(bytes, EAGER)).toEqual(EAGER);
  expect(await tryFlags(bytes, EAGER)).toEqual(EAGER);
  expect(spawn).toHaveBeenCalledOnce();
});
