// Which kernels are taken, and what happens where some are missing or compute wrong. Nothing here depends on speed.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Platform } from "../../platform/platform.ts";
import type { Backend } from "../backend.ts";
import { problemOfMatmuls, problemOfOthers } from "../check.ts";
import type { BackendOptions } from "../entry.ts";
import { createReferenceBackend } from "../reference/reference.ts";
import { candidatesOf, fewestOf } from "./thread-trial.ts";
import { type Code, type Tile, tiles, variantNames } from "./variants.ts";

const folder = mkdtempSync(join(tmpdir(), "llm-ts-choice-"));
const cacheFile = join(folder, "kernels.json");
const otherListeners = new Set(process.listeners("exit"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeEach(() => {
  vi.stubEnv("LLM_TS_CACHE", folder);
});
afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  rmSync(cacheFile, { recursive: true, force: true });
});

/** The program as in a process that has compiled and measured nothing yet. */
async function fresh() {
  vi.resetModules();
  // Each copy of the program looks after its files when the process exits; what the copies before made is closed.
  for (const listener of process.listeners("exit")) if (!otherListeners.has(listener)) process.off("exit", listener);
  const [{ platform }, { createWasmBackend }, { surveyKernels }, { WasmBackend }, cache, { compileCode }] =
    await Promise.all([
      import("#platform"),
      import("./create.ts"),
      import("./survey.ts"),
      import("./backend.ts"),
      import("./choice-cache.ts"),
      import("./code.ts"),
    ]);
  /** The kernel that is taken. */
  const take = async (options: BackendOptions = {}) => {
    const backend = await createWasmBackend({ shared: false, ...options });
    await backend.dispose();
    return backend.description.replace(/^wasm, (.*), 1 thread$/, "$1");
  };
  return { platform, createWasmBackend, surveyKernels, WasmBackend, compileCode, ...cache, take };
}

/** A day as the cache writes it, counted from today. */
function today(days = 0): string {
  return new Date(Date.now() + days * 24 * 60 * 60 * 1000).toISOString().slice(0, 10);
}

type Bytes = Uint8Array<ArrayBuffer>;

const RELAXED_MADD = [0xfd, 0x85, 2];
const F32X4_ADD = [0xfd, 0xe4, 1];

function isRelaxed(bytes: Bytes): boolean {
  return Buffer.from(bytes).includes(Buffer.from(RELAXED_MADD));
}

function isSimd256(bytes: Bytes): boolean {
  return Buffer.from(bytes).subarray(-7).toString() === "256-bit";
}

/** The same module with c - a b for a b + c, or where there is no such instruction, a - b for a + b. */
function sabotaged(bytes: Bytes): Bytes {
  const wrong = Buffer.from(bytes);
  const instruction = Buffer.from(isRelaxed(bytes) ? RELAXED_MADD : F32X4_ADD);
  for (let at = wrong.indexOf(instruction); at >= 0; at = wrong.indexOf(instruction, at)) wrong[at + 1]++;
  return new Uint8Array(wrong);
}

/** Lets the engine compile some modules to code that computes wrong. */
function breakCode(platform: Platform, isBroken: (bytes: Bytes) => boolean): void {
  const { compile } = platform;
  vi.spyOn(platform, "compile").mockImplementation((bytes, simd256) =>
    compile(isBroken(bytes) ? sabotaged(bytes) : bytes, simd256),
  );
}

/** 256-bit vectors need a V8 of a certain version, and x86. */
const narrowOnly = Number.parseInt(process.versions.v8, 10) < 13 || process.arch !== "x64";

