// The bad libraries are made without a compiler.
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, expect, test, vi } from "vitest";
import { installedBlas } from "../../test/blas.ts";
import { type Behaviour, hasTinyLibraries, writeTinyLibrary } from "../../test/tiny-library.ts";
import { tryBlas } from "./node-blas-trial.ts";

const folder = mkdtempSync(join(tmpdir(), "llm-ts-blas-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => vi.unstubAllEnvs());

const installed = await installedBlas();
const tryOne = (library: string, mostMs?: number) =>
  tryBlas({ libraries: [library], threads: 2, timed: false }, mostMs);

test.each(installed)("$name: describes itself, and is timed beside the kernels", async ({ library }) => {
  const found = await tryBlas({ libraries: ["libnot-there.so", library], threads: 2, timed: true });
  expect(found).toMatchObject({ library, description: expect.stringMatching(/^(OpenBLAS|BLIS) \d|Accelerate/) });
  if (typeof found === "string") return;
  expect(Object.keys(found.ratios)).toEqual(["768 channels", "128 channels", "attention"]);
  for (const ratio of Object.values(found.ratios)) expect(ratio).toBeGreaterThan(0);
  expect(found.gain ** 3).toBeCloseTo(
    Object.values(found.ratios).reduce((a, b) => a * b),
    9,
  );
});

test("files that are no such library are refused with the reason", async () => {
  const text = join(folder, "text.so");
  writeFileSync(text, "GROUP ( libopenblas.so )\n");
  expect(await tryOne(text)).toMatch(/text\.so: it is not a library of machine code$/);
  expect(await tryOne(join(folder, "none.so"))).toMatch(/none\.so: there is no such file$/);
  const other = join(folder, "other.so");
  const header = new Uint8Array(64);
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  header[18] = process.arch === "s390x" ? 62 : 22;
  writeFileSync(other, header);
  expect(await tryOne(other)).toContain(`and this Node is for ${process.arch}`);
});

test.runIf(process.platform === "linux")("a library without cblas_sgemm is refused", async () => {
  expect(await tryOne("libm.so.6")).toBe("libm.so.6: it has no cblas_sgemm");
});

test.runIf(hasTinyLibraries).each<[what: string, call: Behaviour, load: Behaviour, problem: RegExp]>([
  ["computes nothing", "returns", "returns", /^it computes wrong results$/],
  ["crashes when it is called", "crashes", "returns", /^a call of its cblas_sgemm ends the process \(SIG(ILL|SEGV)\)/],
  ["crashes when it is loaded", "returns", "crashes", /^loading it ends the process \(SIG(ILL|SEGV)\)/],
  ["never returns", "hangs", "returns", /^a call of its cblas_sgemm does not end$/],
])("a library that %s takes no more than its own process along", async (what, call, load, problem) => {
  const path = writeTinyLibrary(join(folder, `${what.replaceAll(" ", "-")}.so`), "cblas_sgemm", call, load);
  expect(await tryOne(path, call === "hangs" ? 3000 : undefined)).toMatch(problem);
});

/** Debian's: BLIS as libblas.so.3 hides the functions that set its threads, and OpenBLAS64 has integers of 64 bits. */
const debian = "/usr/lib/x86_64-linux-gnu";
const many = `${debian}/blis-openmp/libblas.so.3`;
const long = `${debian}/openblas64-serial/libopenblas64.so.0`;
const inCi = Boolean(process.env.CI) && process.platform === "linux" && process.arch === "x64";

test.runIf(inCi || existsSync(many))(
  "a library that computes on all cores is refused, and how to stop it said",
  async () => {
    vi.stubEnv("BLIS_NUM_THREADS", "2");
    expect(await tryOne(many)).toMatch(/^one call takes \d\.\d cores, .*BLIS_NUM_THREADS=1/);
    vi.stubEnv("BLIS_NUM_THREADS", "1");
    expect(await tryOne(many)).toMatchObject({ library: many });
  },
);

test.runIf(inCi || existsSync(long))("a library with integers of 64 bits is refused", async () => {
  expect(await tryOne(long)).toMatch(/^its integers have 64 bits \(ILP64\)/);
});

test("a program that is not called node is not started a second time", async () => {
  const { execPath } = process;
  process.execPath = "/opt/application/editor";
  expect(await tryOne("libm.so.6")).toMatch(/^it cannot be tried in a process of its own/);
  process.execPath = execPath;
});
