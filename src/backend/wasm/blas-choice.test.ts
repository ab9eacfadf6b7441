// Which library is taken, by what a mocked platform finds in trying it. Each test is a process of its own, with an empty cache.
import { beforeEach, expect, test, vi } from "vitest";
import type { BlasRequest, BlasTrial, Platform } from "../../platform/platform.ts";
import { blasNames, filesOf } from "./blas-names.ts";

const kept = new Map<string, string>();
let installed: Record<string, number> = {};
let koffi = true;

/** Each test has modules of its own, and so lists of its own. */
const nameOf = ([first]: readonly string[]) => blasNames.find((name) => filesOf(name)[0] === first);

const tryBlas = vi.fn(async ({ libraries, timed }: BlasRequest): Promise<BlasTrial | string> => {
  const name = nameOf(libraries);
  const gain = installed[name ?? libraries[0]];
  if (gain === undefined) return `${libraries[0]}: not found`;
  return { library: libraries[0], description: `${name} 1.0`, ratios: { matmuls: gain }, gain: timed ? gain : 1 };
});

vi.mock("#platform", async (original) => {
  const { platform } = await original<{ platform: Platform }>();
  return {
    platform: {
      ...platform,
      tryBlas: (request: BlasRequest) => tryBlas(request),
      openForeign: async () => (koffi ? {} : "it needs the package koffi: npm install koffi"),
      recall: async (name: string) => kept.get(name),
      remember: async (name: string, text: string) => void kept.set(name, text),
    },
  };
});

beforeEach(() => {
  kept.clear();
  vi.clearAllMocks();
  koffi = true;
  installed = {};
});

async function fresh() {
  vi.resetModules();
  return import("./blas-choice.ts");
}

const timedNames = () => tryBlas.mock.calls.filter(([{ timed }]) => timed).map(([{ libraries }]) => nameOf(libraries));

test("none is the default, and nothing is tried", async () => {
  const { chooseBlas } = await fresh();
  expect(await chooseBlas({})).toBeUndefined();
  expect(await chooseBlas({ blas: "none" })).toBeUndefined();
  expect(tryBlas).not.toHaveBeenCalled();
});

test("a library is taken by name or path, tried but not timed", async () => {
  installed = { blis: 0.5, "/opt/libmine.so": 1 };
  const { chooseBlas } = await fresh();
  const options = { threads: 3, revectorize: true, kernel: "relaxed-6x8" };
  expect(await chooseBlas({ blas: "blis", ...options })).toEqual({
    name: "blis",
    library: filesOf("blis")[0],
    description: "blis 1.0",
  });
  expect(tryBlas).toHaveBeenCalledExactlyOnceWith({ libraries: filesOf("blis"), timed: false, ...options });
  expect(await chooseBlas({ blas: "/opt/libmine.so" })).toMatchObject({ name: "/opt/libmine.so" });
  await expect(chooseBlas({ blas: "mkl" })).rejects.toMatchObject({
    name: "BackendError",
    message: expect.stringMatching(/^The BLAS mkl cannot be used: libmkl_rt.*: not found\. /),
  });
});

test("auto takes the fastest, which is measured once a month, and tried at each start", async () => {
  installed = { openblas: 1.2, blis: 1.4, mkl: 0.9 };
  expect(await (await fresh()).chooseBlas({ blas: "auto" })).toMatchObject({ name: "blis" });
  expect(timedNames()).toEqual(blasNames);
  tryBlas.mockClear();
  installed = { openblas: 3, blis: 1.4, mkl: 0.9 };
  const { chooseBlas } = await fresh();
  expect(await chooseBlas({ blas: "auto" })).toMatchObject({ name: "blis" });
  expect(timedNames()).toEqual(["accelerate", "armpl"]); // what was not found may have been installed
  expect(tryBlas).toHaveBeenLastCalledWith(expect.objectContaining({ libraries: filesOf("blis"), timed: false }));
  tryBlas.mockClear();
  expect(await chooseBlas({ blas: "auto", threads: 7 })).toMatchObject({ name: "openblas" });
  expect(timedNames()).toEqual(blasNames);
});

test("auto takes the next one where the fastest is gone, and none where none is faster or koffi is missing", async () => {
  installed = { openblas: 1.2, blis: 1.4 };
  await (await fresh()).chooseBlas({ blas: "auto" });
  installed = { openblas: 1.2 };
  expect(await (await fresh()).chooseBlas({ blas: "auto" })).toMatchObject({ name: "openblas" });
  kept.clear();
  installed = { openblas: 0.99 };
  expect(await (await fresh()).chooseBlas({ blas: "auto" })).toBeUndefined();
  kept.clear();
  installed = { openblas: 2 };
  koffi = false;
  const { chooseBlas, recallBlas } = await fresh();
  expect(await chooseBlas({ blas: "auto" })).toBeUndefined();
  await expect(chooseBlas({ blas: "openblas" })).rejects.toThrow("needs the package koffi: npm install koffi");
  expect(await recallBlas({})).toEqual([]);
});

test("a cache that was edited counts for nothing", async () => {
  installed = { openblas: 1.2 };
  const { surveyBlas } = await fresh();
  await surveyBlas({});
  for (const [name, text] of kept) kept.set(name, text.replace('\\"gain\\"', '\\"pain\\"'));
  expect(await (await fresh()).recallBlas({})).toEqual([]);
});
