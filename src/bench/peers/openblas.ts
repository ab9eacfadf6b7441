/**
 * The system's OpenBLAS through koffi, an optional package that only this comparison needs.
 *
 * OPENBLAS_CORETYPE and similar variables, which force another processor's kernels, are removed from the environment first,
 * so that OpenBLAS chooses its own; the description names them. `openblas-avx2` limits it to 256-bit vectors, the widest
 * that WebAssembly reaches, and so separates the quality of the kernels from the width of the vectors.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { openForeign } from "../../platform/node-foreign.ts";
import { type Runner, repeated } from "../comparison.ts";
import { dimensions, type Matmul, numbers, type Operands, operandSizes } from "../matmuls.ts";
import { missing, type PeerContext, type PeerProgram } from "./peer.ts";

const libraries = [
  "libopenblas.so.0",
  "libopenblas.so",
  "libopenblas.dylib",
  "/opt/homebrew/opt/openblas/lib/libopenblas.dylib",
  "/usr/local/opt/openblas/lib/libopenblas.dylib",
  "libopenblas.dll",
  "openblas.dll",
];

/** OpenBLAS's name for AVX2 and FMA kernels: 256-bit vectors. */
export const avx2Kernels = "Haswell";

const ROW_MAJOR = 101;
const PLAIN = 111;
const TRANSPOSED = 112;

/** Its threads spin for some tens of milliseconds after a call, and would disturb the next runner. */
const IDLE_MS = 100;

/** A process can load one OpenBLAS only, which selects its kernels when it is loaded. */
let loaded = false;

export async function openblas(
  name: string,
  path: string | undefined,
  coreType: string | undefined,
  { blas, matmuls }: PeerContext,
): Promise<PeerProgram> {
  const foreign = await openForeign();
  if (typeof foreign === "string") return missing(name, "product", foreign);
  if (blas)
    return missing(name, "product", `not measured with --blas ${blas.name}, whose threads its own calls would change`);
  if (loaded) return missing(name, "product", "only one OpenBLAS can be loaded: measure the other one in another run");
  for (const key of Object.keys(process.env)) if (key.startsWith("OPENBLAS_")) delete process.env[key];
  if (coreType !== undefined) process.env.OPENBLAS_CORETYPE = coreType;
  const library = foreign.load(path ?? libraries);
  if (typeof library === "string")
    return missing(
      name,
      "product",
      path === undefined
        ? "no OpenBLAS was found: install it (Debian: libopenblas0-openmp), or give openblas:PATH"
        : `it cannot be loaded: ${library}`,
    );
  loaded = true;
  const config = library.declare<[], string>("const char *openblas_get_config()");
  const core = library.declare<[], string>("const char *openblas_get_corename()");
  const setThreads = library.declare<[threads: number], void>("void openblas_set_num_threads(int)");
  const sgemm = library.declare<readonly (number | Float32Array)[], void>(
    "void cblas_sgemm(int, int, int, int, int, int, float, const float *, int, const float *, int, float, float *, int)",
  );
  let operands: Operands<Float32Array> | undefined = allocate(matmuls);
  return {
    peer: { name, kind: "product", description: `${config()}, with its ${core()} kernels`, missing: false },
    matmul(matmul: Matmul, threads: number, minMs: number): Runner {
      const [M, N, K] = dimensions(matmul);
      const { form, C, OC } = matmul;
      const runner = repeated(name, minMs, (times) => {
        if (!operands) throw new Error("its operands were freed");
        const { x, y, w, out } = operands;
        const [a, lda] = form === "NT" ? [x, C] : [y, OC];
        const b = form === "TN" ? x : w;
        const transA = form === "TN" ? TRANSPOSED : PLAIN;
        const transB = form === "NT" ? TRANSPOSED : PLAIN;
        for (let i = 0; i < times; i++) sgemm(ROW_MAJOR, transA, transB, M, N, K, 1, a, lda, b, C, 0, out, N);
      });
      const thenIdle = async <T>(work: () => Promise<T> | undefined) => {
        setThreads(threads);
        const result = await work();
        await sleep(threads > 1 ? IDLE_MS : 0);
        return result;
      };
      return {
        ...runner,
        isPeer: true,
        warmUp: async () => {
          await thenIdle(() => runner.warmUp?.());
        },
        measure: async () => (await thenIdle(() => runner.measure())) ?? Number.NaN,
      };
    },
    endMatmuls() {
      operands = undefined;
    },
    async dispose() {},
  };
}

function allocate(matmuls: readonly Matmul[]): Operands<Float32Array> {
  const make = (size: number) => {
    const array = new Float32Array(size);
    for (let at = 0; at < size; ) {
      const values = numbers(size - at);
      array.set(values, at);
      at += values.length;
    }
    return array;
  };
  const { x, y, w, out } = operandSizes(matmuls);
  return { x: make(x), y: make(y), w: make(w), out: make(out) };
}
