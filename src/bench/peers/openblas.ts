/**
 * The system's OpenBLAS, called through koffi: an optional package, since only this comparison needs it.
 *
 * OPENBLAS_CORETYPE and the like, which force another processor's kernels, are taken out of the environment first:
 * OpenBLAS then chooses what it finds best here, and the description says which. `openblas-avx2` keeps it to kernels of
 * 256-bit vectors, the widest that WebAssembly reaches: so much is skill, the rest the width of vectors.
 */
import { createRequire } from "node:module";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { type Contender, repeated } from "../contest.ts";
import { dimensions, numbers, type Operands, operandSizes, type Product } from "../products.ts";
import { type Competitor, missing, type Terms } from "./peer.ts";

/** What we use of koffi. */
interface Koffi {
  load(path: string): { func(signature: string): (...args: unknown[]) => unknown };
}

const libraries = [
  "libopenblas.so.0",
  "libopenblas.so",
  "libopenblas.dylib",
  "/opt/homebrew/opt/openblas/lib/libopenblas.dylib",
  "/usr/local/opt/openblas/lib/libopenblas.dylib",
  "libopenblas.dll",
  "openblas.dll",
];

const ROW_MAJOR = 101;
const PLAIN = 111;
const TRANSPOSED = 112;

/** Its threads look out for more work for some tens of milliseconds, and would disturb who comes next. */
const REST_MS = 100;

/** A process has one OpenBLAS, and that has chosen its kernels when it was loaded. */
let loaded = false;

export async function openblas(
  name: string,
  path: string | undefined,
  coreType: string | undefined,
  { products }: Terms,
): Promise<Competitor> {
  const koffi = await loadKoffi();
  if (!koffi) return missing(name, "needs the package koffi: npm install koffi");
  if (loaded) return missing(name, "only one OpenBLAS can be loaded: measure the other one in another run");
  for (const key of Object.keys(process.env)) if (key.startsWith("OPENBLAS_")) delete process.env[key];
  if (coreType !== undefined) process.env.OPENBLAS_CORETYPE = coreType;
  const library = firstOf(koffi, path === undefined ? libraries : [path]);
  if (!library)
    return missing(
      name,
      path === undefined
        ? "no OpenBLAS was found: install it (Debian: libopenblas0-openmp), or give openblas:PATH"
        : `${path} cannot be loaded as a library`,
    );
  loaded = true;
  const config = library.func("const char *openblas_get_config()");
  const core = library.func("const char *openblas_get_corename()");
  const setThreads = library.func("void openblas_set_num_threads(int)");
  const sgemm = library.func(
    "void cblas_sgemm(int, int, int, int, int, int, float, const float *, int, const float *, int, float, float *, int)",
  );
  let operands: Operands<Float32Array> | undefined = allocate(products);
  return {
    peer: { name, description: `${config()}, with its ${core()} kernels`, missing: false },
    product(product: Product, threads: number, leastMs: number): Contender {
      const [M, N, K] = dimensions(product);
      const { form, C, OC } = product;
      const contender = repeated(name, leastMs, (times) => {
        if (!operands) throw new Error("its operands were given back");
        const { x, y, w, out } = operands;
        const [a, lda] = form === "NT" ? [x, C] : [y, OC];
        const b = form === "TN" ? x : w;
        const transA = form === "TN" ? TRANSPOSED : PLAIN;
        const transB = form === "NT" ? TRANSPOSED : PLAIN;
        for (let i = 0; i < times; i++) sgemm(ROW_MAJOR, transA, transB, M, N, K, 1, a, lda, b, C, 0, out, N);
      });
      const rested = async <T>(work: () => Promise<T> | undefined) => {
        setThreads(threads);
        const result = await work();
        await sleep(threads > 1 ? REST_MS : 0);
        return result;
      };
      return {
        ...contender,
        isPeer: true,
        warmUp: async () => {
          await rested(() => contender.warmUp?.());
        },
        measure: async () => (await rested(() => contender.measure())) ?? Number.NaN,
      };
    },
    endProducts() {
      operands = undefined;
    },
    async dispose() {},
  };
}

/** Beside this package, or in the folder where the command runs. */
async function loadKoffi(): Promise<Koffi | undefined> {
  const here: string = "koffi";
  try {
    return (await import(here)).default;
  } catch {
    try {
      const there = createRequire(join(process.cwd(), "package.json")).resolve("koffi");
      return (await import(pathToFileURL(there).href)).default;
    } catch {
      return undefined;
    }
  }
}

function firstOf(koffi: Koffi, paths: readonly string[]) {
  for (const path of paths) {
    try {
      return koffi.load(path);
    } catch {
      // The next one may be there.
    }
  }
  return undefined;
}

function allocate(products: readonly Product[]): Operands<Float32Array> {
  const make = (size: number) => {
    const array = new Float32Array(size);
    for (let at = 0; at < size; ) {
      const values = numbers(size - at);
      array.set(values, at);
      at += values.length;
    }
    return array;
  };
  const { x, y, w, out } = operandSizes(products);
  return { x: make(x), y: make(y), w: make(w), out: make(out) };
}
