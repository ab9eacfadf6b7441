import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { afterAll, afterEach, describe, expect, test, vi } from "vitest";
import { BackendError } from "../errors.ts";
import { openForeign } from "./node-foreign.ts";
import { architecturesOf } from "./node-library-file.ts";
import type { ForeignLibrary, ForeignLoader } from "./platform.ts";

const folder = mkdtempSync(join(tmpdir(), "llm-ts-foreign-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => {
  vi.doUnmock("./node-optional.ts");
  vi.resetModules();
});

/** The C library of each system. */
const libc = {
  linux: ["libm.so.6", `libc.musl-${process.arch === "x64" ? "x86_64" : "aarch64"}.so.1`],
  darwin: ["libSystem.B.dylib"],
  win32: ["ucrtbase.dll"],
}[process.platform as string] ?? ["libm.so"];

const foreign = (await openForeign()) as ForeignLoader;
const library = foreign.load(libc) as ForeignLibrary;

test("calls functions, in turn and on another thread", async () => {
  expect(library.declare<[number], number>("double cos(double)")(0)).toBe(1);
  await expect(library.declareAsync<[number], number>("double exp(double)")(1)).resolves.toBe(Math.E);
  const whole = [0];
  expect(library.declare<[number, number[]], number>("double modf(double, _Out_ double *)")(2.5, whole)).toBe(0.5);
  expect(whole).toEqual([2]);
});

test("symbols are looked up, and functions that are missing refused", () => {
  expect(library.addressOf("cosf")).toBeTypeOf("bigint");
  expect(library.addressOf("cblas_sgemm")).toBeUndefined();
  expect(() => library.declare("void cblas_sgemm(int)")).toThrow(BackendError);
  expect(() => library.declare("void cblas_sgemm(int)")).toThrow(`${library.name}: Cannot find function 'cblas_sgemm'`);
});

test("shared WebAssembly memory is used in place, by views and by addresses, also after it grew", () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 100, shared: true });
  const base = foreign.addressOf(new Uint8Array(memory.buffer));
  const before = new Float64Array(memory.buffer);
  memory.grow(9);
  const { buffer } = memory;
  expect(foreign.addressOf(new Uint8Array(buffer))).toBe(base);
  expect(foreign.addressOf(new Float64Array(buffer, 64))).toBe(base + 64n);
  library.declare<[number, Float64Array], number>("double modf(double, double *)")(7.25, new Float64Array(buffer, 64));
  library.declare<[number, number], number>("double modf(double, uintptr_t)")(-3.5, Number(base) + 72);
  expect([...before.subarray(8, 10)]).toEqual([7, -3]);
});