describe("a wrong result puts a kernel out", () => {
  test.skipIf(narrowOnly)("of 256-bit code: the same without it is taken", async () => {
    const { take, platform } = await fresh();
    breakCode(platform, isSimd256);
    expect(await take({ revectorize: true })).toMatch(/^relaxed-\dx\d+$/);
  });

  test("of relaxed SIMD: plain is taken", async () => {
    const { take, platform } = await fresh();
    breakCode(platform, isRelaxed);
    expect(await take({ revectorize: true })).toMatch(/^plain-/);
    expect(await take()).toMatch(/^plain-\dx\d+$/);
  });

  test.each(["matmulForward", "matmulBackwardInput", "matmulBackwardWeight"] as const)(
    "of one tile in %s: another tile is taken, whatever was kept",
    async (name) => {
      for (const tile of tiles) {
        const { take, WasmBackend, platform, choiceKey, compileCode } = await fresh();
        const code: Code = { build: "relaxed", simd256: false };
        const compiled = await compileCode(code, false);
        if (typeof compiled === "string") throw new Error(compiled);
        await platform.remember("kernels", JSON.stringify({ [choiceKey(code, compiled)]: `${tile} ${today()}` }));
        expect(await take()).toBe(`relaxed-${tile}`);
        // A matmul whose result stays as it was.
        const working = new WeakMap<object, unknown>();
        const { useTile } = WasmBackend.prototype;
        vi.spyOn(WasmBackend.prototype, "useTile").mockImplementation(function (this: Backend, used: Tile) {
          Reflect.apply(useTile, this, [used]);
          if (!working.has(this)) working.set(this, this[name]);
          Object.assign(this, { [name]: used === tile ? () => {} : working.get(this) });
        });
        expect(await take()).toMatch(new RegExp(`^relaxed-(?!${tile}$)`));
        await expect(take({ kernel: `relaxed-${tile}` })).rejects.toThrow(
          new RegExp(`relaxed-${tile} cannot be used here: ${tile}: wrong result of ${name}`),
        );
        vi.restoreAllMocks();
      }
    },
  );

  test("of all of them: an error that says so and names what does compute right", async () => {
    const { take, surveyKernels, platform } = await fresh();
    breakCode(platform, () => true);
    await expect(take({ revectorize: true })).rejects.toMatchObject({ name: "BackendError" });
    await expect(take()).rejects.toThrow(/relaxed, 128-bit: wrong result of .*plain, 128-bit.*--backend reference/);
    const { candidates, chosen } = await surveyKernels(1);
    expect(chosen).toBeUndefined();
    expect(candidates.map(({ problem }) => problem)).not.toContain(undefined);
  });

  test("in worker threads as well", async () => {
    const { createWasmBackend, platform } = await fresh();
    breakCode(platform, isRelaxed);
    const backend = await createWasmBackend({ threads: 2 });
    expect(backend.description).toMatch(/^wasm, plain-\dx\d+, 2 threads$/);
    await backend.dispose();
  });
});

describe("what is missing is done without", () => {
  test("relaxed SIMD", async () => {
    const { take, platform } = await fresh();
    const { compile } = platform;
    vi.spyOn(platform, "compile").mockImplementation(async (bytes, simd256) => {
      if (isRelaxed(bytes)) throw new WebAssembly.CompileError("invalid opcode 0xfd85");
      return compile(bytes, simd256);
    });
    expect(await take()).toMatch(/^plain-\dx\d+$/);
    await expect(take({ kernel: "relaxed-6x8" })).rejects.toThrow(
      /relaxed-6x8 cannot be used here: relaxed SIMD: not known to this engine.*info --system/,
    );
  });

  test("revectorisation", async () => {
    const { take, platform } = await fresh();
    vi.spyOn(platform, "problemOfSimd256").mockReturnValue("need another processor");
    expect(await take({ revectorize: true })).toMatch(/^relaxed-\dx\d+$/);
    await expect(take({ kernel: "relaxed-6x16-256" })).rejects.toThrow(/256-bit vectors: need another processor/);
  });

  test("shared memory", async () => {
    const { createWasmBackend, platform } = await fresh();
    Object.defineProperty(platform, "sharedMemory", { value: false });
    const startWorker = vi.spyOn(platform, "startKernelWorker");
    const backend = await createWasmBackend({ threads: 8, kernel: "relaxed-4x8" });
    expect(backend.description).toBe("wasm, relaxed-4x8, 1 thread");
    expect(startWorker).not.toHaveBeenCalled();
    await backend.dispose();
  });
});

describe("a kernel's file", () => {
  test.each(["relaxed", "plain"] as const)("%s.wasm that is damaged is named, and read again later", async (build) => {
    const { take, platform } = await fresh();
    const { loadKernels } = platform;
    vi.spyOn(platform, "loadKernels").mockImplementation(async (name) => (await loadKernels(name)).slice(0, 5000));
    const kernel = `${build}-6x8` as const;
    await expect(take({ kernel })).rejects.toThrow(new RegExp(`${build}\\.wasm.*damaged.*Install llm-ts again`));
    vi.restoreAllMocks();
    expect(await take({ kernel })).toBe(kernel);
  });
});

describe("a forced kernel", () => {
  test("is taken, of all names", async () => {
    const { take } = await fresh();
    for (const kernel of variantNames)
      if (!(kernel.endsWith("-256") && narrowOnly)) expect(await take({ kernel })).toBe(kernel);
  });

  test("that does not exist, or is refused by another option, is wrong usage", async () => {
    const { take } = await fresh();
    const unknown = "relaxed-9x9" as "auto";
    await expect(take({ kernel: unknown })).rejects.toThrow(/no kernel "relaxed-9x9".*auto.*relaxed-6x16-256/);
    await expect(take({ kernel: unknown })).rejects.toMatchObject({ name: "UsageError" });
    await expect(take({ kernel: "plain-6x8-256", revectorize: false })).rejects.toMatchObject({ name: "UsageError" });
  });
});

