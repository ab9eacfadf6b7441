// The backend with the system's BLAS: the suite's cases against the reference, every matmul left to the library; the bits that
// it promises; what a library may do wrong, by a fake one.
import { afterAll, describe, expect, test, vi } from "vitest";
import { installedBlas } from "../../../test/blas.ts";
import type { ForeignLibrary, ForeignLoader } from "../../platform/platform.ts";
import type { Backend } from "../backend.ts";
import { ReferenceBackend } from "../reference/reference.ts";
import { attention, type Case, head, matmulBackwardWeight, matmulForward, suite } from "../suite/cases.ts";
import { problemsOf, runCase } from "../suite/run.ts";
import { loadBlas, sgemmOver } from "./blas.ts";
import { problemOfSgemm } from "./blas-trial.ts";
import { createWith } from "./create.ts";
import type { Sgemm } from "./kernels.ts";

const installed = await installedBlas();
const reference = new ReferenceBackend();
const expected = new Map(await Promise.all(suite.map(async (one) => [one, await runCase(reference, one)] as const)));

describe.each(installed)("$name", (blas) => {
  const started: Backend[] = [];
  afterAll(() => Promise.all(started.map((backend) => backend.dispose())));
  const start = async (options: { threads?: number; shared?: boolean }) => {
    const backend = await createWith(options, blas);
    started.push(backend);
    return backend;
  };

  test("computes as the reference does, on 1 and 2 threads and without workers", async () => {
    const problems: string[] = [];
    for (const options of [{ threads: 1 }, { threads: 2 }, { shared: false }]) {
      const backend = await start(options);
      backend.useBlas(true, 1);
      for (const one of suite) {
        const wanted = expected.get(one);
        if (wanted)
          problems.push(...problemsOf(one, await runCase(backend, one), wanted).map((each) => `${one.name}: ${each}`));
      }
    }
    expect(problems).toEqual([]);
  });

  /** Large enough for the library by itself, the first two for several parts a thread, along columns and rows. */
  const large: Case[] = [
    matmulForward(20, 16, 2100),
    matmulBackwardWeight(24, 12, 2100, true),
    matmulForward(130, 96, 200),
    matmulBackwardWeight(130, 96, 200, true),
    attention(2, 64, 2, 64),
    head(70, 48, 500, 512, true),
  ];

  test("gives the same bits again on as many threads, and does compute", async () => {
    const [first, again] = [await start({ threads: 2 }), await start({ threads: 2 })];
    const kernels = await createWith({ threads: 2 }, undefined);
    started.push(kernels);
    const results = async (backend: Backend) => Promise.all(large.map((one) => runCase(backend, one)));
    const found = await results(first);
    const wanted = await results(reference);
    expect(large.flatMap((one, i) => problemsOf(one, found[i], wanted[i]))).toEqual([]);
    expect(await results(again)).toEqual(found);
    expect(await results(kernels)).not.toEqual(found);
    expect(kernels.promises.sameBits).toBe(true);
    expect(first).toMatchObject({
      promises: { sameBits: false },
      blas,
      description: expect.stringContaining(`, ${blas.name}, `),
    });
  });
});

test.each(installed)("$name computes above 2 GiB as below", async (blas) => {
  const backend = await createWith({ threads: 2 }, blas);
  const [N, C, OC] = [64, 48, 80];
  const run = async () => {
    const [out, inp, weight] = [backend.alloc([N, OC]), backend.alloc([N, C]), backend.alloc([OC, C])];
    await backend.write(
      inp,
      Float32Array.from({ length: N * C }, (_, i) => Math.sin(i)),
    );
    await backend.write(
      weight,
      Float32Array.from({ length: OC * C }, (_, i) => Math.cos(i)),
    );
    backend.matmulForward(out, inp, { weight, bias: null });
    return backend.read(out);
  };
  const below = await run();
  backend.alloc([2 ** 29]); // untouched, so the system does not provide it
  expect(await run()).toEqual(below);
  await backend.dispose();
});