test("a worker thread opens libraries of its own, over the same memory", async () => {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const module = JSON.stringify(new URL("./node-foreign.ts", import.meta.url));
  const script = `
    import { workerData } from "node:worker_threads";
    const { openForeign } = await import(${module});
    const foreign = await openForeign();
    const modf = foreign.load(${JSON.stringify(library.name)}).declare("double modf(double, double *)");
    modf(5.5, new Float64Array(workerData.buffer));`;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`), {
    workerData: memory,
    execArgv: ["--conditions=source", "--experimental-strip-types", "--no-warnings"],
  });
  const code = await new Promise((resolve, reject) => worker.on("exit", resolve).on("error", reject));
  expect(code).toBe(0);
  expect(new Float64Array(memory.buffer)[0]).toBe(5);
});

describe("libraries that cannot be loaded", () => {
  const text = join(folder, "text.so");
  writeFileSync(text, "GROUP ( libopenblas.so )\n".repeat(300));
  const foreignProcessor = join(folder, "other.so");
  writeFileSync(foreignProcessor, elf(process.arch === "arm64" ? 62 : 183));

  test.each([
    ["libnot-there-5.so", /^libnot-there-5\.so: not found$/],
    [join(folder, "none.so"), /none\.so: there is no such file$/],
    [folder, /: it is a folder$/],
    [text, /text\.so: it is not a library of machine code$/],
    [foreignProcessor, /it is a library for (arm64, and this Node is for |x64, and this Node is for arm64)/],
  ])("%s", (path, reason) => {
    expect(foreign.load(path)).toMatch(reason);
  });

  test("the first one that can be is taken, unless there is a reason against it", () => {
    const names = [text, library.name];
    expect(foreign.load(names)).toMatchObject({ name: library.name });
    expect(foreign.load(names, { problemOf: () => "it has no cblas_sgemm" })).toMatch(
      /text\.so: it is not a library of machine code; .*: it has no cblas_sgemm$/,
    );
  });

  test("of several names those for this system are tried; all, if none is", () => {
    const names = ["libnone.so.2", "libnone.dylib", "/none.framework/None", "none.dll"];
    const own = { win32: names.slice(3), darwin: names.slice(1, 3) }[process.platform as string] ?? names.slice(0, 1);
    const problems = (foreign.load(names) as string).split("; ");
    expect(problems.map((problem) => problem.replace(/: .*/, ""))).toEqual(own);
    const others = names.filter((name) => !own.includes(name));
    expect((foreign.load(others) as string).split("; ")).toHaveLength(others.length);
  });

  test.runIf(process.platform === "linux")("what is missing may be another library, which is named", () => {
    // The C library's mathematics, but for the name of what it needs.
    const maps = readFileSync("/proc/self/maps", "latin1");
    const path = maps
      .split("\n")
      .find((line) => line.endsWith(".so.6") && line.includes("libm.so"))
      ?.replace(/^.* /, "");
    const copy = join(folder, "libneeds.so");
    copyFileSync(path ?? "", copy);
    const bytes = readFileSync(copy);
    bytes.write("libz.so.6", bytes.indexOf("libc.so.6\0"), "latin1");
    writeFileSync(copy, bytes);
    expect(foreign.load(copy)).toMatch(/libneeds\.so: libz\.so\.6: cannot open shared object file/);
  });
});

test.each([
  ["koffi is missing", undefined, "it needs the package koffi: npm install koffi"],
  ["koffi is old", { version: "2.9.0" }, "it needs the package koffi from version 3 on, and found 2.9.0: "],
  [
    "koffi has no part for this system",
    new Error("Cannot find the native Koffi module"),
    "cannot be used: Cannot find",
  ],
])("%s: a phrase says so", async (_, koffi, phrase) => {
  vi.resetModules();
  vi.doMock("./node-optional.ts", () => ({
    async importOptional() {
      if (koffi instanceof Error) throw koffi;
      return koffi && { default: koffi };
    },
  }));
  const { openForeign } = await import("./node-foreign.ts");
  expect(await openForeign()).toContain(phrase);
});

test("headers of executables say which processor they are for", () => {
  expect(architecturesOf(elf(243))).toEqual(["riscv64"]);
  expect(architecturesOf(elf(9999))).toEqual(["another processor"]);
  const mach = new Uint8Array(8);
  new DataView(mach.buffer).setUint32(0, 0xfeedfacf, true);
  new DataView(mach.buffer).setUint32(4, 0x0100000c, true);
  expect(architecturesOf(mach)).toEqual(["arm64"]);
  const fat = new DataView(new ArrayBuffer(60));
  for (const [at, value] of [0xcafebabe, 2, 0x01000007, 0, 0, 0, 0, 0x0100000c].entries()) fat.setUint32(4 * at, value);
  expect(architecturesOf(new Uint8Array(fat.buffer))).toEqual(["x64", "arm64"]);
  const pe = new DataView(new ArrayBuffer(200));
  pe.setUint16(0, 0x4d5a);
  pe.setUint32(0x3c, 128, true);
  pe.setUint32(128, 0x50450000);
  pe.setUint16(132, 0x8664, true);
  expect(architecturesOf(new Uint8Array(pe.buffer))).toEqual(["x64"]);
  expect(architecturesOf(new TextEncoder().encode("#!/bin/sh\n"))).toBeUndefined();
  expect(architecturesOf(new Uint8Array())).toBeUndefined();
});

/** The beginning of a little-endian ELF file of 64 bits. */
function elf(machine: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(64));
  view.setUint32(0, 0x7f454c46);
  view.setUint32(4, 0x02010100);
  view.setUint16(16, 3, true);
  view.setUint16(18, machine, true);
  return new Uint8Array(view.buffer);
}