/** The program with a trial that finds `fastest`, and how often it was made. */
async function measuring(fastest: Tile) {
  const timeTiles = vi.fn(async () => ({ "6x16": 1, "6x8": 1, "4x8": 1, [fastest]: 2 }));
  vi.doMock("./trial.ts", async (original) => ({ ...(await original<object>()), timeTiles }));
  const program = await fresh();
  vi.doUnmock("./trial.ts");
  return { ...program, timeTiles };
}

describe("the choice is kept", () => {
  test.each(tiles)("from the second start that measures it, and taken without a measurement (%s)", async (tile) => {
    for (const trials of [1, 1, 0]) {
      const { take, timeTiles } = await measuring(tile);
      expect(await take()).toBe(`relaxed-${tile}`);
      expect(timeTiles).toHaveBeenCalledTimes(trials);
    }
    const kept: Record<string, string> = JSON.parse(readFileSync(cacheFile, "utf8"));
    expect(Object.keys(kept)).toEqual([expect.stringMatching(/^relaxed [0-9a-f]+, 128-bit, Node v.*, V8 /)]);
    expect(Object.values(kept)).toEqual([`${tile} ${today()}`]);
    const { take, timeTiles } = await measuring("6x16");
    expect(await take()).toBe(`relaxed-${tile}`);
    expect(timeTiles).not.toHaveBeenCalled();
  });

  test("not where starts measure differently, as on a busy machine; each takes what it measured", async () => {
    for (const tile of ["6x16", "4x8", "6x16", "6x8"] as const) {
      const { take, timeTiles } = await measuring(tile);
      expect(await take()).toBe(`relaxed-${tile}`);
      expect(timeTiles).toHaveBeenCalledTimes(1);
    }
  });

  test("within a process as well", async () => {
    const { take, timeTiles } = await measuring("6x8");
    for (let i = 0; i < 3; i++) expect(await take()).toBe("relaxed-6x8");
    expect(timeTiles).toHaveBeenCalledTimes(2);
  });

  test("until a survey measures another; then the next start measures as well", async () => {
    for (let i = 0; i < 2; i++) await (await measuring("4x8")).take();
    const { surveyKernels } = await measuring("6x8");
    const { chosen, kept } = await surveyKernels(1);
    expect(chosen).toMatch(/^relaxed-6x8/);
    // Of shared memory, which has a choice of its own.
    expect(kept).toBeUndefined();
    const { surveyKernels: again } = await measuring("6x8");
    expect((await again(1)).kept).toBeUndefined();
    const { surveyKernels: other } = await measuring("6x16");
    expect(await other(1)).toMatchObject({ chosen: expect.stringContaining("6x16"), kept: chosen });
    const { take, timeTiles } = await measuring("6x16");
    expect(await take({ revectorize: true, shared: true, threads: 1 })).toMatch(/^relaxed-6x16/);
    expect(timeTiles).toHaveBeenCalledTimes(1);
  });

  test.each([
    ["for a month", 29, "6x8"],
    ["no longer", 31, undefined],
  ])("%s", async (_name, days, expected) => {
    writeFileSync(cacheFile, JSON.stringify({ key: `6x8 ${today(-days)}` }));
    const { recallTile } = await fresh();
    expect(await recallTile("key")).toBe(expected);
  });

  test.each(["{", "[]", "null", '"text"', '{"relaxed":"9x9"}', ""])(
    "a cache that holds %j is measured over",
    async (text) => {
      writeFileSync(cacheFile, text);
      const { take } = await fresh();
      const [, tile] = (await take()).split("-");
      expect(Object.values(JSON.parse(readFileSync(cacheFile, "utf8")))).toContain(`${tile} unconfirmed ${today()}`);
    },
  );

  test("a cache that cannot be written or read is done without", async () => {
    writeFileSync(cacheFile, "a file where a folder should be");
    vi.stubEnv("LLM_TS_CACHE", join(cacheFile, "deeper"));
    const { take } = await fresh();
    expect(await take()).toMatch(/^relaxed-/);
  });

  test("no more than 32 are kept, the youngest", async () => {
    const { keepTile, recallTile } = await fresh();
    for (let i = 0; i < 40; i++) for (const _ of [1, 2]) await keepTile(`key ${i}`, "4x8");
    const kept = Object.keys(JSON.parse(readFileSync(cacheFile, "utf8")));
    expect(kept).toEqual(Array.from({ length: 32 }, (_, i) => `key ${i + 8}`));
    expect(await recallTile("key 39")).toBe("4x8");
  });
});