test("a library is refused for wrong results, strays, what c held before and NaN that it hides", () => {
  const memory = new WebAssembly.Memory({ initial: 1 });
  const floats = new Float32Array(memory.buffer);
  const variant =
    (change: Partial<Record<"factor" | "stray" | "keepsC" | "skipsZeros", number>>): Sgemm =>
    (transA, transB, M, N, K, a, lda, b, ldb, c, ldc, accumulate) => {
      for (let i = 0; i < M; i++)
        for (let j = 0; j < N; j++) {
          let sum = 0;
          for (let k = 0; k < K; k++) {
            const x = floats[a / 4 + (transA ? k * lda + i : i * lda + k)];
            if (x !== 0 || !change.skipsZeros) sum += x * floats[b / 4 + (transB ? j * ldb + k : k * ldb + j)];
          }
          const at = c / 4 + i * ldc + j;
          floats[at] =
            (change.factor ?? 1) * sum + (accumulate || change.keepsC ? floats[at] * (accumulate ? 1 : 0) : 0);
        }
      if (change.stray) floats[c / 4 + N] = 5;
    };
  expect(problemOfSgemm(variant({}), memory)).toBeUndefined();
  for (const change of [{ factor: 1.001 }, { stray: 1 }, { keepsC: 1 }])
    expect(problemOfSgemm(variant(change), memory)).toBe("it computes wrong results");
  expect(problemOfSgemm(variant({ skipsZeros: 1 }), memory)).toMatch(/hides NaN/);
});

/** A library of these functions, which record their calls. */
function fakeLibrary(symbols: readonly string[]) {
  const calls: unknown[][] = [];
  const library: ForeignLibrary = {
    name: "libfake.so",
    addressOf: (symbol) => (symbols.includes(symbol) ? 1n : undefined),
    declare: <A extends readonly unknown[], R>(prototype: string) => {
      const [, name] = /(\w+)\(/.exec(prototype) ?? [];
      return (...args: A) => void calls.push([name, ...args]) as R;
    },
    declareAsync: vi.fn(),
  };
  const foreign: ForeignLoader = {
    load: (_, { problemOf } = {}) => problemOf?.(library) ?? library,
    addressOf: (view) => BigInt(4096 + view.byteOffset),
  };
  return { library, foreign, calls };
}

test("every library is kept to one thread, and MKL to 32-bit integers", () => {
  const { foreign, calls } = fakeLibrary(["cblas_sgemm", "openblas_set_num_threads"]);
  loadBlas(foreign, "libfake.so");
  expect(calls).toEqual([["openblas_set_num_threads", 1]]);
  const mkl = fakeLibrary(["cblas_sgemm", "MKL_Set_Threading_Layer", "MKL_Set_Interface_Layer"]);
  loadBlas(mkl.foreign, "libfake.so");
  expect(mkl.calls).toEqual([
    ["MKL_Set_Threading_Layer", 1],
    ["MKL_Set_Interface_Layer", 0],
  ]);
  expect(loadBlas(fakeLibrary([]).foreign, "libfake.so")).toBe("it has no cblas_sgemm");
});

test("calls are row-major, by addresses in the module's memory", () => {
  const { library, foreign, calls } = fakeLibrary(["cblas_sgemm"]);
  const memory = new WebAssembly.Memory({ initial: 1 });
  const sgemm = sgemmOver(memory, foreign, library);
  const call = ["cblas_sgemm", 101, 112, 111, 2, 3, 4, 1, 4104, 5, 4112, 6, 1, 4120, 7];
  sgemm(1, 0, 2, 3, 4, 8, 5, 16, 6, 24, 7, 1);
  memory.grow(1);
  sgemm(1, 0, 2, 3, 4, 8, 5, 16, 6, 24, 7, 1);
  expect(calls).toEqual([call, call]);
  // As WebAssembly passes 2 ** 31 + 4 and 2 ** 32 - 4.
  sgemm(0, 1, 2, 3, 4, -(2 ** 31) + 4, 5, -4, 6, 24, 7, 0);
  expect(calls.at(-1)?.slice(8, 12)).toEqual([4096 + 2 ** 31 + 4, 5, 4096 + 2 ** 32 - 4, 6]);
});