test("a survey measures every kernel and says why some are out", async () => {
  const { surveyKernels, take, platform } = await fresh();
  breakCode(platform, isRelaxed);
  const { candidates, chosen, kept } = await surveyKernels(1);
  expect(candidates.map(({ kernel }) => kernel)).toEqual(variantNames);
  for (const { kernel, problem, gflops } of candidates) {
    if (kernel.startsWith("relaxed") && gflops) expect(problem).toMatch(/^wrong result of /);
    else if (!narrowOnly || !kernel.endsWith("-256")) expect(problem).toBeUndefined();
    if (problem === undefined) expect(gflops).toBeGreaterThan(0);
  }
  expect(chosen).toMatch(/^plain-/);
  expect(kept).toBeUndefined();
  expect(await take({ revectorize: true, shared: true, threads: 1 })).toMatch(/^plain-/);
});

test.each([
  ...["embeddingForward", "embeddingBackward", "layernormForward", "layernormBackward", "attentionForward"],
  ...["attentionBackward", "geluForward", "geluBackward", "residualForward", "headBackward", "mean", "sumSquares"],
  ...["adamw", "matmulForward", "matmulBackwardInput", "matmulBackwardWeight"],
])("the check notices when %s does nothing", async (name) => {
  const backend = createReferenceBackend();
  expect([await problemOfMatmuls(backend), await problemOfOthers(backend)]).toEqual([undefined, undefined]);
  const lazy = Object.assign(backend, { [name]: () => {} });
  const problem = name.startsWith("matmul") ? await problemOfMatmuls(lazy) : await problemOfOthers(lazy);
  expect(problem).toMatch(new RegExp(`^wrong result of .*\\b${name}\\b`));
});

describe("the number of threads", () => {
  /** The program on a machine of four cores; the code that it runs there by default. */
  async function onFourCores() {
    const program = await fresh();
    vi.stubEnv("OMP_NUM_THREADS", "");
    vi.spyOn(program.platform, "usableCores").mockReturnValue(4);
    const code: Code = { build: "relaxed", simd256: false };
    const compiled = await program.compileCode(code, true);
    if (typeof compiled === "string") throw new Error(compiled);
    const threads = async () => {
      const backend = await program.createWasmBackend();
      await backend.dispose();
      return backend.threads;
    };
    return { ...program, code, compiled, threads };
  }

  test("is measured at the first start, and kept from the second that measures the same", async () => {
    const { code, compiled, keepThreads, recallThreads, threads } = await onFourCores();
    const chosen = await threads();
    expect([2, 3, 4]).toContain(chosen);
    expect(await recallThreads(code, compiled, 4)).toBeUndefined();
    await keepThreads(code, compiled, 4, chosen);
    expect(await recallThreads(code, compiled, 4)).toBe(chosen);
    await keepThreads(code, compiled, 4, chosen - 1);
    expect(await recallThreads(code, compiled, 4)).toBeUndefined();
  });

  test("is taken as kept; what is kept of another machine or damaged is measured again", async () => {
    const { code, compiled, keepThreads, recallThreads, threads } = await onFourCores();
    for (const kept of [3, 3]) await keepThreads(code, compiled, 4, kept);
    expect(await threads()).toBe(3);
    for (const kept of [77, 77]) await keepThreads(code, compiled, 4, kept);
    expect([2, 3, 4]).toContain(await threads());
    expect(await recallThreads(code, compiled, 4)).not.toBe(77);
  });

  test("that was asked for is not measured", async () => {
    const { code, compiled, createWasmBackend, recallThreads, threads } = await onFourCores();
    const backend = await createWasmBackend({ threads: 1 });
    expect(backend.threads).toBe(1);
    await backend.dispose();
    vi.stubEnv("OMP_NUM_THREADS", "5");
    expect(await threads()).toBe(5);
    expect(await recallThreads(code, compiled, 4)).toBeUndefined();
  });

  test("is the lowest that is nearly as fast as the best", () => {
    const rows = (...gflops: number[]) => gflops.map((gflops, i) => ({ threads: 8 - 2 * i, gflops }));
    expect(fewestOf(rows(400, 300, 200))).toBe(8);
    expect(fewestOf(rows(400, 399, 200))).toBe(6);
    expect(fewestOf(rows(350, 360, 400))).toBe(4);
    expect(candidatesOf(2)).toEqual([2]);
    expect(candidatesOf(16)).toEqual([16, 12, 8]);
  });
});
